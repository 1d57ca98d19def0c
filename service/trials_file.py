"""A study's trials as a file: a CSV, or Parquet or Arrow, whose columns have types."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from service import csv_cells
from service.schemas.trials import TrialView

if TYPE_CHECKING:
    import pyarrow as pa

TrialsFormat = Literal["csv", "parquet", "arrow"]
MEDIA_TYPES: Mapping[TrialsFormat, str] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.file",
}
#: The fields of a trial that have a column for each name in them.
_NAMED = ("params", "metrics", "weights", "enqueued")


def write(trials: Iterable[TrialView], kind: TrialsFormat, *, escape_formulas: bool = False) -> bytes:
    """Write trials, a row each; every param, metric and weight has a column of its own.

    Of a CSV, `escape_formulas` puts an apostrophe before texts that spreadsheets would run.
    """
    rows = list(trials)
    if kind == "csv":
        return _csv(rows, csv_cells.escape_formulas if escape_formulas else list).encode()
    content = io.BytesIO()
    if kind == "parquet":
        from pyarrow import parquet

        parquet.write_table(table(rows), content)
    else:
        import pyarrow as pa

        arrow = table(rows)
        with pa.ipc.new_file(content, arrow.schema) as writer:
            writer.write_table(arrow)
    return content.getvalue()


def _csv(trials: Sequence[TrialView], escape: Callable[[Iterable[Any]], list[Any]]) -> str:
    rows = [_flat(trial) for trial in trials]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or ["number"])
    writer.writeheader()
    writer.writerows(dict(zip(row, escape(row.values()), strict=True)) for row in rows)
    return text.getvalue()


def _flat(trial: TrialView) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for column, value in trial.model_dump(mode="json").items():
        if isinstance(value, dict):
            row |= {f"{column}_{name}": inner for name, inner in value.items()}
        else:
            row[column] = json.dumps(value) if isinstance(value, list) else value
    return row


def table(trials: Sequence[TrialView]) -> pa.Table:
    """Trials as a table of Arrow, with the columns of the CSV: those of one field stand together."""
    import pyarrow as pa

    types = _types()
    columns: dict[str, pa.Array] = {}
    for field in TrialView.model_fields:
        values = [getattr(trial, field) for trial in trials]
        if field not in _NAMED:
            columns[field] = pa.array(values, types[field])
            continue
        for name in dict.fromkeys(name for named in values for name in named or ()):
            columns[f"{field}_{name}"] = _column([(named or {}).get(name) for named in values])
    return pa.table(columns)


def _types() -> dict[str, pa.DataType]:
    import pyarrow as pa

    whole, text, instant = pa.int64(), pa.string(), pa.timestamp("us", "UTC")
    return {
        "number": whole,
        "state": text,
        "value": pa.float64(),
        "values": pa.list_(pa.float64()),
        "epochs": whole,
        "best_epoch": whole,
        "stopped_early": pa.bool_(),
        "cut": pa.bool_(),
        "reason": text,
        "attempt": whole,
        "has_model": pa.bool_(),
        "started_at": instant,
        "ended_at": instant,
    }


def _column(values: Sequence[Any]) -> pa.Array:
    """Values as the narrowest type that has them all; those of a param without effect in every trial are numbers."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        return pa.array(values, pa.int64() if kinds == {int} else pa.float64())
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    return pa.array([None if value is None else str(value) for value in values], pa.string())
