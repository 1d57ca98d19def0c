"""Read how large the batches of an Arrow file are once expanded, by their metadata, which pyarrow does not hand out."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyarrow import ipc

# Numbers of fields in Arrow's format/File.fbs and format/Message.fbs.
_FOOTER_DICTIONARIES, _FOOTER_BATCHES = 2, 3
_HEADER_TYPE, _HEADER = 1, 2
_DICTIONARY_BATCH, _DICTIONARY_DATA = 2, 1
_BUFFERS, _COMPRESSION = 2, 3
_TRAILER = 10  # bytes: the footer's length, and the magic word
_BLOCK, _BUFFER = 24, 16  # bytes of these structs


@dataclass(frozen=True)
class _Table:
    """A table of a flatbuffer: a list of its fields' places stands behind it."""

    data: memoryview
    at: int

    @classmethod
    def root(cls, data: memoryview) -> _Table:
        return cls(data, _unpack("<I", data, 0))

    def place(self, field: int) -> int | None:
        fields = self.at - _unpack("<i", self.data, self.at)
        size, entry = _unpack("<H", self.data, fields), 4 + 2 * field
        offset = _unpack("<H", self.data, fields + entry) if entry < size else 0
        return self.at + offset if offset else None

    def table(self, field: int) -> _Table:
        place = self.place(field)
        if place is None:
            raise struct.error(f"field {field} is missing")
        return _Table(self.data, place + _unpack("<I", self.data, place))

    def structs(self, field: int, size: int) -> Iterator[int]:
        """The places of the structs in a vector."""
        place = self.place(field)
        if place is not None:
            start = place + _unpack("<I", self.data, place)
            for index in range(_unpack("<I", self.data, start)):
                yield start + 4 + size * index


def expanded_bytes(file: Any) -> int:
    """Add up the sizes that the buffers of an open Arrow file declare.

    Raises struct.error or ArrowException when the file is damaged.
    """
    size = file.size()
    [length] = struct.unpack("<i", file.read_at(_TRAILER, size - _TRAILER)[:4])
    footer = _Table.root(memoryview(file.read_at(length, size - _TRAILER - length)))
    total = 0
    for field in (_FOOTER_DICTIONARIES, _FOOTER_BATCHES):
        for block in footer.structs(field, _BLOCK):
            file.seek(_unpack("<q", footer.data, block))
            message = ipc.read_message(file)
            total += _expanded_batch(memoryview(message.metadata), memoryview(message.body))
    return total


def _expanded_batch(metadata: memoryview, body: memoryview) -> int:
    message = _Table.root(metadata)
    batch, kind = message.table(_HEADER), message.place(_HEADER_TYPE)
    if kind is not None and metadata[kind] == _DICTIONARY_BATCH:
        batch = batch.table(_DICTIONARY_DATA)
    if batch.place(_COMPRESSION) is None:
        return len(body)
    total = 0
    for buffer in batch.structs(_BUFFERS, _BUFFER):
        offset, length = struct.unpack_from("<qq", metadata, buffer)
        # Before compressed bytes stands how many they become; -1 says that these are not.
        total += max(_unpack("<q", body, offset), length) if length else 0
    return total


def _unpack(kind: str, data: memoryview, at: int) -> int:
    # A negative place would count from the end.
    if at < 0:
        raise struct.error(f"place {at} is none")
    [value] = struct.unpack_from(kind, data, at)
    return int(value)
