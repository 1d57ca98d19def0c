"""Check the columns that the options name, and assemble columns into a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from studies.array import Array
from studies.datasets.table import NO_TARGET, Column, Table, row_number
from studies.errors import InvalidTableError
from studies.spec.table import TableFormat, TableOptions

_MAX_COLUMNS = 100_000
_MAX_COMPARED = 1000  # with a name that is none: it takes as long as they are many
_MAX_CHARACTERS = 40  # of a name in a message


def check_names(names: Sequence[str], options: TableOptions) -> None:
    """Raise InvalidTableError when names are too many or not distinct, or an option names an absent column."""
    check_distinct(names)
    known = set(names)
    configured = (*(("ignore", name) for name in options.ignore), *(("columns", name) for name in options.columns))
    for role, name in (*options.roles, *configured):
        if name not in known and name != NO_TARGET:
            near = get_close_matches(name, names[:_MAX_COMPARED], n=1, cutoff=0.75)
            advice = f"did you mean '{near[0]}'?" if near else f"it has {quote_names(names)}"
            if len(names) == 1:
                advice += "; columns are divided by commas, semicolons, tabs or bars"
            raise InvalidTableError(f"{role}: the file has no column '{name}'; {advice}", column=name, option=role)


def check_distinct(names: Sequence[str]) -> None:
    """Raise InvalidTableError when a file's names are too many or not distinct."""
    if len(names) > _MAX_COLUMNS:
        raise InvalidTableError(f"the file has {len(names)} columns; at most {_MAX_COLUMNS} are read")
    numbers: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if name in numbers:
            raise InvalidTableError(
                f"columns {numbers[name]} and {number} have the same name '{name}'; name each its own way", column=name
            )
        numbers[name] = number


def quote_names(names: Sequence[str], most: int = 10) -> str:
    """List the first names for a message, and say how many more there are."""
    quoted = ", ".join(f"'{name[:_MAX_CHARACTERS]}'" for name in names[:most])
    return f"{quoted} and {len(names) - most} more" if len(names) > most else quoted


def assemble(
    columns: Iterable[Column],
    file_format: TableFormat,
    options: TableOptions,
    ignored: Mapping[str, str],
    images: Array | None = None,
    notes: tuple[str, ...] = (),
    arrays: Mapping[str, Array] | None = None,
) -> Table:
    """Give each column its role; a column that no option names is a feature.

    Raises InvalidTableError when there are no rows or no features, or a column does not fit its role.
    """
    features: list[Column] = []
    roles: dict[str, Column] = {}
    role_of = {name: role for role, name in options.roles}
    for column in columns:
        if column.name in role_of:
            roles[role_of[column.name]] = column
        else:
            features.append(column)
    table = Table(
        file_format,
        options,
        tuple(features),
        roles.get("target") or _no_target(features, [*(arrays or {}).values(), *([] if images is None else [images])]),
        roles.get("weight"),
        roles.get("group"),
        roles.get("time"),
        ignored=ignored,
        images=images,
        arrays=arrays or {},
        notes=notes,
    )
    if not table.rows:
        raise InvalidTableError("the file has no rows beneath its header")
    if options.drop_missing_target and "target" in roles:
        table = _without_missing_target(table)
        roles = dict(table.roles)
    if not features and images is None and not arrays:
        raise InvalidTableError("the file has no column to predict the target from")
    for role, column in roles.items():
        _check_role(table, role, column)
    return table


def _no_target(features: Sequence[Column], arrays: Sequence[Array]) -> Column:
    """A column without meaning in the target's place, for a table that is read before a target is chosen."""
    rows = len(arrays[0]) if arrays else len(features[0].values) if features else 0
    return Column(NO_TARGET, "number", np.zeros(rows))


def _without_missing_target(table: Table) -> Table:
    there = np.flatnonzero(~table.target.missing)
    if len(there) == table.rows:
        return table
    return table.take(there, f"{table.rows - len(there)} of {table.rows} rows have no target and are left out")


def _check_role(table: Table, role: str, column: Column) -> None:
    """Raise InvalidTableError when a value is missing, or the values are not of a kind that can have the role."""

    def error(what: str, index: int | None = None, more: str = "") -> InvalidTableError:
        where, number = "", None
        if index is not None:
            where, number = f" in {table.describe_row(index)}", row_number(table.format, table.file_row(index))
        message = f"{role}: column '{column.name}' {what}{where}{more}"
        return InvalidTableError(message, row=number, column=column.name, option=role)

    missing = np.flatnonzero(column.missing)
    if len(missing):
        raise _missing_error(table, role, column, missing)
    if role == "weight" and column.kind != "number":
        raise error(f"must hold numbers{_what_it_holds(column)}")
    if role == "weight" and (column.values < 0).any():
        raise error("is negative", int(np.flatnonzero(column.values < 0)[0]), "; a weight is at least 0")
    if role == "weight" and not column.values.any():
        raise error("is 0 in every row; at least one must count")
    if role == "time" and column.kind not in {"number", "date"}:
        raise error(f"must hold numbers or dates{_what_it_holds(column)}")


def _missing_error(table: Table, role: str, column: Column, missing: Array) -> InvalidTableError:
    """Say what is missing, in which row first, and what to do."""
    row = row_number(table.format, table.file_row(int(missing[0])))
    others = f" and in {len(missing) - 1} other rows" if len(missing) > 1 else ""
    advice = "fill it, or leave those rows out" + (" with drop_missing_target" if role == "target" else "")
    odd = next((evidence for evidence in column.evidence if row in evidence.rows), None)
    what = f"has no value in {table.describe_row(int(missing[0]))}" if odd is None else f"has no value: {odd.why}"
    message = f"{role}: column '{column.name}' {what}{others}; {advice}"
    return InvalidTableError(message, row=row, column=column.name, option=role)


def _what_it_holds(column: Column) -> str:
    return f", and holds {column.evidence[0].why}" if column.evidence else ""
