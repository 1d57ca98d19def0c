"""Weights that a model starts from, as one text: a safetensors file in base64, whose tensors are named by layer."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from studies.array import Array
from studies.keras_config.errors import ConfigError

MAX_NUMBERS = 6_000_000  # 24 MB, which become 32 MB of text: a study's document holds them, as its model
_MAX_HEADER = 2_000_000
MAX_CHARACTERS = 4 * (-(-(4 * MAX_NUMBERS + _MAX_HEADER + 8) // 3))
_TYPE = "F32"


def pack(tensors: Mapping[str, Array]) -> str:
    """Write tensors of float32, each named by its layer and its place in it, such as `dense/vars/0`.

    Raises ConfigError when there are more numbers than a study may start from.
    """
    check_count(sum(tensor.size for tensor in tensors.values()))
    header, offset = dict[str, Any](), 0
    for name, tensor in tensors.items():
        end = offset + 4 * tensor.size
        header[name] = {"dtype": _TYPE, "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    described = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    values = b"".join(np.ascontiguousarray(tensor, dtype="<f4").tobytes() for tensor in tensors.values())
    return base64.b64encode(struct.pack("<Q", len(described)) + described + values).decode()


def check_count(numbers: int) -> None:
    """Check that a study's document holds so many numbers.

    Raises ConfigError when it does not.
    """
    if numbers > MAX_NUMBERS:
        raise ConfigError(f"the weights are {numbers:,} numbers; a study starts from at most {MAX_NUMBERS:,}")


@lru_cache(2)
def unpack(text: str) -> Mapping[str, Array]:
    """Read the tensors of a text.

    Raises ConfigError when it is none, or holds something else than finite numbers of float32.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"have {len(text):,} characters; at most {MAX_CHARACTERS:,} are taken")
    try:
        data = base64.b64decode(text, validate=True)
        (size,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + min(size, _MAX_HEADER)])
        values = memoryview(data)[8 + size :]
        tensors = {name: _tensor(entry, values) for name, entry in header.items() if name != "__metadata__"}
        if sum(tensor.nbytes for tensor in tensors.values()) > len(values):  # each is looked at below
            raise ValueError("tensors lie over each other")
    except ConfigError:
        raise
    except (binascii.Error, struct.error, AttributeError, TypeError, ValueError, LookupError, RecursionError):
        raise ConfigError(
            "are no safetensors file in base64; give what `POST /v1/models/read?weights=true` answers"
        ) from None
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise ConfigError("hold a number that is not finite")
    return tensors


def _tensor(entry: Mapping[str, Any], values: memoryview) -> Array:
    shape, (start, end) = entry["shape"], entry["data_offsets"]
    sizes = [*shape, start, end]
    if entry["dtype"] != _TYPE or any(type(size) is not int or size < 0 for size in sizes) or len(shape) > 8:
        raise ConfigError(f"hold a tensor that is not of {_TYPE}; models are trained in float32")
    if not start <= end <= len(values) or end - start != 4 * prod(shape):
        raise ValueError("a tensor lies outside of the file")
    return np.frombuffer(values[start:end], dtype="<f4").reshape(shape)


def count_by_layer(tensors: Mapping[str, Array]) -> Mapping[str, int]:
    """Count the numbers of each layer."""
    counts = Counter[str]()
    for name, tensor in tensors.items():
        counts[name.partition("/")[0]] += tensor.size
    return counts
