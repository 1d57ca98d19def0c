"""Count a model's parameters, as Keras counts them, before any of it is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from studies.keras_config.activations import count_activations
from studies.keras_config.dimensions import Shape, normalize_axes, repeat
from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import Graph, Layer, Tensor
from studies.keras_config.shapes import attention_output, result_shape

_MAX_NUMBERS = 10**12  # 4 TB


@dataclass(frozen=True, slots=True)
class MeasuredCall:
    """The size of one call of a layer; shapes begin with the batch, whose size stands as 1."""

    layer: Layer
    inputs: tuple[Shape, ...]
    output: Shape
    parameters: int  # 0 where the layer was called before, for it has its parameters once
    activations: int  # numbers that it keeps for each row while it trains


def measure_calls(graph: Graph, row: Shape) -> Iterator[MeasuredCall]:
    """Measure each call of a model's layers for rows of a shape, in the calls' order.

    Raises ConfigError when a layer does not take its input.
    """
    shapes: dict[Tensor, Shape] = {Tensor(graph.input): (1, *row)}
    seen: set[str] = set()
    for call in graph.calls:
        layer = graph.by_name[call.layer]
        inputs = tuple(shapes[tensor] for tensor in call.tensors)
        try:
            shapes[call.result] = result_shape(layer, call, shapes)
            count = 0 if layer.operation or layer.name in seen else count_layer(layer, inputs)
        except (ValueError, LookupError, TypeError, ArithmeticError) as error:
            raise ConfigError(
                f"{layer.location}: does not take rows of shape {' and '.join(str(s[1:]) for s in inputs)}: {error}"
            ) from error
        activations = count_activations(layer, inputs, shapes[call.result])
        if max(activations, count) > _MAX_NUMBERS:
            # What is no model any more is not measured on: 500 layers would grow numbers of thousands of digits.
            raise ConfigError(f"{layer.location}: holds more than {_MAX_NUMBERS:,} numbers; make the model smaller")
        seen.add(layer.name)
        yield MeasuredCall(layer, inputs, shapes[call.result], count, activations)


def count_parameters(graph: Graph, row: Shape) -> int:
    """Count the parameters of a model for rows of a shape, trained or not.

    Raises ConfigError when a layer does not take its input.
    """
    return sum(call.parameters for call in measure_calls(graph, row))


def has_weights(layer: Layer) -> bool:
    """Return whether a layer may have parameters."""
    return layer.kind in _RULES and not layer.operation


def count_layer(layer: Layer, inputs: Sequence[Shape]) -> int:
    """Count the parameters of one layer for inputs of these shapes."""
    rule = _RULES.get(layer.kind)
    return 0 if rule is None else rule(layer, *inputs)


def _bias(layer: Layer, size: int) -> int:
    return size if layer.argument("use_bias") else 0


def _dense(layer: Layer, shape: Shape) -> int:
    units: int = layer.argument("units")
    return shape[-1] * units + _bias(layer, units)


def _kernel_size(layer: Layer, shape: Shape) -> int:
    return prod(repeat(layer.argument("kernel_size"), len(shape) - 2))


def _convolution(layer: Layer, shape: Shape) -> int:
    filters: int = layer.argument("filters")
    groups: int = 1 if layer.kind.endswith("Transpose") else layer.argument("groups")
    return _kernel_size(layer, shape) * (shape[-1] // groups) * filters + _bias(layer, filters)


def _depthwise(layer: Layer, shape: Shape) -> int:
    channels: int = shape[-1] * layer.argument("depth_multiplier")
    return _kernel_size(layer, shape) * channels + _bias(layer, channels)


def _separable(layer: Layer, shape: Shape) -> int:
    channels: int = shape[-1] * layer.argument("depth_multiplier")
    filters: int = layer.argument("filters")
    return _kernel_size(layer, shape) * channels + channels * filters + _bias(layer, filters)


def _recurrent(layer: Layer, shape: Shape) -> int:
    units: int = layer.argument("units")
    gates = {"LSTM": 4, "GRU": 3}.get(layer.kind, 1)
    biases = 2 if layer.kind == "GRU" and layer.argument("reset_after") else 1
    return gates * (shape[-1] * units + units * units + _bias(layer, biases * units))


def _bidirectional(layer: Layer, shape: Shape) -> int:
    forward: Layer = layer.argument("layer")
    backward: Layer = layer.argument("backward_layer") or forward
    return count_layer(forward, [shape]) + count_layer(backward, [shape])


def _time_distributed(layer: Layer, shape: Shape) -> int:
    return count_layer(layer.argument("layer"), [(shape[0], *shape[2:])])


def _multi_head_attention(layer: Layer, query: Shape, value: Shape, key: Shape | None = None) -> int:
    heads: int = layer.argument("num_heads")
    size: int = layer.argument("key_dim")
    values = heads * (layer.argument("value_dim") or size)
    to = prod(repeat(attention_output(layer, query), 1))
    inputs = [(query, heads * size), (key or value, heads * size), (value, values)]
    inputs += [(query, values)] if layer.argument("use_gate") else []
    projected = sum(shape[-1] * width + _bias(layer, width) for shape, width in inputs)
    return projected + values * to + _bias(layer, to)


def _attention(layer: Layer, *_: Shape) -> int:
    return int(layer.argument("use_scale")) + int(layer.argument("score_mode") == "concat")


def _normalized_size(layer: Layer, shape: Shape) -> int:
    return prod(shape[axis] for axis in normalize_axes(layer.argument("axis"), len(shape)))


def _normalization(layer: Layer, shape: Shape) -> int:
    switches = [bool(layer.argument(name)) for name in ("center", "scale")]
    return sum(switches) * _normalized_size(layer, shape)


def _prelu(layer: Layer, shape: Shape) -> int:
    shared = normalize_axes(layer.argument("shared_axes") or (), len(shape))
    return prod(size for at, size in enumerate(shape) if at and at not in shared)


_RULES: Mapping[str, Callable[..., int]] = {
    "Dense": _dense,
    "Embedding": lambda layer, _: layer.argument("input_dim") * layer.argument("output_dim"),
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv1DTranspose", "Conv2DTranspose"), _convolution),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), _depthwise),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _separable),
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), _recurrent),
    "Bidirectional": _bidirectional,
    "TimeDistributed": _time_distributed,
    "MultiHeadAttention": _multi_head_attention,
    "Attention": _attention,
    "AdditiveAttention": lambda layer, query, *_: query[-1] if layer.argument("use_scale") else 0,
    # The moving mean and variance count besides.
    "BatchNormalization": lambda layer, shape: _normalization(layer, shape) + 2 * _normalized_size(layer, shape),
    **dict.fromkeys(("LayerNormalization", "GroupNormalization"), _normalization),
    "RMSNormalization": _normalized_size,
    "PReLU": _prelu,
    "LayerScale": lambda layer, _: layer.argument("projection_dim"),
}
