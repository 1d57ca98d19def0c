"""Every command that reads prints JSON as well, for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import typer

from service.cli.main import app
from service.storage.store import Store
from tests.service.commanding import Completed, run_command
from tests.service.comparing import sweep_as_worker
from tests.service.documents import study

#: Commands that change something, run on, or hand out a file or code, which is what they print.
OTHERS = {
    "run", "submit", "compare", "pause", "resume", "stop", "extend", "change", "delete", "serve", "worker", "demo",
    "init", "model", "snippet", "predict",
    "import wandb", "import optuna", "import keras-tuner",
    "export zip", "export optuna", "export trials",
    "datasets add", "datasets delete",
    "db backup",
    "projects create", "projects delete", "projects set",
    "webhooks remove",
}  # fmt: skip


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    """Every command with its options."""
    if not hasattr(command, "commands"):
        yield " ".join(path), {option for parameter in command.params for option in parameter.opts}
        return
    for name, inner in command.commands.items():
        yield from _commands(inner, (*path, name))


def test_every_command_that_reads_has_json() -> None:
    options = dict(_commands(typer.main.get_command(app)))
    assert options.keys() > OTHERS
    assert {name for name, of_command in options.items() if "--json" not in of_command} == OTHERS


def _here(database: Path, *arguments: str) -> Completed:
    return run_command(*arguments, "--json", "--database-url", f"sqlite:///{database}")


def test_a_report_is_printed_as_the_api_answers_it(
    api: httpx.Client, store: Store, database: Path, folder: Path
) -> None:
    store.create_study(study())
    sweep_as_worker(store, folder, "iris")
    printed = _here(database, "report", "iris")
    assert printed.returncode == 0, printed.stderr
    assert json.loads(printed.stdout) == api.get("/v1/studies/iris/report?format=json").json()


def test_what_looking_after_a_database_found_is_printed_as_json(store: Store, database: Path, folder: Path) -> None:
    store.create_study(study())
    sweep_as_worker(store, folder, "iris")
    assert json.loads(_here(database, "db", "check").stdout) == {"violations": []}
    for model in folder.rglob("*.keras"):
        model.rename(folder / "studies" / "1" / "trials" / "99.keras")
        break
    broken = _here(database, "db", "check")
    assert broken.returncode == 1
    assert "study 'iris': " in json.loads(broken.stdout)["violations"][0]
    found = {"orphans": ["studies/1/trials/99.keras"], "removed": []}
    assert json.loads(_here(database, "db", "orphans", "--older-than", "0").stdout) == found
    removed = _here(database, "db", "orphans", "--older-than", "0", "--remove")
    assert json.loads(removed.stdout)["removed"] == found["orphans"]
