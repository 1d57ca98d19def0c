"""Find which of a row's values a model looks up: they come to it as they stand, as whole numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.keras_config.dimensions import Shape, repeat
from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import CUT, Call, Graph, Layer, Tensor
from studies.keras_config.operation_shapes import settings
from studies.keras_config.shapes import result_shape

Positions = npt.NDArray[np.int64]
_DISCRETIZATION = "Discretization"
#: Layers and operations that number what they are given, from 0.
_NUMBERING = {_DISCRETIZATION, CUT}
#: Values that are followed through one call: a layer that repeats them may double them, and the next again.
_MAX_POSITIONS = 10_000_000
#: Where a tensor's values come from: the positions of the row's values in it, or the number of bins that they number;
#: None where they are computed.
_Origin = Positions | int | None


@dataclass(frozen=True, slots=True)
class Lookup:
    """The values of a row that one layer looks up."""

    location: str  # of the layer, for messages
    size: int  # of its table: whole numbers from 0 to `size` − 1 are in it
    positions: tuple[int, ...]  # of the values, counted through all axes of a row


def find_lookups(graph: Graph, row: Shape) -> tuple[Lookup, ...]:
    """Find what a model looks up of rows of a shape, beside what a Discretization layer numbers.

    Raises ConfigError when an Embedding looks up what is computed, or fewer rows than there are bins.
    """
    if not any(find_embedding(layer) is not None for layer in graph.layers):
        return ()
    origins: dict[Tensor, _Origin] = {Tensor(graph.input): np.arange(prod(row)).reshape(1, *row)}
    lookups = []
    for call in graph.calls:
        layer = graph.by_name[call.layer]
        embedding = find_embedding(layer)
        if embedding is None:
            origins[call.result] = _follow(layer, call, origins)
            continue
        origins[call.result] = None
        if _DISCRETIZATION in computed_from(graph, layer):
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
        elif kind not in {None, *_NUMBERING}:
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
    if origin > size:
        raise ConfigError(
            f"{layer.location}: has {size} rows to look up, and what it looks up, the bins of a Discretization or the "
            f"levels of a column, gives {origin} numbers; right is input_dim={origin}"
        )
    return ()


def _check_whole_image(lookups: Sequence[Lookup], row: Shape) -> None:
    positions = {position for lookup in lookups for position in lookup.positions}
    if positions and len(positions) < prod(row):
        raise ConfigError(
            f"{lookups[0].location}: looks up a part of an image, whose values are standardised together; let it look "
            "up all of them"
        )


def _follow(layer: Layer, call: Call, origins: Mapping[Tensor, _Origin]) -> _Origin:
    """The origin of what a call gives."""
    if layer.kind == _DISCRETIZATION:
        return len(_boundaries(layer.argument("bin_boundaries"))) + 1
    sources = [origins[tensor] for tensor in call.tensors]
    if layer.kind == CUT:
        return _cut(call, sources[0])
    move = _MOVES.get(layer.kind)
    if move is None or any(source is None for source in sources):
        return None
    bins = [source for source in sources if isinstance(source, int)]
    if bins:
        return max(bins) if len(bins) == len(sources) else None
    if sum(source.size for source in sources if isinstance(source, np.ndarray)) > _MAX_POSITIONS:
        raise ConfigError(f"{layer.location}: gives more than {_MAX_POSITIONS:,} of a row's values; make it smaller")
    arrays = {tensor: origin for tensor, origin in origins.items() if isinstance(origin, np.ndarray)}
    try:
        moved = move(layer, call, arrays)
    except (ValueError, LookupError, TypeError, ArithmeticError):
        return None  # layers that do not fit each other are refused elsewhere, with the reason
    return moved if len(moved.shape) and moved.shape[0] == 1 else None


def _cut(call: Call, row: _Origin) -> _Origin:
    """The origin of an input: the row's values, or the number of a category's levels, of several the most."""
    _, spans, shape = call.arguments
    codes = [span.end - span.first for span in spans if span.code]
    if codes or not isinstance(row, np.ndarray):
        return max(codes) if len(codes) == len(spans) else None
    return np.concatenate([row[:, span.first : span.end] for span in spans], axis=1).reshape(1, *shape)


def _boundaries(value: float | tuple[float, ...]) -> tuple[float, ...]:
    """The boundaries of a Discretization, of which there may be one alone."""
    return value if isinstance(value, tuple) else (value,)


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
}
