"""Checks the weights in a .keras archive before Keras expands them: what they hold, and that they stand in the file."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import IO, Any

from studies.keras_config.errors import ConfigError

_WEIGHTS = "model.weights.h5"  # within a .keras archive
_MAX_READ_BYTES = 1_000_000_000  # of weights that are read here, where nothing else bounds them
_BLOCK_BYTES = 1 << 20


def expanded_bytes(archive: zipfile.ZipFile) -> int:
    """The bytes that the weights in a .keras archive take once they are expanded; 0 where it has none.

    Whether the archive itself is too large has been checked before.

    Raises ValueError when they stand elsewhere than in it, or are no numbers; OSError when they are damaged.
    """
    if _WEIGHTS not in archive.namelist():
        return 0
    with archive.open(_WEIGHTS) as member, tempfile.TemporaryFile() as file:  # each step back expands a member anew
        shutil.copyfileobj(member, file)
        return _sum(file)


@contextmanager
def opened(archive: zipfile.ZipFile) -> Iterator[Any]:
    """The h5py.File of the weights in a .keras archive, of a bounded size and checked.

    It is held in memory. Raises ConfigError when there is none, it is damaged or too large, or h5py is not installed.
    """
    if _WEIGHTS not in archive.namelist():
        raise ConfigError(f"the file holds no {_WEIGHTS}; write it by model.save()")
    try:
        import h5py
    except ImportError as error:
        raise ConfigError(
            "its weights are read by h5py, which is not installed here: pip install h5py, or regsweep[worker]"
        ) from error
    with archive.open(_WEIGHTS) as member, io.BytesIO() as file:  # who reads for a stranger writes no file
        while block := member.read(_BLOCK_BYTES):
            file.write(block)
            _check_bytes(file.tell())
        try:
            _check_bytes(_sum(file))
            file.seek(0)
            weights = h5py.File(file, "r")
        except (OSError, ValueError) as error:
            raise ConfigError(f"its weights cannot be read: {error}") from error
        with weights:
            yield weights


def datasets(weights: Any, group: str) -> list[tuple[str, Any]]:
    """The arrays of a group, by their places in it; none where there is no such group."""
    import h5py

    found: list[tuple[str, Any]] = []
    if isinstance(weights.get(group), h5py.Group):
        weights[group].visititems(lambda name, item: found.append((name, item)))
    return [(name, item) for name, item in found if isinstance(item, h5py.Dataset)]


def _check_bytes(count: int) -> None:
    if count > _MAX_READ_BYTES:
        raise ConfigError(f"its weights take more than {_MAX_READ_BYTES:,} bytes, which are not read")


def _sum(file: IO[bytes]) -> int:
    import h5py  # Keras has it

    links: dict[str, Any] = {}
    items: dict[str, Any] = {}
    try:
        with h5py.File(file, "r") as weights:
            # Looked at afterwards: h5py bears no error in what it calls.
            weights.visititems_links(lambda name, link: links.update({name: link}))
            for name, link in links.items():
                _check_link(name, link)
            weights.visititems(lambda name, item: items.update({name: item}))
            return sum(_check_dataset(name, item) for name, item in items.items() if isinstance(item, h5py.Dataset))
    except (KeyError, RuntimeError, TypeError) as error:  # of h5py, about damaged files
        raise OSError(f"{_WEIGHTS} is damaged: {error}") from error


def _check_link(name: str, link: Any) -> None:
    import h5py

    if type(link) is not h5py.HardLink:
        raise ValueError(f"{_WEIGHTS} has a link at '{name}', where weights must stand themselves")


def _check_dataset(name: str, dataset: Any) -> int:
    """The bytes of a dataset, or of one of its chunks, which is expanded as a whole."""
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"'{name}' of {_WEIGHTS} stands in another file")
    if dataset.dtype.kind == "O":
        raise ValueError(f"'{name}' of {_WEIGHTS} holds no numbers")
    return max(int(dataset.nbytes), prod(dataset.chunks or ()) * int(dataset.dtype.itemsize))
