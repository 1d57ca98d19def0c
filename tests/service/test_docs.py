"""The documents name every setting, route, parameter, event, error and command, and every study in them is one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import regsweep
from service.api.app import create_app
from service.cli import main
from service.errors import ServiceError, UnreachableError
from service.settings import Settings, variables
from service.storage.states import Event
from studies.errors import InvalidSpecError
from studies.spec.table import TableOptions
from studies.study_file import read

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PATHS = create_app(Settings(workers=0)).openapi()["paths"]
#: Whose parameters are those of another operation, and stand in its row.
SAME_PARAMETERS = {"POST /v1/datasets/profile": "POST /v1/datasets"}
#: Which no request is answered with: they are of a client that reaches no server.
NO_ANSWERS = {UnreachableError}


def _routes() -> list[tuple[str, str]]:
    return [(method.upper(), path) for path, operations in PATHS.items() for method in operations]


def _kinds(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for other in kind.__subclasses__():
        yield from _kinds(other)


def _commands() -> list[str]:
    groups = {f"{group.name} ": group.typer_instance for group in main.app.registered_groups}
    return [
        f"{prefix}{command.name or getattr(command.callback, '__name__', None)}"
        for prefix, group in {"": main.app, **groups}.items()
        if group is not None
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


@pytest.mark.parametrize(("method", "path"), _routes())
def test_every_parameter_of_a_route_is_documented(method: str, path: str) -> None:
    api, route = (DOCS / "api.md").read_text(), f"{method} {path}"
    route = SAME_PARAMETERS.get(route, route)
    [row] = re.findall(rf"^\| `{re.escape(route)}[?`][^\n]*", api, re.MULTILINE)
    for parameter in PATHS[path][method.lower()].get("parameters", []):
        name = re.escape(parameter["name"])
        if parameter["in"] == "query":
            assert re.search(rf"[?&`]{name}[=`]", row), name
        else:
            assert parameter["in"] == "path" or re.search(rf"`[^`]*{name}", api), name


def test_every_event_is_documented() -> None:
    content = PATHS["/v1/studies/{name}/events"]["get"]["responses"]["200"]["content"]
    said = content["text/event-stream"]["itemSchema"]["properties"]["event"]["enum"]
    sent = re.findall(r'_event\("(\w+)"', (ROOT / "service" / "api" / "feed.py").read_text())
    assert set(sent) == set(said) == set(_rows("## Events"))


@pytest.mark.parametrize("event", Event)
def test_every_event_of_webhooks_is_documented(event: str) -> None:
    assert f"| `{event}` |" in (DOCS / "webhooks.md").read_text()


def test_every_error_is_documented_with_its_status_and_title() -> None:
    found = {kind for parent in (ServiceError, InvalidSpecError) for kind in _kinds(parent)} - NO_ANSWERS
    titles = {(str(kind.status), kind.title) for kind in found if kind.status != 500}  # type: ignore[attr-defined]
    titles |= {
        ("400", "Bad Request"),
        ("405", "Method Not Allowed"),
        ("408", "Request Timeout"),
        ("500", ServiceError.title),
    }
    section = _section("## Errors")
    assert set(re.findall(r"^\| (\d{3}) \| ([^|]+) \|", section, re.MULTILINE)) == titles


def _section(heading: str) -> str:
    return (DOCS / "api.md").read_text().partition(f"\n{heading}\n")[2].partition("\n## ")[0]


def _rows(heading: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", _section(heading), re.MULTILINE)


@pytest.mark.parametrize("command", _commands())
def test_every_command_is_documented(command: str) -> None:
    assert re.search(rf"`regsweep {command}\b", (DOCS / "cli.md").read_text())


def test_every_field_of_a_file_beside_the_study_is_documented() -> None:
    section = (DOCS / "studies.md").read_text().partition("### A file beside the study")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == {"path", "name", *TableOptions.model_fields}


@pytest.mark.parametrize("file", sorted((DOCS / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_study_is_valid(file: Path) -> None:
    assert read(file).name


def test_python_has_every_error_that_its_page_names_and_its_page_every_method_of_the_client() -> None:
    page = (DOCS / "python.md").read_text()
    named = set(re.findall(r"`(\w+Error)`", page))
    assert {name for name in named if not hasattr(regsweep, name)} == set()
    methods = {name for name in dir(regsweep.Client) if not name.startswith("_")}
    assert {name for name in methods if f"`{name}`" not in page} == {"close"}, "which stands as `close()`"
