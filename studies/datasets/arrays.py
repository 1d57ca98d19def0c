"""NumPy's .npz files: read the declared shapes, then the arrays; never a pickle."""

from __future__ import annotations

import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa

from studies.array import Array
from studies.errors import InvalidTableError

_KINDS = "buifUM"  # booleans, integers, floats, text, dates
_BATCH_ROWS = 1 << 20
_MAX_REASON = 200  # letters: NumPy repeats a whole header
_MAX_CHANNELS = 4  # of an image: grey, colours, transparency
#: What zipfile raises where an archive is damaged: its own, its decompressors', and Python's where parts do not fit.
_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
    KeyError,
    IndexError,
)
#: What NumPy raises of a header, which is Python's text of a dictionary.
_NO_HEADER = (ValueError, KeyError, TypeError, SyntaxError, RecursionError, tokenize.TokenError, UnicodeError)
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class Declared:
    """An array as its header declares it."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@contextmanager
def _open(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGES as error:
        raise InvalidTableError(f"the file is not a whole .npz archive: {_why(error)}; is it truncated?") from error


def _why(error: Exception) -> str:
    return " ".join(str(error).split())[:_MAX_REASON]


def read_declared(path: Path, max_bytes: int) -> dict[str, Declared]:
    """Read the headers of a file's arrays, by name, and nothing else of them.

    Raises InvalidTableError when the arrays would exceed `max_bytes` once expanded, or one is of Python objects.
    """
    if not path.stat().st_size:
        raise InvalidTableError("the file is empty, not an .npz archive")
    with _open(path) as archive:
        members = archive.infolist()
        # zipfile never expands more of a member than the archive declares of it.
        expanded = sum(member.file_size for member in members)
        if expanded > max_bytes:
            raise InvalidTableError(
                f"the file declares {expanded / 1e9:.1f} GB of arrays; at most {max_bytes / 1e9:.1f} GB are read"
            )
        declared = [_read_header(archive, member) for member in members]
    # Values become 32-bit numbers, whatever type they are of.
    converted = sum(4 * prod(array.shape) for array in declared)
    if converted > max_bytes:
        raise InvalidTableError(
            f"the file declares {converted / 1e9:.1f} GB of 32-bit numbers; at most {max_bytes / 1e9:.1f} GB are read"
        )
    found: dict[str, Declared] = {}
    for array in declared:
        if array.name in found:
            raise InvalidTableError(f"array '{array.name}' stands twice in the file", column=array.name)
        found[array.name] = array
    return found


def _read_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Declared:
    name = member.filename.removesuffix(".npy")
    with archive.open(member) as file:
        try:
            version = np.lib.format.read_magic(file)
            shape, _, dtype = _HEADERS[version](file)
        except _NO_HEADER as error:
            raise InvalidTableError(f"'{member.filename}' is not a NumPy array: {_why(error)}", column=name) from error
        header_bytes = file.tell()
    if dtype.hasobject:
        raise InvalidTableError(
            f"array '{name}' is of Python objects, which are never loaded; save it as numbers or as text (dtype 'U')",
            column=name,
        )
    if dtype.kind not in _KINDS:
        raise InvalidTableError(f"array '{name}' is of {dtype}, not of numbers, text, dates or booleans", column=name)
    if header_bytes + prod(shape) * dtype.itemsize != member.file_size:
        raise InvalidTableError(
            f"array '{name}' is not as long as its shape {shape} says; is it truncated?", column=name
        )
    return Declared(name, shape, dtype)


def load(path: Path, name: str) -> Array:
    """Load one array.

    Raises InvalidTableError when its values cannot be read.
    """
    with _open(path) as archive:
        return _load(archive, name)


def _load(archive: zipfile.ZipFile, name: str) -> Array:
    with _open_member(archive, name) as file:
        try:
            values = np.asarray(np.lib.format.read_array(file, allow_pickle=False))
        except ValueError as error:
            raise InvalidTableError(f"array '{name}' cannot be read: {_why(error)}", column=name) from error
    # Another machine may have written it: Arrow takes this machine's byte order only.
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _open_member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    try:
        return archive.open(f"{name}.npy")
    except KeyError:  # it is named without the ending
        return archive.open(name)


@dataclass(frozen=True)
class ArrayColumns:
    """Loaded arrays as columns: one of one dimension is a column, one of two its columns, numbered from 0."""

    arrays: Mapping[str, Array]
    sources: Mapping[str, tuple[str, int | None]]  # by column: its array, and its index there

    @classmethod
    def read(cls, path: Path, declared: Mapping[str, Declared], single: Collection[str] = ()) -> Self:
        """Load arrays of one and two dimensions; one named in `single` is a column, also if its shape is (rows, 1).

        Raises InvalidTableError when two of them give a column the same name.
        """
        # Opened once: to open an archive takes as long as it has members.
        with _open(path) as archive:
            loaded = {name: _load(archive, name) for name in declared}
        return cls(loaded, _column_sources(declared, single))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in the arrays' order."""
        return tuple(self.sources)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Convert the values of some columns, in the rows' order."""
        rows = len(next(iter(self.arrays.values())))
        for start in range(0, rows, _BATCH_ROWS):
            part = slice(start, start + _BATCH_ROWS)
            yield pa.RecordBatch.from_pydict({name: _to_arrow(self.values(name)[part], name) for name in columns})

    def values(self, column: str) -> Array:
        """Return the values of a column."""
        name, index = self.sources[column]
        return self.arrays[name] if index is None else self.arrays[name][:, index]


def _column_sources(declared: Mapping[str, Declared], single: Collection[str]) -> dict[str, tuple[str, int | None]]:
    sources: dict[str, tuple[str, int | None]] = {}
    for array in declared.values():
        for index in [None] if len(array.shape) == 1 else range(array.shape[1]):
            name = array.name if index is None or array.name in single else f"{array.name}{index}"
            if name in sources:
                message = f"arrays '{sources[name][0]}' and '{array.name}' have the same name '{name}' for a column"
                raise InvalidTableError(f"{message}; name one otherwise", column=name)
            sources[name] = array.name, index
    return sources


def _to_arrow(values: Array, column: str) -> pa.Array:
    if values.dtype.kind == "M":
        values = values.astype("datetime64[ms]")
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    try:
        return pa.array(np.ascontiguousarray(values))
    except UnicodeError as error:
        raise InvalidTableError(f"array '{column}' has text with a letter that Unicode lacks", column=column) from error


def read_images(path: Path, name: str, shape: tuple[int, ...] = ()) -> tuple[Array, str]:
    """Load an array as float32 images, (rows, height, width, channels); return a note besides where it was transposed.

    Images that are of the known `shape` already are left as they are.

    Raises InvalidTableError when a pixel is not a finite number.
    """
    values = load(path, name)
    if values.dtype.kind not in "buif":
        raise InvalidTableError(
            f"array '{name}' has {values.ndim} dimensions, so its values must be numbers", column=name
        )
    note = ""
    if values.ndim == 4 and values.shape[1:] != shape:
        is_first, note = _find_channels(name, values.shape)
        values = np.moveaxis(values, 1, -1) if is_first else values
    images = np.ascontiguousarray(values, dtype=np.float32)
    if not np.isfinite(images).all():
        row = int(np.flatnonzero(~np.isfinite(images.reshape(len(images), -1)).all(axis=1))[0]) + 1
        raise InvalidTableError(
            f"array '{name}': row {row} has a pixel that is missing or infinite; images must be finite numbers",
            row=row,
            column=name,
        )
    return (images if images.ndim == 4 else images[..., np.newaxis]), note


def _find_channels(name: str, shape: tuple[int, ...]) -> tuple[bool, str]:
    """Return whether channels come before height and width, as PyTorch has them, and what is to be said of that."""
    _, first, middle, last = shape
    if first <= _MAX_CHANNELS < last:
        return True, f"array '{name}' of shape {shape} has its channels first; they are put last, as Keras has them"
    if last <= _MAX_CHANNELS < first or first >= min(middle, last):
        return False, ""
    size = " × ".join(map(str, shape[1:]))
    return (
        False,
        f"array '{name}' is read as height × width × channels = {size}; transpose it if its channels come first",
    )
