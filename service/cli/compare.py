"""`regsweep compare`: compares techniques on a server, for a study file or for a study that it has."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import (
    KeyOption,
    ModelFile,
    ProjectOption,
    ServerOption,
    load_settings,
    open_client,
    refuse,
    warn_of,
)
from service.cli.output import say
from service.cli.source import server_flag
from service.storage.states import ComparisonState

if TYPE_CHECKING:
    from service.client import Client
    from service.schemas.studies import StudyView
    from studies.spec.dataset import UploadedDataset
    from studies.spec.study import StudySpec

_STUDY_FILE_ENDINGS = (".yaml", ".yml", ".json")


def compare(
    study: Annotated[str, typer.Argument(metavar="STUDY.yaml|NAME", help="A study file, or a study's name.")],
    wait: Annotated[bool, typer.Option("--wait", help="Follow the comparison to its end and show the answer.")] = False,
    trials_per_technique: Annotated[int | None, typer.Option(help="Trials in the search of each technique.")] = None,
    repeats: Annotated[int | None, typer.Option(help="Random divisions into folds that confirm the results.")] = None,
    folds: Annotated[int | None, typer.Option(help="Folds of each division.")] = None,
    technique: Annotated[list[str] | None, typer.Option(help="A technique to compare; may be repeated.")] = None,
    model: ModelFile = None,
    project: ProjectOption = None,
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
    project = load_settings(project=project, log_level="warning").project
    with open_client(server, key) as client:
        if is_file:
            compared = _compare_file(client, file, model, changes, project)
        else:
            compared = _compare_study(client, client.study(study), changes)
        warn_of(compared)
        if wait:
            sys.exit(_follow(client, compared.name, server))
    from service.cli.next_step import next_step

    say(compared.name)
    say(next_step(compared, server_flag(server)))


def _compare_file(
    client: Client, file: Path, model: Path | None, changes: Mapping[str, Any], project: str | None
) -> StudyView:
    from service.cli.local_files import submit_study
    from studies.spec.comparison import ComparisonSpec
    from studies.study_file import read_document

    wanted = with_comparison(read_document(file, model), changes)
    present = client.find(wanted["name"]) if isinstance(wanted.get("name"), str) else None
    if present is None:
        return submit_study(client, wanted, file.parent, project)
    described = describe(wanted, present, file.parent)
    return _compare_study(client, present, (described.comparison or ComparisonSpec()).model_dump(mode="json"))


def with_comparison(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Give a study's document a comparison: its own if it has one, with `changes`."""
    comparison = document.get("comparison") or {}
    return {
        **document,
        "comparison": {**comparison, **changes} if isinstance(comparison, Mapping) else comparison,
    }


def describe(document: Mapping[str, Any], study: StudyView, folder: Path) -> StudySpec:
    """Parse a document that describes this study, their comparisons aside.

    Raises NameInUseError when it describes another.
    """
    from service.cli.local_files import dataset_kind
    from service.errors import NameInUseError
    from studies.search.idle_parameters import without_idle_rates
    from studies.spec.dataset import UploadedDataset
    from studies.spec.differences import differences
    from studies.spec.study import StudySpec
    from studies.study_file import parse

    on_server = StudySpec.read(study.spec)
    if dataset_kind(document) in {"file", "uploaded"}:
        theirs = on_server.dataset
        if not isinstance(theirs, UploadedDataset) or not _is_upload(document, theirs, folder):
            raise NameInUseError(study.name, [("dataset", "another file or version", "this one")])
        document = {**document, "dataset": theirs.model_dump(mode="json")}
    described = parse(document)
    # A study of an earlier version may search dropout where nothing drops.
    specs = (without_idle_rates(on_server), described)
    aside: dict[str, None] = {"comparison": None}
    if not described.reproducible:  # then it may have been changed since, and does not make another study of it
        aside["max_workers"] = None
    alone = [spec.model_copy(update=aside) for spec in specs]
    if alone[0] != alone[1]:
        raise NameInUseError(study.name, differences(*alone))
    return described


def _is_upload(document: Mapping[str, Any], theirs: UploadedDataset, folder: Path) -> bool:
    """Return whether a document's file, or the dataset that it names, is this version of an uploaded one."""
    from service.cli.local_files import dataset_kind, read_dataset
    from service.storage.dataset_files import FIRST_VERSION

    if dataset_kind(document) == "uploaded":
        # A study that was accepted before there were versions has the first.
        own = document["dataset"]
        return own.get("name") == theirs.name and own.get("version") in (None, theirs.version or FIRST_VERSION)
    ours = read_dataset(document, folder).described
    # What the server knows of the rows may be another version's wording of the same.
    return ours.model_copy(update={"version": theirs.version, "known": theirs.known}) == theirs


def _compare_study(client: Client, study: StudyView, comparison: Mapping[str, Any]) -> StudyView:
    """Begin the study's comparison; leave one that it has as it is, and say how far that is."""
    if study.comparison is None:
        client.compare(study.name, comparison)
    else:
        from service.cli.terminal import progress_line

        say(
            f"regsweep: '{study.name}' has a comparison already, which is {study.comparison.state}: "
            f"{progress_line(study)}",
            file=sys.stderr,
        )
    return client.study(study.name)


def _follow(client: Client, name: str, server: str | None) -> int:
    """Follow the comparison to its end and show it; return the exit status."""
    from service.cli.following import follow
    from service.cli.looking import EventLooks
    from service.cli.next_step import next_step, whereabouts
    from service.cli.source import Source
    from service.cli.terminal import open_console
    from service.cli.terminal_comparison import show_comparison

    console = open_console()
    study = follow(console, EventLooks(client, name))
    comparison = client.comparison(name)
    show_comparison(console, comparison)
    source = Source(client, client.url, load_settings(server_url=server), server_flag(server))
    for line in (*whereabouts(study, source), next_step(study, source.flags)):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return 0 if comparison.state == ComparisonState.COMPLETED and comparison.result is not None else 1
