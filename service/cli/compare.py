"""`regsweep compare`: which technique to use, asked of a server for a study file or for a study that it has."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import Key, ModelFile, Server, client_of, refuse
from service.storage.states import ComparisonState

if TYPE_CHECKING:
    from service.client import Client
    from service.schemas import StudyView

_FILES = (".yaml", ".yml", ".json")


def compare(
    study: Annotated[str, typer.Argument(metavar="STUDY.yaml|NAME", help="A study file, or a study's name.")],
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to its end and show the answer.")] = False,
    trials_per_technique: Annotated[int | None, typer.Option(help="Trials each technique is searched with.")] = None,
    repeats: Annotated[int | None, typer.Option(help="Random divisions into folds, to confirm on.")] = None,
    folds: Annotated[int | None, typer.Option(help="Folds of each division.")] = None,
    technique: Annotated[list[str] | None, typer.Option(help="One that is compared; may stand often.")] = None,
    model: ModelFile = None,
    server: Server = None,
    key: Key = None,
) -> None:
    """Compare techniques: submit a study file with a comparison, or have a study of the server compared."""
    given = {"trials_per_technique": trials_per_technique, "repeats": repeats, "folds": folds, "techniques": technique}
    asked = {name: value for name, value in given.items() if value is not None}
    file = Path(study)
    is_file = file.suffix.lower() in _FILES or file.is_file()
    if model is not None and not is_file:
        refuse("--model goes with a study file; a study that was submitted has its model")
    with client_of(server, key) as client:
        found = _of_file(client, file, model, asked) if is_file else _of_name(client, client.study(study), asked)
        if wait:
            sys.exit(_follow(client, found.name, server))
    from service.cli.next_step import next_step

    print(found.name)
    print(next_step(found, server))


def _of_file(client: Client, file: Path, model: Path | None, asked: Mapping[str, Any]) -> StudyView:
    from service.cli.local_files import submit, uploaded
    from studies.study_file import document

    given = uploaded(client, compared(document(file, model), asked), file.parent)
    found = client.find(given["name"]) if isinstance(given.get("name"), str) else None
    if found is None:
        return submit(client, given)
    if not _same(given, found):
        refuse(f"another study is named '{found.name}'; choose another name, or delete that one first")
    return _of_name(client, found, given["comparison"])


def compared(document: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """A study's document with a comparison: its own if it has one, changed by what is asked."""
    own = document.get("comparison") or {}
    return {**document, "comparison": {**own, **asked} if isinstance(own, Mapping) else own}


def _same(document: Mapping[str, Any], found: StudyView) -> bool:
    """Whether a document describes a study that there is, but for its comparison."""
    from studies.spec.dataset import UploadedDataset
    from studies.spec.study import StudySpec
    from studies.study_file import parse

    there = StudySpec.model_validate(found.spec)

    def dataset(name: str) -> UploadedDataset | None:
        return there.dataset if isinstance(there.dataset, UploadedDataset) and there.dataset.name == name else None

    if document["dataset"].get("kind") == "uploaded" and dataset(document["dataset"].get("name")) is None:
        return False
    here = parse(document, dataset)
    return here.model_copy(update={"comparison": None}) == there.model_copy(update={"comparison": None})


def _of_name(client: Client, study: StudyView, asked: Mapping[str, Any]) -> StudyView:
    """The study with a comparison; one that it has already is left as it is, and what of it is said."""
    if study.comparison is None:
        client.compare(study.name, asked)
    else:
        from service.cli.terminal import progress_line

        print(
            f"regsweep: '{study.name}' has a comparison already, which is {study.comparison.state}: "
            f"{progress_line(study.overall)}",
            file=sys.stderr,
        )
    return client.study(study.name)


def _follow(client: Client, name: str, server: str | None) -> int:
    from rich.console import Console

    from service.cli import terminal
    from service.cli.next_step import next_step
    from service.cli.terminal_comparison import show_comparison

    console = Console()
    study = terminal.follow(console, lambda: client.study(name))
    comparison = client.comparison(name)
    show_comparison(console, comparison)
    console.print(next_step(study, server), highlight=False, markup=False, soft_wrap=True)
    return 0 if comparison.state == ComparisonState.COMPLETED and comparison.result is not None else 1
