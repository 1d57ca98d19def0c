"""The result shape of each layer and operation, as Keras has it, without Keras.

Shapes begin with the batch, whose size stands as 1. A tensor that does not fit raises an error of Python's or NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from studies.keras_config.dimensions import Shape, concatenate, normalize_axes, reduce, repeat, reshape
from studies.keras_config.graph import Call, Layer, Tensor
from studies.keras_config.operation_shapes import operation_shape


def result_shape(layer: Layer, call: Call, shapes: Mapping[Tensor, Shape]) -> Shape:
    """The shape that a call gives, from the shapes of the tensors it takes.

    Raises ValueError when a size would fall below 1, and ValueError, LookupError, TypeError or ArithmeticError when the
    tensors do not fit.
    """
    inputs = [shapes[tensor] for tensor in call.tensors]
    shape = operation_shape(layer.kind, call, inputs) if layer.operation else layer_shape(layer, inputs)
    if min(shape, default=1) < 1:
        raise ValueError(f"{inputs[0]} is too small for it")
    return shape


def layer_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """The shape that a layer gives for inputs of these shapes."""
    rule = _RULES.get(layer.kind)
    return inputs[0] if rule is None else rule(layer, *inputs)


def attention_output(layer: Layer, query: Shape) -> int | Shape:
    """The sizes that MultiHeadAttention projects to."""
    return layer.argument("output_shape") or query[-1]


def _replace_last(name: str) -> Callable[..., Shape]:
    return lambda layer, shape: (*shape[:-1], layer.argument(name))


def _slide(sizes: Shape, layer: Layer, window: Sequence[int], strides: Sequence[int]) -> Shape:
    """Count the positions of a window in each dimension."""
    if layer.argument("padding") == "valid":
        return tuple((size - width) // stride + 1 for size, width, stride in zip(sizes, window, strides, strict=True))
    return tuple(-(-size // stride) for size, stride in zip(sizes, strides, strict=True))


def _dilate(layer: Layer, rank: int) -> Shape:
    """Widen the kernel by the gaps between its elements."""
    sizes, dilations = (repeat(layer.argument(name), rank) for name in ("kernel_size", "dilation_rate"))
    return tuple((size - 1) * dilation + 1 for size, dilation in zip(sizes, dilations, strict=True))


def _convolution(layer: Layer, shape: Shape) -> Shape:
    *sizes, channels = shape[1:]
    rank = len(sizes)
    filters = channels * layer.argument("depth_multiplier") if "Depthwise" in layer.kind else layer.argument("filters")
    strides = repeat(layer.argument("strides"), rank)
    return (shape[0], *_slide(tuple(sizes), layer, _dilate(layer, rank), strides), filters)


def _transposed_convolution(layer: Layer, shape: Shape) -> Shape:
    sizes = shape[1:-1]
    windows, strides = _dilate(layer, len(sizes)), repeat(layer.argument("strides"), len(sizes))
    same = layer.argument("padding") == "same"
    margins = [0 if same else max(width - stride, 0) for width, stride in zip(windows, strides, strict=True)]
    results = (size * stride + margin for size, stride, margin in zip(sizes, strides, margins, strict=True))
    return (shape[0], *results, layer.argument("filters"))


def _pooling(layer: Layer, shape: Shape) -> Shape:
    sizes = shape[1:-1]
    window = repeat(layer.argument("pool_size"), len(sizes))
    strides = repeat(layer.argument("strides") or window, len(sizes))
    return (shape[0], *_slide(sizes, layer, window, strides), shape[-1])


def _global_pooling(layer: Layer, shape: Shape) -> Shape:
    kept = (1,) * len(shape[1:-1]) if layer.argument("keepdims") else ()
    return (shape[0], *kept, shape[-1])


def _recurrent(layer: Layer, shape: Shape) -> Shape:
    batch, steps, _ = shape
    units = layer.argument("units")
    return (batch, steps, units) if layer.argument("return_sequences") else (batch, units)


def _bidirectional(layer: Layer, shape: Shape) -> Shape:
    inner = layer_shape(layer.argument("layer"), [shape])
    return (*inner[:-1], inner[-1] * 2) if layer.argument("merge_mode") == "concat" else inner


def _time_distributed(layer: Layer, shape: Shape) -> Shape:
    batch, steps, *rest = shape
    return (batch, steps, *layer_shape(layer.argument("layer"), [(batch, *rest)])[1:])


def _attention(layer: Layer, query: Shape, value: Shape, *_: Shape) -> Shape:
    if layer.kind != "MultiHeadAttention":
        return (*query[:-1], value[-1])
    return (*query[:-1], *repeat(attention_output(layer, query), 1))


def _margins(value: int | Sequence[Any], rank: int) -> list[tuple[int, int]]:
    """Read the sizes before and behind each dimension."""
    if isinstance(value, int):
        return [(value, value)] * rank
    if rank == 1 and isinstance(value[0], int):
        return [(value[0], value[-1])]
    return [(one, one) if isinstance(one, int) else (one[0], one[1]) for one in value]


def _resized_by(name: str, sign: int) -> Callable[..., Shape]:
    def rule(layer: Layer, shape: Shape) -> Shape:
        sizes = shape[1:-1]
        pairs = _margins(layer.argument(name), len(sizes))
        return (shape[0], *(s + sign * sum(pair) for s, pair in zip(sizes, pairs, strict=True)), shape[-1])

    return rule


def _up_sampling(layer: Layer, shape: Shape) -> Shape:
    sizes = shape[1:-1]
    times = repeat(layer.argument("size"), len(sizes))
    return (shape[0], *(size * n for size, n in zip(sizes, times, strict=True)), shape[-1])


def _dropout(layer: Layer, shape: Shape) -> Shape:
    noise = layer.argument("noise_shape")
    if noise is not None and len(noise) != len(shape):
        raise ValueError(f"its noise of the shape {noise} has not the {len(shape)} axes of what it drops")
    return shape


def _normalized(layer: Layer, shape: Shape) -> Shape:
    axis, mean = layer.argument("axis"), layer.argument("mean")
    kept = () if axis is None else tuple(shape[one] for one in normalize_axes(axis, len(shape)))
    for numbers in (mean, layer.argument("variance")):
        if isinstance(numbers, tuple) and len(numbers) not in {1, kept[-1] if kept else 1}:
            raise ValueError(f"it has {len(numbers)} means or variances for {kept}")
    return shape


def _sized(layer: Layer, shape: Shape) -> Shape:
    batch, _, _, channels = shape
    return (batch, layer.argument("height"), layer.argument("width"), channels)


def _encoded(layer: Layer, shape: Shape) -> Shape:
    mode, size = layer.argument("output_mode"), count_codes(layer)
    if mode == "int":
        return shape
    alone = mode != "one_hot" or (shape[-1] == 1 and len(shape) > 1)
    return (*shape[:-1], size) if alone else (*shape, size)


def count_codes(layer: Layer) -> int:
    """Count the whole numbers that a Discretization, a CategoryEncoding or a lookup in a vocabulary knows."""
    if layer.kind == "CategoryEncoding":
        return int(layer.argument("num_tokens"))
    if layer.kind == "Discretization":
        boundaries = layer.argument("bin_boundaries")
        return 1 + (len(boundaries) if isinstance(boundaries, tuple) else 1)
    masked = layer.argument("output_mode") == "int" and layer.argument("mask_token") is not None
    return len(layer.argument("vocabulary")) + int(layer.argument("num_oov_indices")) + masked


def _scaled(layer: Layer, shape: Shape) -> Shape:
    if shape[-1] != layer.argument("projection_dim"):
        raise ValueError(f"it scales {layer.argument('projection_dim')} channels and not {shape[-1]}")
    return shape


def _merge(_: Layer, *shapes: Shape) -> Shape:
    # Keras inserts the dimensions that a smaller rank lacks behind the batch.
    rank = max(map(len, shapes))
    return tuple(np.broadcast_shapes(*((s[0], *(1,) * (rank - len(s)), *s[1:]) for s in shapes)))


def _dot(layer: Layer, one: Shape, other: Shape) -> Shape:
    first, second = repeat(layer.argument("axes"), 2)
    kept = reduce(one, (first,)) + reduce(other, (second,))[1:]
    return kept if len(kept) > 1 else (*kept, 1)


_RULES: Mapping[str, Callable[..., Shape]] = {
    "Dense": _replace_last("units"),
    "Embedding": lambda layer, shape: (*shape, layer.argument("output_dim")),
    **dict.fromkeys((f"{what}Conv{rank}D" for what in ("", "Separable", "Depthwise") for rank in (1, 2)), _convolution),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose"), _transposed_convolution),
    **dict.fromkeys((f"{what}Pooling{rank}D" for what in ("Max", "Average") for rank in (1, 2)), _pooling),
    **dict.fromkeys((f"Global{what}Pooling{rank}D" for what in ("Max", "Average") for rank in (1, 2)), _global_pooling),
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), _recurrent),
    "Bidirectional": _bidirectional,
    "TimeDistributed": _time_distributed,
    **dict.fromkeys(("MultiHeadAttention", "Attention", "AdditiveAttention"), _attention),
    "Flatten": lambda _, shape: (shape[0], prod(shape[1:])),
    "Reshape": lambda layer, shape: (shape[0], *reshape(shape[1:], repeat(layer.argument("target_shape"), 1))),
    "Permute": lambda layer, shape: (shape[0], *(shape[at] for at in repeat(layer.argument("dims"), 1))),
    "RepeatVector": lambda layer, shape: (shape[0], layer.argument("n"), *shape[1:]),
    **dict.fromkeys(("Cropping1D", "Cropping2D"), _resized_by("cropping", -1)),
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D"), _resized_by("padding", 1)),
    **dict.fromkeys(("UpSampling1D", "UpSampling2D"), _up_sampling),
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), _merge),
    "Dropout": _dropout,
    "Normalization": _normalized,
    "LayerScale": _scaled,
    **dict.fromkeys(("Resizing", "CenterCrop"), _sized),
    **dict.fromkeys(("Discretization", "IntegerLookup", "StringLookup", "CategoryEncoding"), _encoded),
    "Concatenate": lambda layer, *shapes: concatenate(layer.argument("axis"), shapes),
    "Dot": _dot,
}
