"""Read a user's file into a Table, or raise an error that names the row or column that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from studies.datasets.column_roles import assemble, check_names
from studies.datasets.formats import MAX_BYTES, open_columns
from studies.datasets.table import NO_TARGET, Column, Table
from studies.datasets.target import without_rare_classes
from studies.errors import InvalidTableError
from studies.spec.table import TableFormat, TableOptions

if TYPE_CHECKING:
    import pyarrow as pa

    from studies.datasets.arrays import Declared
    from studies.keras_config.vocabulary import Vocabulary

_NONE: Mapping[str, Vocabulary] = MappingProxyType({})
_FLAT = 2  # dimensions of an array whose values are columns
#: Reads the batches of some columns; called again for columns that are read once more.
_Batches = Callable[[Sequence[str]], Iterable["pa.RecordBatch"]]


def read(
    path: Path,
    file_format: TableFormat,
    options: TableOptions,
    max_bytes: int = MAX_BYTES,
    vocabularies: Mapping[str, Vocabulary] = _NONE,
) -> Table:
    """Read the table of a file, and look up the texts of columns that have a vocabulary.

    A file that would exceed `max_bytes` as 32-bit numbers is refused before it is expanded.

    Raises InvalidTableError, whose message says what is wrong and in which row or column.
    """
    import pyarrow as pa

    if file_format == "npz":
        table = _read_arrays(path, options, max_bytes, vocabularies)
    else:
        table = _read_columns(path, file_format, options, max_bytes, vocabularies)
    if options.drop_rare_classes and options.target != NO_TARGET:
        table = without_rare_classes(table)
    # Arrow keeps the memory of its batches for later ones, and that is as much as the columns take.
    pa.default_memory_pool().release_unused()
    return table


def _read_columns(
    path: Path, file_format: TableFormat, options: TableOptions, max_bytes: int, vocabularies: Mapping[str, Vocabulary]
) -> Table:
    file = open_columns(path, file_format, options.encoding, max_bytes, options.sheet)
    # What was seen is kept with the dataset, so that every worker reads the same.
    options = options.model_copy(update={"encoding": file.encoding})
    check_names(file.names, options)
    left_out = options.left_out
    ignored = dict.fromkeys((name for name in file.names if name in left_out), "as asked")
    named = {*options.columns, *(name for _, name in options.roles), *ignored}
    ignored |= dict.fromkeys((name for name in file.index if name not in named), "is the index that pandas wrote")
    names = [name for name in file.names if name not in ignored]
    file.check_size(len(names), max_bytes)
    columns = _build_columns(
        file.batches, names, file_format, options, max_bytes, vocabularies, semicolons=file.delimiter == ";"
    )
    table = assemble(columns, file_format, options, ignored, notes=(file.note,) if file.note else ())
    return replace(table, delimiter=file.delimiter)


def _build_columns(
    batches: _Batches,
    names: Sequence[str],
    file_format: TableFormat,
    options: TableOptions,
    max_bytes: int,
    vocabularies: Mapping[str, Vocabulary],
    *,
    semicolons: bool = False,
) -> Iterator[Column]:
    """Build columns, in order; read those once more whose later values are not of the first ones' kind."""
    from studies.datasets.column_builder import ColumnBuilder

    role_of = {name: role for role, name in options.roles}
    builders = {
        name: ColumnBuilder(
            name,
            file_format,
            role_of.get(name),
            options.columns.get(name),
            semicolons=semicolons,
            vocabulary=vocabularies.get(name),
        )
        for name in names
    }
    pending = list(names)
    while pending:
        rows = 0
        for batch in batches(pending):
            rows += batch.num_rows
            if 4 * rows * len(names) > max_bytes:
                raise InvalidTableError(
                    f"the file has more than {rows} rows of {len(names)} columns; at most {max_bytes / 1e9:.1f} GB as "
                    "32-bit numbers are read"
                )
            for name in pending:
                builders[name].add(batch.column(name))
        for name in pending:
            builders[name].end()
        pending = [name for name in pending if builders[name].failed]
        for name in pending:
            builders[name] = builders[name].retry()
    # One by one, so that no more than one column is in memory twice.
    return (builders.pop(name).build() for name in names)


def _read_arrays(path: Path, options: TableOptions, max_bytes: int, vocabularies: Mapping[str, Vocabulary]) -> Table:
    """Read an .npz file: an array of one dimension is a column, of two many, of three or four images."""
    from studies.datasets import arrays

    declared = arrays.read_declared(path, max_bytes)
    check_names(list(declared), options.model_copy(update={"columns": {}}))
    left_out = options.left_out
    ignored = dict.fromkeys((name for name in declared if name in left_out), "as asked")
    used = {name: array for name, array in declared.items() if name not in ignored}
    _check_arrays(used, options)
    deep = [name for name, array in used.items() if len(array.shape) > _FLAT]
    flat = {name: array for name, array in used.items() if name not in deep}
    columns = arrays.ArrayColumns.read(path, flat, single={name for _, name in options.roles})
    check_names([*declared, *(name for name in columns.names if name not in declared)], options)
    # What is said of an array holds for each of its columns.
    said = {name: options.columns.get(name, options.columns.get(array)) for name, (array, _) in columns.sources.items()}
    of_columns = {name: one for name, one in said.items() if one is not None}
    built = _build_columns(
        columns.batches,
        columns.names,
        "npz",
        options.model_copy(update={"columns": of_columns}),
        max_bytes,
        vocabularies,
    )
    read = {name: arrays.read_images(path, name) for name in deep}
    notes = tuple(note for _, note in read.values() if note)
    inputs = set(used) - {name for _, name in options.roles}
    if len(deep) == 1 and (inputs == set(deep) or options.target == NO_TARGET):
        return assemble(built, "npz", options, ignored, read[deep[0]][0], notes)
    return assemble(built, "npz", options, ignored, None, notes, {name: array for name, (array, _) in read.items()})


def _check_arrays(used: Mapping[str, Declared], options: TableOptions) -> None:
    """Raise InvalidTableError when arrays do not fit together."""
    # Before a target is chosen, the first array says how many rows there are.
    target = next(iter(used), NO_TARGET) if options.target == NO_TARGET else options.target
    rows = used[target].shape[0] if target in used and used[target].shape else 0
    for name, array in used.items():
        if not 1 <= len(array.shape) <= 4 or not all(array.shape):
            raise InvalidTableError(f"array '{name}' of shape {array.shape} has no rows and columns", column=name)
        if array.shape[0] != rows:
            raise InvalidTableError(
                f"array '{name}' has {array.shape[0]} rows, and the target '{target}' has {rows}; every array "
                "needs one entry a row",
                column=name,
            )
    for role, name in options.roles:
        if name != NO_TARGET and prod(used[name].shape[1:]) > 1:
            raise InvalidTableError(
                f"{role}: array '{name}' of shape {used[name].shape} must have one number a row",
                column=name,
                option=role,
            )
