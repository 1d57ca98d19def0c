"""The shape of what each layer and operation gives, as Keras has it, without Keras.

Shapes begin with the batch, which stands as 1. What does not fit is an error that Python or numpy raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from studies.keras_config.graph import Call, Layer, Tensor

Shape = tuple[int, ...]


def given(layer: Layer, call: Call, shapes: Mapping[Tensor, Shape]) -> Shape:
    """The shape that a call gives, from those of the tensors it takes."""
    taken = [shapes[tensor] for tensor in call.tensors]
    shape = _of_operation(layer.kind, call, taken) if layer.operation else of_layer(layer, taken)
    if min(shape, default=1) < 1:
        raise ValueError(f"{taken[0]} is too small for it")
    return shape


def of_layer(layer: Layer, taken: Sequence[Shape]) -> Shape:
    """The shape that a layer gives."""
    rule = _LAYERS.get(layer.kind)
    return taken[0] if rule is None else rule(layer, *taken)


def axes(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes counted from the first."""
    return tuple(axis % rank for axis in ((value,) if isinstance(value, int) else value))


def each(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """One for each dimension."""
    return (value,) * rank if isinstance(value, int) else tuple(value)


def attended(layer: Layer, taken: Sequence[Shape]) -> int | Shape:
    """What MultiHeadAttention projects to."""
    return layer.argument("output_shape") or taken[0][-1]


def _last(name: str) -> Callable[..., Shape]:
    return lambda layer, shape: (*shape[:-1], layer.argument(name))


def _windows(sizes: Shape, layer: Layer, window: Sequence[int], strides: Sequence[int]) -> Shape:
    if layer.argument("padding") == "valid":
        return tuple((size - width) // stride + 1 for size, width, stride in zip(sizes, window, strides, strict=True))
    return tuple(-(-size // stride) for size, stride in zip(sizes, strides, strict=True))


def _dilated(layer: Layer, rank: int) -> Shape:
    sizes, dilations = (each(layer.argument(name), rank) for name in ("kernel_size", "dilation_rate"))
    return tuple((size - 1) * dilation + 1 for size, dilation in zip(sizes, dilations, strict=True))


def _convolved(layer: Layer, shape: Shape) -> Shape:
    *sizes, channels = shape[1:]
    rank = len(sizes)
    filters = channels * layer.argument("depth_multiplier") if "Depthwise" in layer.kind else layer.argument("filters")
    strides = each(layer.argument("strides"), rank)
    return (shape[0], *_windows(tuple(sizes), layer, _dilated(layer, rank), strides), filters)


def _transposed_convolution(layer: Layer, shape: Shape) -> Shape:
    sizes = shape[1:-1]
    windows, strides = _dilated(layer, len(sizes)), each(layer.argument("strides"), len(sizes))
    more = [0 if layer.argument("padding") == "same" else max(w - s, 0) for w, s in zip(windows, strides, strict=True)]
    grown = (size * stride + m for size, stride, m in zip(sizes, strides, more, strict=True))
    return (shape[0], *grown, layer.argument("filters"))


def _pooled(layer: Layer, shape: Shape) -> Shape:
    sizes = shape[1:-1]
    window = each(layer.argument("pool_size"), len(sizes))
    strides = each(layer.argument("strides") or window, len(sizes))
    return (shape[0], *_windows(sizes, layer, window, strides), shape[-1])


def _pooled_whole(layer: Layer, shape: Shape) -> Shape:
    kept = (1,) * len(shape[1:-1]) if layer.argument("keepdims") else ()
    return (shape[0], *kept, shape[-1])


def _recurred(layer: Layer, shape: Shape) -> Shape:
    batch, steps, _ = shape
    return (
        (batch, steps, layer.argument("units"))
        if layer.argument("return_sequences")
        else (batch, layer.argument("units"))
    )


def _both_ways(layer: Layer, shape: Shape) -> Shape:
    inner = of_layer(layer.argument("layer"), [shape])
    return (*inner[:-1], inner[-1] * 2) if layer.argument("merge_mode") == "concat" else inner


def _at_each_step(layer: Layer, shape: Shape) -> Shape:
    batch, steps, *rest = shape
    return (batch, steps, *of_layer(layer.argument("layer"), [(batch, *rest)])[1:])


def _attention(layer: Layer, query: Shape, value: Shape, *_: Shape) -> Shape:
    if layer.kind != "MultiHeadAttention":
        return (*query[:-1], value[-1])
    to = attended(layer, [query])
    return (*query[:-1], *each(to, 1))


def _reshaped(shape: Shape, target: Sequence[int]) -> Shape:
    """`target` with its −1 filled in."""
    whole, known = prod(shape), prod(size for size in target if size != -1)
    if whole != known and (-1 not in target or not known or whole % known):
        raise ValueError(f"{shape} cannot be reshaped to {tuple(target)}")
    return tuple(whole // known if size == -1 else size for size in target)


def _pairs(value: int | Sequence[Any], rank: int) -> list[tuple[int, int]]:
    """Before and behind each dimension."""
    if isinstance(value, int):
        return [(value, value)] * rank
    if rank == 1 and isinstance(value[0], int):
        return [(value[0], value[-1])]
    return [(one, one) if isinstance(one, int) else (one[0], one[1]) for one in value]


def _padded(name: str, sign: int) -> Callable[..., Shape]:
    def rule(layer: Layer, shape: Shape) -> Shape:
        sizes = shape[1:-1]
        pairs = _pairs(layer.argument(name), len(sizes))
        return (shape[0], *(s + sign * sum(pair) for s, pair in zip(sizes, pairs, strict=True)), shape[-1])

    return rule


def _enlarged(layer: Layer, shape: Shape) -> Shape:
    sizes = shape[1:-1]
    times = each(layer.argument("size"), len(sizes))
    return (shape[0], *(size * n for size, n in zip(sizes, times, strict=True)), shape[-1])


def _merged(_: Layer, *taken: Shape) -> Shape:
    # Keras puts what a smaller rank lacks behind the batch.
    rank = max(map(len, taken))
    return tuple(np.broadcast_shapes(*((s[0], *(1,) * (rank - len(s)), *s[1:]) for s in taken)))


def _concatenated(axis: int, taken: Sequence[Shape]) -> Shape:
    first, at = taken[0], axis % len(taken[0])
    if any((*shape[:at], *shape[at + 1 :]) != (*first[:at], *first[at + 1 :]) for shape in taken):
        raise ValueError(f"{' and '.join(map(str, taken))} cannot be concatenated along {axis}")
    return (*first[:at], sum(shape[at] for shape in taken), *first[at + 1 :])


def _dotted(layer: Layer, one: Shape, other: Shape) -> Shape:
    first, second = each(layer.argument("axes"), 2)
    kept = _without(one, (first,)) + _without(other, (second,))[1:]
    return kept if len(kept) > 1 else (*kept, 1)


def _without(shape: Shape, gone: int | Sequence[int] | None, keepdims: bool = False) -> Shape:
    over = axes(range(len(shape)) if gone is None else gone, len(shape))
    sizes = (1 if at in over else size for at, size in enumerate(shape) if keepdims or at not in over)
    return tuple(sizes)


def _of_operation(kind: str, call: Call, taken: Sequence[Shape]) -> Shape:
    rule = _OPERATIONS.get(kind)
    if rule is None:
        return tuple(np.broadcast_shapes(*taken))
    # What says how stands behind the tensors, or by its name.
    positional = dict(zip((_HOW.get(kind, "axis"),), call.arguments[1:], strict=False))
    return rule(taken, {"axis": None, "keepdims": False, "axes": None, **positional, **call.keywords})


def _part(taken: Sequence[Shape], how: Mapping[str, Any]) -> Shape:
    # A view: no memory is taken for it.
    return tuple(np.broadcast_to(np.float32(0), taken[0])[how["key"]].shape)


def _transposed(taken: Sequence[Shape], how: Mapping[str, Any]) -> Shape:
    return tuple(taken[0][axis] for axis in how["axes"] or range(len(taken[0]))[::-1])


def _with_one_more(taken: Sequence[Shape], how: Mapping[str, Any]) -> Shape:
    at = how["axis"] % (len(taken[0]) + 1)
    return (*taken[0][:at], 1, *taken[0][at:])


def _reduced(taken: Sequence[Shape], how: Mapping[str, Any]) -> Shape:
    return _without(taken[0], how["axis"], how["keepdims"])


_LAYERS: Mapping[str, Callable[..., Shape]] = {
    "Dense": _last("units"),
    "Embedding": lambda layer, shape: (*shape, layer.argument("output_dim")),
    **dict.fromkeys((f"{what}Conv{rank}D" for what in ("", "Separable", "Depthwise") for rank in (1, 2)), _convolved),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose"), _transposed_convolution),
    **dict.fromkeys((f"{what}Pooling{rank}D" for what in ("Max", "Average") for rank in (1, 2)), _pooled),
    **dict.fromkeys((f"Global{what}Pooling{rank}D" for what in ("Max", "Average") for rank in (1, 2)), _pooled_whole),
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), _recurred),
    "Bidirectional": _both_ways,
    "TimeDistributed": _at_each_step,
    **dict.fromkeys(("MultiHeadAttention", "Attention", "AdditiveAttention"), _attention),
    "Flatten": lambda _, shape: (shape[0], prod(shape[1:])),
    "Reshape": lambda layer, shape: (shape[0], *_reshaped(shape[1:], each(layer.argument("target_shape"), 1))),
    "Permute": lambda layer, shape: (shape[0], *(shape[at] for at in each(layer.argument("dims"), 1))),
    "RepeatVector": lambda layer, shape: (shape[0], layer.argument("n"), *shape[1:]),
    **dict.fromkeys(("Cropping1D", "Cropping2D"), _padded("cropping", -1)),
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D"), _padded("padding", 1)),
    **dict.fromkeys(("UpSampling1D", "UpSampling2D"), _enlarged),
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), _merged),
    "Concatenate": lambda layer, *taken: _concatenated(layer.argument("axis"), taken),
    "Dot": _dotted,
}

#: The argument behind the tensors.
_HOW = {"getitem": "key", "reshape": "newshape", "transpose": "axes"}
_OPERATIONS: Mapping[str, Callable[[Sequence[Shape], Mapping[str, Any]], Shape]] = {
    "getitem": _part,
    "concatenate": lambda taken, how: _concatenated(how["axis"] or 0, taken),
    "reshape": lambda taken, how: _reshaped(taken[0], each(how["newshape"], 1)),
    "transpose": _transposed,
    "expand_dims": _with_one_more,
    **dict.fromkeys(("squeeze", "mean", "sum", "max"), _reduced),
}
