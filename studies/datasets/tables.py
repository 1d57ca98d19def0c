"""From a user's file to a Table, or to an error that names the row or column that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.datasets.table import Column, Table, row_number, row_words
from studies.errors import InvalidTableError
from studies.spec.table import TableFormat, TableOptions

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BYTES = 1 << 34  # as 32-bit numbers, unless the caller knows the machine
_MOST_COLUMNS = 100_000
_ROWS_AT_ONCE = 1 << 20  # of an array's columns
#: Batches of some columns, by name; called again for columns that are read once more.
_Batches = Callable[[Sequence[str]], Iterable["pa.RecordBatch"]]


def read(path: Path, file_format: TableFormat, options: TableOptions, most_bytes: int = MOST_BYTES) -> Table:
    """The table of a file.

    Raises InvalidTableError, whose message says what is wrong and in which row or column; a file that would be larger
    than `most_bytes` as 32-bit numbers is refused before it is expanded.
    """
    import pyarrow as pa

    arrays = file_format == "npz"
    table = _read_arrays(path, options, most_bytes) if arrays else _read(path, file_format, options, most_bytes)
    # Arrow keeps the memory of its batches for others, and there was as much of it as of the columns.
    pa.default_memory_pool().release_unused()
    return table


def names(path: Path, file_format: TableFormat) -> list[str]:
    """The names of a file's columns, to choose the target from."""
    from studies.datasets import arrays, delimited, parquet

    if file_format == "npz":
        return list(arrays.declared(path, MOST_BYTES))
    return parquet.header(path) if file_format == "parquet" else delimited.header(path, file_format)


def _read(path: Path, file_format: TableFormat, options: TableOptions, most_bytes: int) -> Table:
    from studies.datasets import delimited, parquet

    found = names(path, file_format)
    _check_names(found, options)
    read_ones = [name for name in found if name not in set(options.ignore)]
    if file_format == "parquet":
        parquet.check_size(path, len(read_ones), most_bytes)
        columns = _columns(lambda some: parquet.batches(path, some), read_ones, file_format, options, most_bytes)
        return _table(columns, file_format, options)
    text = file_format
    columns = _columns(lambda some: delimited.batches(path, text, found, some), read_ones, text, options, most_bytes)
    return _table(columns, text, options, note=delimited.note(path, text))


def _check_names(found: Sequence[str], options: TableOptions) -> None:
    if len(found) > _MOST_COLUMNS:
        raise InvalidTableError(f"the file has {len(found)} columns; at most {_MOST_COLUMNS} are read")
    places: dict[str, int] = {}
    for place, name in enumerate(found, 1):
        if name in places:
            raise InvalidTableError(
                f"columns {places[name]} and {place} have the same name '{name}'; name each its own way", column=name
            )
        places[name] = place
    for role, name in (*options.roles, *(("ignore", name) for name in options.ignore)):
        if name not in places:
            near = get_close_matches(name, found, n=1)
            advice = f"did you mean '{near[0]}'?" if near else f"it has {_listed(found)}"
            if len(found) == 1:
                advice += "; columns are divided by commas, semicolons, tabs or bars"
            raise InvalidTableError(f"{role}: the file has no column '{name}'; {advice}", column=name, option=role)


def _listed(found: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in found[:10]) + (", …" if len(found) > 10 else "")


def _columns(
    batches: _Batches, found: Sequence[str], file_format: TableFormat, options: TableOptions, most_bytes: int
) -> Iterator[Column]:
    """The columns in the file's order; some are read once more when later values are not what the first were."""
    from studies.datasets.column_builder import Gathering

    role_of = {name: role for role, name in options.roles}
    gathered = {name: Gathering(name, file_format, role_of.get(name)) for name in found}
    pending = list(found)
    while pending:
        rows = 0
        for batch in batches(pending):
            rows += batch.num_rows
            if 4 * rows * len(found) > most_bytes:
                raise InvalidTableError(
                    f"the file has more than {rows} rows of {len(found)} columns; at most {most_bytes / 1e9:.1f} GB as "
                    "32-bit numbers are read"
                )
            for name in pending:
                gathered[name].add(batch.column(name))
        pending = [name for name in pending if gathered[name].failed]
        for name in pending:
            gathered[name] = Gathering(name, file_format, role_of.get(name), after=gathered[name])
    # One by one, so that no more than one column is in memory twice.
    return (gathered.pop(name).column() for name in found)


def _read_arrays(path: Path, options: TableOptions, most_bytes: int) -> Table:
    """The table of an .npz file: each array with one number a row is a column, one of two dimensions many, one of three
    or four the images.
    """
    import pyarrow as pa

    from studies.datasets import arrays

    known = arrays.declared(path, most_bytes)
    _check_names(list(known), options)
    used = {name: array for name, array in known.items() if name not in set(options.ignore)}
    images = _check_shapes(used, options)
    flat = {name: array for name, array in used.items() if name != images}
    places = arrays.columns(flat)
    loaded = {name: arrays.load(path, name) for name in flat}

    def batches(some: Sequence[str]) -> Iterator[pa.RecordBatch]:
        rows = used[options.target].shape[0]
        for start in range(0, rows, _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            values = {name: _values(loaded, *places[name])[part] for name in some}
            yield pa.RecordBatch.from_pydict({name: arrays.as_arrow(array) for name, array in values.items()})

    columns = _columns(batches, list(places), "npz", options, most_bytes)
    pictures = None if images is None else arrays.as_images(images, arrays.load(path, images))
    return _table(columns, "npz", options, pictures)


def _values(loaded: Mapping[str, Any], array: str, place: int | None) -> Any:
    return loaded[array] if place is None else loaded[array][:, place]


def _check_shapes(used: Mapping[str, Any], options: TableOptions) -> str | None:
    """The name of the images, if there are any; InvalidTableError when arrays do not fit together."""
    rows = used[options.target].shape[0] if used[options.target].shape else 0
    for name, array in used.items():
        if not 1 <= len(array.shape) <= 4 or not all(array.shape):
            raise InvalidTableError(f"array '{name}' of shape {array.shape} has no rows and columns", column=name)
        if array.shape[0] != rows:
            raise InvalidTableError(
                f"array '{name}' has {array.shape[0]} rows, and the target '{options.target}' has {rows}; every array "
                "needs one entry a row",
                column=name,
            )
    for role, name in options.roles:
        if len(used[name].shape) > 1:
            raise InvalidTableError(
                f"{role}: array '{name}' of shape {used[name].shape} must have one number a row",
                column=name,
                option=role,
            )
    features = [name for name in used if name not in {column for _, column in options.roles}]
    images = [name for name in features if len(used[name].shape) > 2]
    if images and len(features) > 1:
        raise InvalidTableError(
            f"the file has images '{images[0]}' and other inputs {_listed(features)}; ignore one of them"
        )
    return images[0] if images else None


def _table(
    columns: Iterable[Column], file_format: TableFormat, options: TableOptions, images: Any = None, note: str = ""
) -> Table:
    features: list[Column] = []
    roles: dict[str, Column] = {}
    role_of = {name: role for role, name in options.roles}
    for column in columns:
        if column.name in role_of:
            roles[role_of[column.name]] = column
        else:
            features.append(column)
    table = Table(file_format, options, tuple(features), ignored=options.ignore, images=images, note=note, **roles)
    if not table.rows:
        raise InvalidTableError("the file has no rows beneath its header")
    if not features and images is None:
        raise InvalidTableError("the file has no column to predict the target from")
    for role, column in roles.items():
        _check_role(table, role, column)
    return table


def _check_role(table: Table, role: str, column: Column) -> None:
    """No value is missing of a column that has a role, and it is of a kind that can have it."""

    def refuse(what: str, index: int | None = None, more: str = "") -> InvalidTableError:
        where, number = "", None
        if index is not None:
            where, number = f" in {row_words(table.format, index)}", row_number(table.format, index)
        message = f"{role}: column '{column.name}' {what}{where}{more}"
        return InvalidTableError(message, row=number, column=column.name, option=role)

    missing = np.flatnonzero(column.missing)
    if len(missing):
        others = f" and in {len(missing) - 1} other rows" if len(missing) > 1 else ""
        raise refuse("has no value", int(missing[0]), f"{others}; fill it, or leave those rows out")
    if role == "weight" and column.kind != "numeric":
        raise refuse(f"must hold numbers{_note(column)}")
    if role == "weight" and (column.values < 0).any():
        raise refuse("is negative", int(np.flatnonzero(column.values < 0)[0]), "; a weight is at least 0")
    if role == "weight" and not column.values.any():
        raise refuse("is 0 in every row; at least one must count")
    if role == "time" and column.kind not in {"numeric", "date"}:
        raise refuse(f"must hold numbers or dates as 2026-01-31{_note(column)}")


def _note(column: Column) -> str:
    return f" ({column.note})" if column.note else ""
