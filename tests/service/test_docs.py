"""The documents name every setting, route and command there is, and every study in them is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.api.app import create_app
from service.cli import main
from service.cli.datasets import datasets
from service.cli.db import db
from service.cli.keys import keys
from service.cli.projects import projects
from service.cli.webhooks import webhooks
from service.settings import Settings, variables
from studies.spec.table import TableOptions
from studies.study_file import read

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def _routes() -> list[tuple[str, str]]:
    paths = create_app(Settings(workers=0)).openapi()["paths"]
    return [(method.upper(), path) for path, operations in paths.items() for method in operations]


def _commands() -> list[str]:
    groups = {
        "": main.app, "db ": db, "datasets ": datasets, "keys ": keys, "projects ": projects, "webhooks ": webhooks,
    }  # fmt: skip
    assert len(groups) == len(main.app.registered_groups) + 1
    return [
        f"{prefix}{command.name or getattr(command.callback, '__name__', None)}"
        for prefix, group in groups.items()
        for command in group.registered_commands
    ]


@pytest.mark.parametrize("variable", variables())
def test_every_setting_is_documented(variable: str) -> None:
    assert f"`{variable}`" in (DOCS / "settings.md").read_text()


@pytest.mark.parametrize("variable", sorted(set(re.findall(r"REGSWEEP_\w+", (DOCS / "settings.md").read_text()))))
def test_every_documented_setting_exists(variable: str) -> None:
    assert variable in variables()


@pytest.mark.parametrize(("method", "path"), _routes())
def test_every_route_is_documented(method: str, path: str) -> None:
    line = rf"\b{method}\b[^\n]*{re.escape(path)}(?![\w/{{.])"
    assert re.search(line, (DOCS / "api.md").read_text()), f"{method} {path}"


@pytest.mark.parametrize("command", _commands())
def test_every_command_is_documented(command: str) -> None:
    assert re.search(rf"`regsweep {command}\b", (DOCS / "cli.md").read_text())


def test_every_field_of_a_file_beside_the_study_is_documented() -> None:
    section = (DOCS / "studies.md").read_text().partition("### A file beside the study")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == {"path", "name", *TableOptions.model_fields}


@pytest.mark.parametrize("file", sorted((DOCS / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_study_is_valid(file: Path) -> None:
    assert read(file).name
