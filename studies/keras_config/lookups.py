"""Find which of a row's values a model looks up: they come to it as they stand, as whole numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.keras_config.catalog import INDEXING
from studies.keras_config.dimensions import Shape, repeat
from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import CUT, Call, Graph, Layer, Tensor
from studies.keras_config.operation_shapes import settings
from studies.keras_config.shapes import count_codes, result_shape
from studies.keras_config.vocabulary import Vocabulary

Positions = npt.NDArray[np.int64]
_ENCODING = "CategoryEncoding"
#: Values that are followed through one call: a layer that repeats them may double them, and the next again.
_MAX_POSITIONS = 10_000_000
#: Where a tensor's values come from: the positions of the row's values in it, or the number of bins that they number;
#: None where they are computed.
_Origin = Positions | int | None


@dataclass(frozen=True, slots=True)
class Lookup:
    """The values of a row that one layer looks up, or reads as they stand in the data."""

    location: str  # of the layer, for messages
    size: int | None  # of its table: whole numbers from 0 to `size` − 1 are in it; None where any number may come
    positions: tuple[int, ...]  # of the values, counted through all axes of a row
    limit: str = "input_dim"  # the layer's argument that says the size
    column: str = ""  # whose texts are looked up
    vocabulary: Vocabulary | None = None  # in which they are


def find_lookups(graph: Graph, row: Shape) -> tuple[Lookup, ...]:
    """Find what a model looks up of rows of a shape, beside what a Discretization or an IntegerLookup numbers.

    Raises ConfigError when an Embedding looks up what is computed, or there are more bins or levels than a layer takes.
    """
    if not any(find_embedding(layer) is not None or layer.kind == _ENCODING for layer in graph.layers):
        return ()
    origins: dict[Tensor, _Origin] = {Tensor(graph.input): np.arange(prod(row)).reshape(1, *row)}
    lookups = []
    for call in graph.calls:
        layer = graph.by_name[call.layer]
        embedding = find_embedding(layer)
        if embedding is None:
            if layer.kind == _ENCODING:
                _check_numbers(layer, count_codes(layer), "num_tokens", origins[call.tensors[0]])
            origins[call.result] = _follow(layer, call, origins)
            continue
        origins[call.result] = None
        if INDEXING & computed_from(graph, layer):
            continue
        positions = _looked_up(layer, embedding, [origins[tensor] for tensor in call.tensors])
        if positions:
            lookups.append(Lookup(layer.location, embedding.argument("input_dim"), positions))
    if len(row) > 1:
        _check_whole_image(lookups, row)
    return tuple(lookups)


def computed_from(graph: Graph, layer: Layer) -> frozenset[str]:
    """The kinds of all layers before one that looks up what is computed; empty where it looks up rows or bins."""
    before = [tensor for call in graph.calls if call.layer == layer.name for tensor in call.tensors]
    for tensor in before:  # grows while it is read
        kind = graph.by_name[tensor.layer].kind if tensor.layer in graph.by_name else None
        if kind in _MOVES:
            sources = [source for call in graph.calls if call.result == tensor for source in call.tensors]
            before += [source for source in sources if source not in before]
        elif kind not in {None, *INDEXING}:
            names = graph.ancestors(layer.name) & graph.by_name.keys()
            return frozenset(graph.by_name[name].kind for name in names)
    return frozenset()


def find_embedding(layer: Layer) -> Layer | None:
    """The Embedding that a layer is, or wraps."""
    inner = layer.arguments.get("layer")
    found = inner if isinstance(inner, Layer) else layer
    return found if found.kind == "Embedding" else None


def _looked_up(layer: Layer, embedding: Layer, origins: Sequence[_Origin]) -> tuple[int, ...]:
    origin = origins[0] if len(origins) == 1 else None
    size = embedding.argument("input_dim")
    if origin is None:
        raise ConfigError(
            f"{layer.location}: looks up what the layers before it compute; let it read whole numbers of the rows, or "
            "put a Discretization layer before it"
        )
    if not isinstance(origin, int):
        return tuple(np.unique(origin).tolist())
    _check_numbers(layer, size, "input_dim", origin)
    return ()


def _check_numbers(layer: Layer, size: int, limit: str, origin: _Origin) -> None:
    if isinstance(origin, int) and origin > size:
        raise ConfigError(
            f"{layer.location}: looks up numbers below {size}, and what it reads, bins or the levels of a column, "
            f"gives {origin}; right is {limit}={origin}"
        )


def _check_whole_image(lookups: Sequence[Lookup], row: Shape) -> None:
    positions = {position for lookup in lookups for position in lookup.positions}
    if positions and len(positions) < prod(row):
        raise ConfigError(
            f"{lookups[0].location}: looks up a part of an image, whose values are standardised together; let it look "
            "up all of them"
        )


def _follow(layer: Layer, call: Call, origins: Mapping[Tensor, _Origin]) -> _Origin:
    """The origin of what a call gives."""
    if layer.kind in INDEXING:
        return count_codes(layer) if layer.argument("output_mode") == "int" else None
    sources = [origins[tensor] for tensor in call.tensors]
    if layer.kind == CUT and (levels := _levels(call)):
        return max(levels) if len(levels) == len(call.arguments[1]) else None
    if layer.kind not in _MOVES or any(source is None for source in sources):
        return None
    bins = [source for source in sources if isinstance(source, int)]
    if bins:
        return max(bins) if len(bins) == len(sources) else None
    return move(layer, call, {tensor: origin for tensor, origin in origins.items() if isinstance(origin, np.ndarray)})


def check_positions(layer: Layer, sources: Sequence[Positions]) -> None:
    """Raise ConfigError when a layer takes more positions than are followed."""
    if sum(source.size for source in sources) > _MAX_POSITIONS:
        raise ConfigError(f"{layer.location}: gives more than {_MAX_POSITIONS:,} of a row's values; make it smaller")


def move(layer: Layer, call: Call, arrays: Mapping[Tensor, Positions]) -> Positions | None:
    """Where a call moves values; None where it changes them, or mixes those of several rows.

    Raises ConfigError when they are too many to follow.
    """
    if layer.kind not in _MOVES or (layer.kind == CUT and _levels(call)):
        return None
    check_positions(layer, [arrays[tensor] for tensor in call.tensors])
    try:
        moved = _MOVES[layer.kind](layer, call, arrays)
    except (ValueError, LookupError, TypeError, ArithmeticError):
        return None  # layers that do not fit each other are refused elsewhere, with the reason
    return moved if len(moved.shape) and moved.shape[0] == 1 else None


def _levels(call: Call) -> list[int]:
    """How many levels each category has whose number a cut gives; none where it gives values of the row."""
    _, spans, _ = call.arguments
    return [span.end - span.first for span in spans if span.code]


def _cut(_: Layer, call: Call, arrays: Mapping[Tensor, Positions]) -> Positions:
    row, spans, shape = call.arguments
    return np.concatenate([arrays[row][:, span.first : span.end] for span in spans], axis=1).reshape(1, *shape)


def _reshape(layer: Layer, call: Call, arrays: Mapping[Tensor, Positions]) -> Positions:
    shapes = {tensor: array.shape for tensor, array in arrays.items()}
    return arrays[call.tensors[0]].reshape(result_shape(layer, call, shapes))


def _permute(layer: Layer, call: Call, arrays: Mapping[Tensor, Positions]) -> Positions:
    return arrays[call.tensors[0]].transpose(0, *repeat(layer.argument("dims"), 1))


def _transpose(layer: Layer, call: Call, arrays: Mapping[Tensor, Positions]) -> Positions:
    return arrays[call.tensors[0]].transpose(settings(layer.kind, call)["axes"])


def _getitem(layer: Layer, call: Call, arrays: Mapping[Tensor, Positions]) -> Positions:
    found: Positions = operator.getitem(arrays[call.tensors[0]], settings(layer.kind, call)["key"])
    return found


def _concatenate(layer: Layer, call: Call, arrays: Mapping[Tensor, Positions]) -> Positions:
    axis = (settings(layer.kind, call)["axis"] or 0) if layer.operation else layer.argument("axis")
    return np.concatenate([arrays[tensor] for tensor in call.tensors], axis=axis)


#: Layers and operations that move values and change none.
_MOVES: Mapping[str, Callable[[Layer, Call, Mapping[Tensor, Positions]], Any]] = {
    **dict.fromkeys(("Flatten", "Reshape", "reshape", "expand_dims", "squeeze"), _reshape),
    "Identity": lambda _, call, arrays: arrays[call.tensors[0]],
    "Permute": _permute,
    "transpose": _transpose,
    "getitem": _getitem,
    **dict.fromkeys(("Concatenate", "concatenate"), _concatenate),
    CUT: _cut,
}
