"""A file of TensorBoard's events that is continued after whatever ended its writer, by one writer at a time.

A small file beside it says how far it is whole; what stands behind was being written when the writer died, and is cut
off. TensorBoard follows the file meanwhile, so it only ever grows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from service.loggers.runs import Points

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

_STATE, _EVENTS = "regsweep.json", "events.out.tfevents.regsweep"


@dataclass(slots=True)
class Written:
    """What a file of events holds."""

    bytes: int = 0
    digest: str | None = None  # of a run that was logged whole
    points: Points = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what the file in a folder holds; nothing where there is none, or it has lost its end."""
        try:
            document: dict[str, Any] = json.loads((folder / _STATE).read_text())
            size = (folder / _EVENTS).stat().st_size
        except (FileNotFoundError, ValueError):
            return cls()
        if size < document["bytes"]:
            return cls()
        points = {name: {int(epoch): value for epoch, value in values.items()} for name, values in document["points"]}
        return cls(document["bytes"], document["digest"], points)

    def keep(self, folder: Path) -> None:
        """Write it, so that it is there whole or not at all."""
        new = folder / f"{_STATE}.new"
        document = asdict(self) | {"points": [[name, values] for name, values in self.points.items()]}
        new.write_text(json.dumps(document))
        new.replace(folder / _STATE)


def append(folder: Path, written: Written, events: Iterable[Event], wall_time: float) -> None:
    """Append events to the file of a folder, and count them in `written`, which is not kept yet."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    content = BytesIO()
    writer = RecordWriter(content)
    if not written.bytes:
        writer.write(Event(wall_time=wall_time, file_version="brain.Event:2").SerializeToString())
    for event in events:
        writer.write(event.SerializeToString())
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _EVENTS).open("r+b" if written.bytes else "wb") as file:
        file.truncate(written.bytes)
        file.seek(written.bytes)
        file.write(content.getvalue())
        file.flush()
        os.fsync(file.fileno())
    written.bytes += len(content.getvalue())
