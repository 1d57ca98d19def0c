"""Data as Python has it -> the bytes and the format that a server takes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from service.names import make_name
from studies.errors import DatasetError, FieldError, InvalidSpecError
from studies.spec.table import ENDINGS, TableFormat, format_of_name

_IN_MEMORY_BYTES = 64_000_000
_FLAT = 2  # dimensions of an array whose values are columns
X_NAME, Y_NAME = "x", "y"


class ArrowFrame(Protocol):
    """A table in memory, as pandas, polars, pyarrow and DuckDB have it."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Columns = Mapping[str, npt.ArrayLike]
#: A file by its path, a frame, columns by name, an array, or `(X, y)`.
Data = str | PathLike[str] | ArrowFrame | Columns | npt.NDArray[Any] | tuple[Any, Any]
Sent = tuple[BinaryIO, int, TableFormat]


@contextmanager
def open_data(data: Data) -> Iterator[Sent]:
    """Open data as a file; yield it, its bytes and its format.

    Raises InvalidSpecError or DatasetError when it is nothing that can be sent.
    """
    if isinstance(data, str | PathLike):
        path = Path(fspath(data))
        with path.open("rb") as file:
            yield file, path.stat().st_size, format_of_path(path)
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as memory:
        file_format = _write(data, memory)  # type: ignore[arg-type]  # it is a BinaryIO in all but its class
        size = memory.tell()
        memory.seek(0)
        yield memory, size, file_format  # type: ignore[misc]


def default_target(data: Data) -> str | None:
    """The name of the target where the data says it: of `(X, y)` that of y."""
    if not isinstance(data, tuple):
        return None
    return str(getattr(data[1], "name", None) or Y_NAME)


def same_in_every_row(data: Data, sizes: Mapping[str, int]) -> list[str]:
    """Name the columns that are the same in every row of arrays of numbers that a model's inputs, of `sizes`, take.

    One array is of the only input, of shape (rows, size); of a mapping each is of the input of its name.
    """
    x = data[0] if isinstance(data, tuple) else data
    if isinstance(x, str | PathLike) or _is_frame(x):
        return []
    arrays = x if isinstance(x, Mapping) else {X_NAME: x}
    sizes = sizes if isinstance(x, Mapping) else dict.fromkeys(arrays, sum(sizes.values()))
    return [
        f"{name}{index}"
        for name, values in arrays.items()
        for array in [np.asarray(values)]
        if name in sizes and array.ndim == _FLAT and array.shape[1] == sizes[name] and _is_numbers(array)
        for index in np.flatnonzero((array == array[0]).all(axis=0))
    ]


def column_names(data: Data) -> frozenset[str]:
    """The names of a mapping's arrays or a frame's columns; none of what has no names, or is a file."""
    x: Any = data[0] if isinstance(data, tuple) else data
    if isinstance(x, Mapping):
        return frozenset(map(str, x))
    if not _is_frame(x):
        return frozenset()
    names = x.column_names if hasattr(x, "column_names") else x.columns  # of pyarrow; of pandas and polars
    return frozenset(map(str, names))


def _is_numbers(array: npt.NDArray[Any]) -> bool:
    return array.dtype.kind in "buif" and len(array) > 0


def file_name(data: Data) -> str | None:
    """The name of a dataset after that of its file; None of what is no file."""
    return name_of_path(Path(fspath(data))) if isinstance(data, str | PathLike) else None


def name_of_path(path: Path) -> str:
    """The name of a dataset after that of its file, without its endings."""
    return make_name((path.with_suffix("") if path.suffix.lower() == ".gz" else path).stem)


def format_of_path(path: Path) -> TableFormat:
    """The format of a file by its name; `.gz` may stand behind it.

    Raises InvalidSpecError when the name's ending is not known.
    """
    file_format = format_of_name(path.name)
    if file_format is None:
        raise InvalidSpecError([FieldError("", f"{path} must end in one of {', '.join(ENDINGS)}")])
    return file_format


def _write(data: Data, file: BinaryIO) -> TableFormat:
    if isinstance(data, tuple):
        data = _joined(*data)
    if _is_frame(data):
        return _write_parquet(_arrow_table(data), file)
    arrays = _arrays(data if isinstance(data, Mapping) else {X_NAME: data})  # type: ignore[dict-item]
    if any(array.dtype.hasobject for array in arrays.values()):
        return _write_parquet(_table_of_columns(arrays), file)
    np.savez(file, **arrays)  # type: ignore[arg-type]  # typed as if a column could be its option
    return "npz"


def _joined(x: Any, y: Any) -> Data:
    """Rows and their target as one: a frame with y as its last column, or arrays."""
    target = default_target((x, y)) or Y_NAME
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    elif values.ndim == 2 and _is_one_hot(values):
        values = values.argmax(axis=1)
    if values.ndim != 1:
        shape = ", ".join(map(str, values.shape))
        raise DatasetError(f"y must have one value a row, and is of shape ({shape})")
    if not isinstance(x, Mapping) and len(values) != len(x):
        raise DatasetError(f"X has {len(x)} rows and y has {len(values)}; they must have the same")
    if _is_frame(x):
        table = _arrow_table(x)
        _refuse_twice(target, table.column_names)
        return table.append_column(target, _arrow_column(target, values))  # type: ignore[no-any-return]
    columns = x if isinstance(x, Mapping) else {X_NAME: np.asarray(x)}
    _refuse_twice(target, map(str, columns))
    return {**columns, target: values}


def _refuse_twice(target: str, names: Iterable[str]) -> None:
    if target in names:
        raise DatasetError(
            f"X has a column '{target}' already, which is the name of y; leave it out of X, or name y otherwise"
        )


def _is_one_hot(values: npt.NDArray[Any]) -> bool:
    return bool(np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all())


def _arrays(columns: Columns) -> dict[str, npt.NDArray[Any]]:
    arrays = {str(name): np.asarray(values) for name, values in columns.items()}
    lengths = {len(array) if array.ndim else 0 for array in arrays.values()}
    if len(lengths) > 1 or lengths == {0}:
        raise DatasetError(f"arrays must have the same number of rows, at least one; they have {sorted(lengths)}")
    return arrays


def _is_frame(data: object) -> bool:
    return hasattr(data, "__arrow_c_stream__")


def _arrow_table(frame: Any) -> Any:
    pa = _pyarrow("a frame is sent as Parquet, which")
    if type(frame).__module__.partition(".")[0] == "pandas":  # whose index would become a column otherwise
        return pa.Table.from_pandas(frame, preserve_index=False)
    return pa.table(frame)


def _table_of_columns(arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    pa = _pyarrow("an array of Python objects is sent as Parquet, which")
    flat = [name for name, array in arrays.items() if array.ndim != 1]
    if flat:
        raise DatasetError(
            f"array '{flat[0]}' holds Python objects beside another; give each column as an array of its own"
        )
    return pa.table({name: _arrow_column(name, array) for name, array in arrays.items()})


def _arrow_column(name: str, values: npt.NDArray[Any]) -> Any:
    pa = _pyarrow("a column")
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError) as error:
        raise DatasetError(f"column '{name}': its values are not of one kind: {error}") from error


def _write_parquet(table: Any, file: BinaryIO) -> TableFormat:
    from pyarrow import parquet

    parquet.write_table(table, file)
    return "parquet"


def _pyarrow(what: str) -> Any:
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise DatasetError(f"{what} needs pyarrow, which is not installed: pip install pyarrow") from error
    return pa
