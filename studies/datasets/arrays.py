"""NumPy's .npz files: what they declare, then their arrays; never a pickle."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from studies.errors import InvalidTableError

Array = npt.NDArray[Any]
_KINDS = "buifUM"  # booleans, integers, floats, text, dates
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class Declared:
    """What an array's header says of it."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise InvalidTableError(f"the file is not a whole .npz archive: {error}; is it truncated?") from error


def declared(path: Path, most_bytes: int) -> dict[str, Declared]:
    """The arrays of a file by name, from their headers alone.

    InvalidTableError when they would be larger than is allowed once expanded, or one is of Python objects.
    """
    if not path.stat().st_size:
        raise InvalidTableError("the file is empty, not an .npz archive")
    with _opened(path) as archive:
        members = archive.infolist()
        # zipfile never expands more of a member than the archive declares of it.
        expanded = sum(member.file_size for member in members)
        if expanded > most_bytes:
            raise InvalidTableError(
                f"the file declares {expanded / 1e9:.1f} GB of arrays; at most {most_bytes / 1e9:.1f} GB are read"
            )
        found = [_declared(archive, member) for member in members]
    _check_sizes(found, most_bytes)
    names = [array.name for array in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidTableError(f"array '{twice}' stands twice in the file", column=twice)
    return dict(zip(names, found, strict=True))


def _check_sizes(found: list[Declared], most_bytes: int) -> None:
    """What is read becomes 32-bit numbers, whatever it was; an array without a length cannot be a column."""
    total = sum(4 * prod(array.shape) for array in found)
    if total > most_bytes:
        raise InvalidTableError(
            f"the file declares {total / 1e9:.1f} GB of 32-bit numbers; at most {most_bytes / 1e9:.1f} GB are read"
        )


def _declared(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Declared:
    name = member.filename.removesuffix(".npy")
    with archive.open(member) as file:
        try:
            version = np.lib.format.read_magic(file)
            shape, _, dtype = _HEADERS[version](file)
        except (ValueError, KeyError) as error:
            raise InvalidTableError(f"'{member.filename}' is not a NumPy array: {error}", column=name) from error
        begin = file.tell()
    if dtype.hasobject:
        raise InvalidTableError(
            f"array '{name}' is of Python objects, which are never loaded; save it as numbers or as text (dtype 'U')",
            column=name,
        )
    if dtype.kind not in _KINDS:
        raise InvalidTableError(f"array '{name}' is of {dtype}, not of numbers, text, dates or booleans", column=name)
    if begin + prod(shape) * dtype.itemsize != member.file_size:
        raise InvalidTableError(
            f"array '{name}' is not as long as its shape {shape} says; is it truncated?", column=name
        )
    return Declared(name, shape, dtype)


def load(path: Path, name: str) -> Array:
    """One array."""
    with _opened(path) as archive, _member(archive, name) as file:
        try:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
        except ValueError as error:
            raise InvalidTableError(f"array '{name}' cannot be read: {error}", column=name) from error


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    names = set(archive.namelist())
    return archive.open(f"{name}.npy" if f"{name}.npy" in names else name)


def columns(arrays: Mapping[str, Declared]) -> dict[str, tuple[str, int | None]]:
    """The columns that arrays give: one of one dimension is a column, one of two its columns, numbered from 0.

    By name, each with its array and its place there.
    """
    found: dict[str, tuple[str, int | None]] = {}
    for array in arrays.values():
        flat = len(array.shape) == 1
        places = [None] if flat else range(array.shape[1])
        for place in places:
            name = array.name if place is None else f"{array.name}{place}"
            if name in found:
                message = f"arrays '{found[name][0]}' and '{array.name}' have the same name '{name}' for a column"
                raise InvalidTableError(f"{message}; name one otherwise", column=name)
            found[name] = array.name, place
    return found


def as_arrow(values: Array) -> pa.Array:
    """The values of a column as Arrow takes them."""
    if values.dtype.kind == "M":
        values = values.astype("datetime64[ms]")
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    return pa.array(np.ascontiguousarray(values))


def as_images(name: str, values: Array) -> Array:
    """Images with an axis of channels, as float32; InvalidTableError when a pixel is not a finite number."""
    if values.dtype.kind not in "buif":
        raise InvalidTableError(
            f"array '{name}' has {values.ndim} dimensions, so its values must be numbers", column=name
        )
    images = np.ascontiguousarray(values, dtype=np.float32)
    if not np.isfinite(images).all():
        row = int(np.flatnonzero(~np.isfinite(images.reshape(len(images), -1)).all(axis=1))[0]) + 1
        raise InvalidTableError(
            f"array '{name}': row {row} has a pixel that is missing or infinite; images must be finite numbers",
            row=row,
            column=name,
        )
    return images if images.ndim == 4 else images[..., np.newaxis]
