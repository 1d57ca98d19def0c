"""`regsweep init`: writes a commented study file for a user's file, made from how the file is read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import FILE_HELP, load_settings, refuse
from service.cli.output import say
from studies.objectives import metrics_for

if TYPE_CHECKING:
    from studies.datasets.profile import ColumnProfile, DatasetProfile

_MAX_SHOWN_COLUMNS = 200
_MAX_SHOWN_LEVELS = 5
_MAX_COMMENT = 100  # characters of what a file says

_HEAD = """\
# A study of {file}: which regularization suits it. Made by `regsweep init`; change what you like.
# Every field but `dataset` can be left out. `regsweep validate {study}` checks this file without running it,
# `regsweep run {study}` runs it here, and again goes on where it was left.
name: {name} # the study's key; another study needs another name

dataset:
  kind: file
  path: {path} # from the folder of this file
  target: {target} # the column to predict; {task}: {why}
"""
_REST = """
# A network of dense layers. A Keras model of your own: regsweep run {study} --model model.json
model: {model}

# What is searched: a range {{low, high, log}}, a list of choices, or one fixed value.
space:
  regularizer: [none, l1, l2, elastic_net] # of every hidden layer's weights
  lambda: {{low: 1.0e-6, high: 0.1, log: true}} # strength of the regularizer
  l1_ratio: {{low: 0.1, high: 0.9}} # elastic net's share of lambda that goes to L1
  dropout: {{low: 0.0, high: 0.5}} # share of a hidden layer's outputs that training drops
  patience: {{low: 5, high: 20}} # epochs without improvement before training stops; null: no early stopping
  learning_rate: 0.001
  batch_size: 32

objectives: [val_loss] # what is optimised, one or several of {metrics}

budget:
  trials: 50 # trainings with other values of the space
  epochs: 100 # the most that a trial trains
  # timeout_seconds: 600 # ends the study with what it has

# Which technique to use, and how sure that is; also begun by `regsweep run {study} --compare`:
# comparison: {{trials_per_technique: 30, repeats: 5, folds: 5}}

seed: 0 # of splits, initial weights and the search
"""


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=FILE_HELP)],
    target: Annotated[str | None, typer.Option(help="The column to predict; guessed when left out.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Study file to write.")] = Path("study.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
) -> None:
    """Write a study file for a file of yours, with a comment for every field and how each column is read."""
    import yaml

    from service.cli.local_files import read_dataset

    if output.exists() and not force:
        refuse(f"{output} exists; name another with -o, or write over it with --force")
    if not file.is_file():
        refuse(f"there is no file {file}")
    if not output.parent.is_dir():
        refuse(f"there is no folder {output.parent}; make it first, or name another file with -o")
    target = target or guess_target(file)
    path = Path(os.path.relpath(file, output.parent)).as_posix()
    dataset = {"kind": "file", "path": path, "target": target}
    local = read_dataset({"dataset": dataset}, output.parent)
    text = "".join(_lines(local.name, output, dataset, local.profile))
    # As it is read: what is written must run.
    local.check(yaml.safe_load(text), load_settings(log_level="warning"))
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        refuse(f"cannot write {output}: {error.strerror}")
    for warning in local.profile.warnings:
        say(f"regsweep: warning: {warning}", file=sys.stderr)
    say(output)


def guess_target(file: Path) -> str:
    """The column that is most likely to be predicted, which is said."""
    from service.client.data import format_of_path
    from studies.datasets.formats import open_columns
    from studies.datasets.profile import suggest_target

    file_format = format_of_path(file)
    if file_format == "npz":
        refuse("--target: is missing; it is the array that is to be predicted")
    target = suggest_target(open_columns(file, file_format).names)
    if target is None:
        refuse(f"{file} has no columns; name a file that has, and the one to predict with --target")
    say(f"regsweep: the target is taken to be '{target}'; name another with --target", file=sys.stderr)
    return target


def _lines(name: str, output: Path, dataset: dict[str, str], profile: DatasetProfile) -> Iterator[str]:
    study = comment_of(str(output))
    yield _HEAD.format(
        file=comment_of(dataset["path"]),
        study=study,
        name=_scalar(name),
        path=_scalar(dataset["path"]),
        target=_scalar(dataset["target"]),
        task=profile.task,
        why=comment_of(profile.why or "its values are numbers"),
    )
    yield from _columns(profile)
    for warning in profile.warnings:
        yield f"  # Look at this: {' '.join(map(_printable, warning.split()))}\n"
    model = "{kind: mlp, hidden_units: [64, 64]} # units of each hidden layer"
    if len(profile.facts.shape) > 1:
        model = "{kind: cnn, filters: [16, 32], hidden_units: [64]} # convolutions, then dense layers"
    yield _REST.format(study=study, model=model, metrics=", ".join(metrics_for(profile.task)))


def _columns(profile: DatasetProfile) -> Iterator[str]:
    yield "  # How the columns are read. To read one otherwise, take the # from `columns:` and from its line, and say\n"
    yield "  # number, category, date, text (free text, which gives no input) or ignore.\n"
    yield "  # columns:\n"
    features = [column for column in profile.columns if column.role in {"feature", "ignored"}]
    for column in features[:_MAX_SHOWN_COLUMNS]:
        yield f"  #   {_scalar(column.name)}: {_kind(column)} # {_facts(column)}\n"
    if len(features) > _MAX_SHOWN_COLUMNS:
        yield f"  #   … and {len(features) - _MAX_SHOWN_COLUMNS} more columns\n"


def _kind(column: ColumnProfile) -> str:
    if column.left_out or column.kind in {"ignored", "images"}:
        return "ignore"
    kind = column.reading.kind if column.reading is not None else column.kind
    return kind if kind in {"number", "category", "date"} else "category"


def _facts(column: ColumnProfile) -> str:
    facts = []
    if column.left_out:
        facts.append(f"left out: it {column.left_out}" if column.role == "feature" else f"left out: {column.left_out}")
    if column.low is not None and column.high is not None:
        facts.append(f"{_value(column.low)} to {_value(column.high)}")
    if column.levels:
        shown = ", ".join(level.name for level in column.levels[:_MAX_SHOWN_LEVELS])
        more = ", …" if column.distinct > _MAX_SHOWN_LEVELS else ""
        facts.append(f"{column.distinct} values: {shown}{more}")
    if column.missing:
        facts.append(f"{column.missing} missing")
    return comment_of("; ".join(facts) or column.kind)


def _value(value: float | str) -> str:
    return value[:10] if isinstance(value, str) else f"{value:.4g}"


def comment_of(text: str, length: int = _MAX_COMMENT) -> str:
    """A text in one line of a comment, which holds no character that YAML refuses."""
    text = " ".join(map(_printable, text.split()))
    return text if len(text) <= length else f"{text[:length]}…"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _scalar(value: str) -> str:
    """A text as YAML in one line: plain where that reads as the same text, else in quotes."""
    import yaml

    def reads_alike() -> bool:
        try:
            read: Any = yaml.safe_load(f"{{{value}: {value}}}")
        except yaml.YAMLError:
            return False
        return bool(read == {value: value})

    return value if value.isprintable() and reads_alike() else json.dumps(value, ensure_ascii=not value.isprintable())
