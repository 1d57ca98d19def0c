"""`regsweep compare`: compares techniques on a server, for a study file or for a study that it has."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import KeyOption, ModelFile, ServerOption, open_client, refuse, warn_of
from service.storage.states import ComparisonState

if TYPE_CHECKING:
    from service.client import Client
    from service.schemas.studies import StudyView

_STUDY_FILE_ENDINGS = (".yaml", ".yml", ".json")


def compare(
    study: Annotated[str, typer.Argument(metavar="STUDY.yaml|NAME", help="A study file, or a study's name.")],
    wait: Annotated[bool, typer.Option("--wait", help="Follow the comparison to its end and show the answer.")] = False,
    trials_per_technique: Annotated[int | None, typer.Option(help="Trials in the search of each technique.")] = None,
    repeats: Annotated[int | None, typer.Option(help="Random divisions into folds that confirm the results.")] = None,
    folds: Annotated[int | None, typer.Option(help="Folds of each division.")] = None,
    technique: Annotated[list[str] | None, typer.Option(help="A technique to compare; may be repeated.")] = None,
    model: ModelFile = None,
    server: ServerOption = None,
    key: KeyOption = None,
) -> None:
    """Compare techniques: submit a study file with a comparison, or compare those of a study on the server."""
    flags = {"trials_per_technique": trials_per_technique, "repeats": repeats, "folds": folds, "techniques": technique}
    changes = {name: value for name, value in flags.items() if value is not None}
    file = Path(study)
    is_file = file.suffix.lower() in _STUDY_FILE_ENDINGS or file.is_file()
    if model is not None and not is_file:
        refuse("--model goes with a study file; a study that was submitted has its model")
    with open_client(server, key) as client:
        if is_file:
            compared = _compare_file(client, file, model, changes)
        else:
            compared = _compare_study(client, client.study(study), changes)
        warn_of(compared)
        if wait:
            sys.exit(_follow(client, compared.name, server))
    from service.cli.next_step import next_step

    print(compared.name)
    print(next_step(compared, server))


def _compare_file(client: Client, file: Path, model: Path | None, changes: Mapping[str, Any]) -> StudyView:
    from service.cli.local_files import prepare_submission
    from studies.study_file import read_document

    wanted = prepare_submission(client, with_comparison(read_document(file, model), changes), file.parent)
    present = client.find(wanted["name"]) if isinstance(wanted.get("name"), str) else None
    if present is None:
        return client.submit(wanted)
    if not _describes(wanted, present):
        refuse(f"another study is named '{present.name}'; choose another name, or delete that one first")
    return _compare_study(client, present, wanted["comparison"])


def with_comparison(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Give a study's document a comparison: its own if it has one, with `changes`."""
    comparison = document.get("comparison") or {}
    return {
        **document,
        "comparison": {**comparison, **changes} if isinstance(comparison, Mapping) else comparison,
    }


def _describes(document: Mapping[str, Any], study: StudyView) -> bool:
    """Return whether a document describes this study, their comparisons aside."""
    from studies.spec.dataset import UploadedDataset
    from studies.spec.study import StudySpec
    from studies.study_file import parse

    on_server = StudySpec.model_validate(study.spec)

    def dataset(name: str) -> UploadedDataset | None:
        return (
            on_server.dataset
            if isinstance(on_server.dataset, UploadedDataset) and on_server.dataset.name == name
            else None
        )

    if document["dataset"].get("kind") == "uploaded" and dataset(document["dataset"].get("name")) is None:
        return False
    described = parse(document, dataset)
    return described.model_copy(update={"comparison": None}) == on_server.model_copy(update={"comparison": None})


def _compare_study(client: Client, study: StudyView, comparison: Mapping[str, Any]) -> StudyView:
    """Begin the study's comparison; leave one that it has as it is, and say how far that is."""
    if study.comparison is None:
        client.compare(study.name, comparison)
    else:
        from service.cli.terminal import progress_line

        print(
            f"regsweep: '{study.name}' has a comparison already, which is {study.comparison.state}: "
            f"{progress_line(study.overall)}",
            file=sys.stderr,
        )
    return client.study(study.name)


def _follow(client: Client, name: str, server: str | None) -> int:
    """Follow the comparison to its end and show it; return the exit status."""
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
