"""What the workers of a study must have: processors, GPUs and memory."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

from pydantic import BeforeValidator, ByteSize, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from studies.frozen_model import FrozenModel, IsNumber

_MAX_BYTES = 2**50
_SIZE_RULE = "must be a size such as 2 GiB, or a whole number of bytes, at most 1 PiB"


def read_size(value: Any) -> int:
    """Read a size in bytes; pydantic alone would read true as a byte, and has no limit.

    Raises ValueError when it is none.
    """
    size = 0
    if isinstance(value, str | int) and not isinstance(value, bool):
        with suppress(ValidationError, OverflowError):
            size = _BYTES.validate_python(value)
    if not 0 < size <= _MAX_BYTES:
        raise PydanticCustomError("size", _SIZE_RULE)
    return size


_BYTES: TypeAdapter[int] = TypeAdapter(ByteSize)


#: Bytes of memory, as a number or as a text such as "2 GiB".
Size = Annotated[int, Field(strict=True), BeforeValidator(read_size)]


def size_text(size: int) -> str:
    """A size as people write it: "2 GiB", "512 MiB", "1000 bytes"."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB")):
        if size >= 1024**power:
            return f"{size / 1024**power:.3g} {unit}" if size < 1000 * 1024**power else f"{size // 1024**power} {unit}"
    return f"{size} bytes"


def resources_text(cpus: float | None, gpus: int, memory: int | None) -> str:
    """Resources in words: "1 CPU, 2 GPUs and 2 GiB of memory"; empty for none."""
    parts = [] if cpus is None else [f"{cpus:g} {'CPU' if cpus == 1 else 'CPUs'}"]
    parts += [f"{gpus} {'GPU' if gpus == 1 else 'GPUs'}"] * bool(gpus)
    parts += [] if memory is None else [f"{size_text(memory)} of memory"]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


class Resources(FrozenModel):
    """What a worker must offer to be given a study."""

    cpus: Annotated[float, Field(gt=0, le=4096), IsNumber] | None = Field(
        None, description="Processors; any worker when left out."
    )
    gpus: Annotated[int, Field(ge=0, le=1024, strict=True)] = Field(0, description="GPUs that TensorFlow sees.")
    memory: Size | None = Field(
        None, description='Memory of the worker\'s machine: bytes, or a text such as "2 GiB"; any when left out.'
    )

    def __str__(self) -> str:
        return resources_text(self.cpus, self.gpus, self.memory)
