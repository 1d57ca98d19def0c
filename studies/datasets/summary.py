"""Say in a few lines how a dataset was read: for people who look at a study of it."""

from __future__ import annotations

from studies.datasets.profile import ColumnProfile, DatasetProfile
from studies.frozen_model import FrozenModel
from studies.objectives import Task

_MAX_NAMED = 20
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


class LeftOut(FrozenModel):
    """A column that gives a model no input."""

    name: str
    why: str


class DataSummary(FrozenModel):
    """How a dataset was read."""

    rows: int
    task: Task
    why: str  # the task
    used: tuple[str, ...]  # columns that a model gets, the first 20
    columns_used: int
    left_out: tuple[LeftOut, ...]  # the first 20
    columns_left_out: int
    missing: tuple[str, ...]  # columns that lack values somewhere, the first 20
    file: str  # how the file is written
    warnings: tuple[str, ...]


def summarize(profile: DatasetProfile) -> DataSummary:
    """Summarize a profile."""
    features = [column for column in profile.columns if column.role in {"feature", "ignored"}]
    used = [column.name for column in features if column.inputs]
    left_out = [column for column in features if not column.inputs]
    return DataSummary(
        rows=profile.rows,
        task=profile.task,
        why=profile.why,
        used=tuple(used[:_MAX_NAMED]),
        columns_used=len(used) + profile.used_beyond,
        left_out=tuple(LeftOut(name=column.name, why=_why(column)) for column in left_out[:_MAX_NAMED]),
        columns_left_out=len(left_out) + profile.left_out_beyond,
        missing=tuple(column.name for column in features if column.missing and column.inputs)[:_MAX_NAMED],
        file=_describe_file(profile),
        warnings=profile.warnings,
    )


def _why(column: ColumnProfile) -> str:
    return column.left_out or "gives no input"  # profiles of earlier versions do not say why


def _describe_file(profile: DatasetProfile) -> str:
    if profile.delimiter is None:
        return ""
    delimiter = _DELIMITERS.get(profile.delimiter, f"'{profile.delimiter}'")
    return f"{profile.encoding or 'utf-8'} text, its columns divided by {delimiter}"


def lines(summary: DataSummary) -> list[str]:
    """Write a summary as lines of text, without its warnings."""
    left_out = [f"{column.name} ({column.why})" for column in summary.left_out]
    found = [f"{summary.rows:,} rows, {summary.task}" + (f": {summary.why}" if summary.why else "")]
    columns = "1 column" if summary.columns_used == 1 else f"{summary.columns_used} columns"
    found.append(f"{columns} used: {_join(summary.used, summary.columns_used)}")
    if left_out:
        found.append(f"{summary.columns_left_out} left out: {_join(left_out, summary.columns_left_out)}")
    if summary.missing:
        found.append(f"Values are missing in {_join(summary.missing, len(summary.missing))}")
    return [*found, summary.file] if summary.file else found


def other_warnings(summary: DataSummary) -> list[str]:
    """The warnings without those that only repeat which columns the lines say are left out, and why."""
    if summary.columns_left_out > len(summary.left_out):
        return list(summary.warnings)
    ends = (", and is left out", " and is left out")
    repeated = tuple(f"{column.why}{end}" for column in summary.left_out for end in ends)
    return [warning for warning in summary.warnings if not warning.endswith(repeated)]


def _join(names: tuple[str, ...] | list[str], count: int) -> str:
    return ", ".join(names) + (", …" if count > len(names) else "")
