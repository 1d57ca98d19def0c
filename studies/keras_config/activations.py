"""Count the numbers that a layer keeps for each row while it trains: its output, and what it computes on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

from studies.keras_config.dimensions import Shape
from studies.keras_config.graph import Layer


def count_activations(layer: Layer, inputs: Sequence[Shape], output: Shape) -> int:
    """Count the numbers of one call, for inputs and an output of these shapes, which begin with the batch as 1."""
    rule = None if layer.operation else _RULES.get(layer.kind)
    return prod(output) + (0 if rule is None else rule(layer, *inputs))


def _scores(layer: Layer, query: Shape, value: Shape, *_: Shape) -> int:
    pairs = prod(query[1:-1]) * prod(value[1:-1])
    if layer.kind == "MultiHeadAttention":
        return pairs * int(layer.argument("num_heads"))
    adds = layer.kind == "AdditiveAttention" or layer.argument("score_mode") == "concat"
    return pairs * query[-1] if adds else pairs


def _recurrent(layer: Layer, shape: Shape) -> int:
    gates = {"LSTM": 4, "GRU": 3}.get(layer.kind, 1)
    return prod(shape[1:-1]) * int(layer.argument("units")) * gates


def _depthwise(layer: Layer, shape: Shape) -> int:
    return prod(shape) * int(layer.argument("depth_multiplier"))


def _bidirectional(layer: Layer, shape: Shape) -> int:
    return 2 * _recurrent(layer.argument("layer"), shape)


def _time_distributed(layer: Layer, shape: Shape) -> int:
    inner: Layer = layer.argument("layer")
    rule = _RULES.get(inner.kind)
    return 0 if rule is None else shape[1] * rule(inner, (shape[0], *shape[2:]))


_RULES: Mapping[str, Callable[..., int]] = {
    **dict.fromkeys(("MultiHeadAttention", "Attention", "AdditiveAttention"), _scores),
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), _recurrent),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _depthwise),
    "Bidirectional": _bidirectional,
    "TimeDistributed": _time_distributed,
}
