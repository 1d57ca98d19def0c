"""Writes the study file of another program's search: its data, its check, and what a user should know of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.init import comment_of, guess_target
from service.cli.options import load_settings, refuse
from service.cli.output import say
from studies.errors import InvalidImportError
from studies.imports.imported import Choices, Imported

if TYPE_CHECKING:
    from studies.imports.checking import Check
    from studies.spec.study import StudySpec

_HOW = (
    "Nothing is written. Leave out what the study can do without (--leave-out NAME), say what it is here "
    "(--map THEIRS=OURS), or take one value of it (--fix NAME=VALUE)"
)
#: Makes a study of a dataset: the dataset's description, the user's choices, and how the study is checked.
Importer = Callable[[Mapping[str, Any], Choices, "Check"], Imported]

OutputOption = Annotated[Path, typer.Option("-o", "--output", help="Study file to write.")]
DatasetOption = Annotated[
    str | None, typer.Option("--dataset", help="The data: a bundled dataset's name, or a file; the search names none.")
]
TargetOption = Annotated[
    str | None, typer.Option("--target", help="The column of the file to predict; guessed when left out.")
]
LeaveOutOption = Annotated[
    list[str] | None, typer.Option("--leave-out", metavar="NAME", help="A part to leave out; may stand often.")
]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="THEIRS=OURS", help="What a part is here, as wd=l2; may stand often."),
]
FixOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fix", metavar="NAME=VALUE", help="One value of a hyperparameter, as optimizer=adam; may stand often."
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Write over a file that exists.")]


def choices_of(leave_out: list[str] | None, meanings: list[str] | None, values: list[str] | None) -> Choices:
    """The user's choices; one that is not NAME=… ends the command."""
    from studies.study_file import parse_yaml

    fixed = {}
    for name, text in _pairs("--fix", values):
        try:
            fixed[name] = parse_yaml(text)
        except Exception as error:  # noqa: BLE001  # PyYAML raises errors of many kinds; its reason is kept
            refuse(f"--fix {name}: {' '.join(str(error).split())}")
    return Choices(frozenset(leave_out or ()), dict(_pairs("--map", meanings)), fixed)


def _pairs(option: str, texts: list[str] | None) -> Iterator[tuple[str, str]]:
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            refuse(
                f"{option} {text}: write NAME=…, as in {option} {'wd=l2' if option == '--map' else 'optimizer=adam'}"
            )
        yield name, value


def write_imported(
    importer: Importer, source: Path | str, program: str, output: Path, dataset: str | None, target: str | None,
    choices: Choices, *, force: bool,
) -> None:  # fmt: skip
    """Import a search, write its study, and say on standard error what was left out or taken with another meaning."""
    from service.study_yaml import write_yaml

    if output.exists() and not force:
        refuse(f"{output} exists; name another with -o, or write over it with --force")
    if not output.parent.is_dir():
        refuse(f"there is no folder {output.parent}; make it first, or name another file with -o")
    described = _describe(dataset, target, output)
    checked: list[StudySpec] = []
    check = _checker(described, output)

    def keep(document: Mapping[str, Any]) -> StudySpec:
        checked.append(check(document))
        return checked[-1]

    try:
        imported = importer(described, choices, keep)
    except InvalidImportError as error:
        error.add_note(_HOW)
        if error.options:
            error.add_note(f"For instance, add to the command: {' '.join(error.options)}")
        raise
    lines = list(_say(imported))
    head = [f"Imported from {source}, a search of {program}, by `regsweep import`.", *lines]
    text = "".join(f"# {comment_of(line, 300)}\n" for line in head)
    text += write_yaml(imported.study, checked[-1], described.get("path"))
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        refuse(f"cannot write {output}: {error.strerror}")
    for line in lines:
        say(f"regsweep: {line}", file=sys.stderr)
    say(output)


def _say(imported: Imported) -> Iterable[str]:
    yield from (f"left out: {each.name} ({each.reason})" for each in imported.left_out)
    yield from (f"{each.name}: {each.reason}" for each in imported.notes)


def _describe(dataset: str | None, target: str | None, output: Path) -> dict[str, Any]:
    """The dataset as a study file describes it."""
    from studies.spec.dataset import BUILTIN, SYNTHETIC

    bundled = (*BUILTIN, *SYNTHETIC)
    if dataset is None:
        refuse(f"--dataset: is missing; give a file of yours (with --target), or one of {', '.join(bundled)}")
    if dataset in bundled:
        return {"kind": "builtin" if dataset in BUILTIN else "synthetic", "name": dataset}
    file = Path(dataset)
    if not file.is_file():
        refuse(f"--dataset: there is no file {dataset}; give one, or one of {', '.join(bundled)}")
    path = Path(os.path.relpath(file, output.parent)).as_posix()
    return {"kind": "file", "path": path, "target": target or guess_target(file)}


def _checker(described: Mapping[str, Any], output: Path) -> Check:
    """What checks the study as `run` does; a file is read once."""
    from service import submission

    settings = load_settings(log_level="warning")
    if described["kind"] != "file":
        return lambda document: submission.check(document, settings)
    from service.cli.local_files import read_dataset

    local = read_dataset({"dataset": described}, output.parent)
    return lambda document: local.check(document, settings)
