"""The result shape of each operation of keras.ops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from studies.keras_config.dimensions import Shape, concatenate, reduce, repeat, reshape
from studies.keras_config.graph import CUT, Call, Layer

#: The setting that stands behind the tensors, unless it is given by its name.
_POSITIONAL = {"getitem": "key", "reshape": "newshape", "transpose": "axes"}
#: Operations that mix the values along an axis.
_ACROSS = {"mean", "sum", "max", "softmax"}
_DEFAULTS = {"axis": None, "keepdims": False, "axes": None}


def operation_shape(kind: str, call: Call, shapes: Sequence[Shape]) -> Shape:
    """The shape that a call of an operation gives for tensors of these shapes."""
    if kind == CUT:
        return (shapes[0][0], *call.arguments[-1])
    rule = _RULES.get(kind)
    if rule is None:
        return tuple(np.broadcast_shapes(*shapes))
    return rule(shapes, settings(kind, call))


def find_mixed_axes(layer: Layer, call: Call, rank: int) -> set[int]:
    """Find the axes of a tensor of this rank along which a call mixes values, or to which it moves others."""
    if layer.kind == "transpose":
        axes = settings(layer.kind, call)["axes"] or range(rank)[::-1]
        return {axis for axis, moved in enumerate(axes) if axis != moved}
    if layer.operation and layer.kind in _ACROSS:
        axis = settings(layer.kind, call)["axis"]
    elif not layer.operation and "axis" in layer.arguments:
        axis = layer.arguments["axis"]
    else:
        return set()
    return set(range(rank)) if axis is None else {each % rank for each in np.atleast_1d(axis)}


def settings(kind: str, call: Call) -> Mapping[str, Any]:
    """The settings of an operation's call by name: those behind its tensors, and Keras' defaults."""
    positional = dict(zip((_POSITIONAL.get(kind, "axis"),), call.arguments[1:], strict=False))
    last_axis = {"axis": -1} if kind == "softmax" else {}
    return {**_DEFAULTS, **last_axis, **positional, **call.keywords}


def _getitem(shapes: Sequence[Shape], settings: Mapping[str, Any]) -> Shape:
    # A broadcast view takes no memory.
    return tuple(np.broadcast_to(np.float32(0), shapes[0])[settings["key"]].shape)


def _transpose(shapes: Sequence[Shape], settings: Mapping[str, Any]) -> Shape:
    return tuple(shapes[0][axis] for axis in settings["axes"] or range(len(shapes[0]))[::-1])


def _expand_dims(shapes: Sequence[Shape], settings: Mapping[str, Any]) -> Shape:
    index = settings["axis"] % (len(shapes[0]) + 1)
    return (*shapes[0][:index], 1, *shapes[0][index:])


def _reduce(shapes: Sequence[Shape], settings: Mapping[str, Any]) -> Shape:
    return reduce(shapes[0], settings["axis"], settings["keepdims"])


_RULES: Mapping[str, Callable[[Sequence[Shape], Mapping[str, Any]], Shape]] = {
    "getitem": _getitem,
    "concatenate": lambda shapes, settings: concatenate(settings["axis"] or 0, shapes),
    "reshape": lambda shapes, settings: reshape(shapes[0], repeat(settings["newshape"], 1)),
    "transpose": _transpose,
    "expand_dims": _expand_dims,
    **dict.fromkeys(("squeeze", "mean", "sum", "max"), _reduce),
}
