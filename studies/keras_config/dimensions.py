"""Arithmetic on shapes and axes that layers and operations share."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

Shape = tuple[int, ...]


def normalize_axes(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Count one axis or several from the first dimension."""
    return tuple(axis % rank for axis in ((value,) if isinstance(value, int) else value))


def repeat(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Give each dimension a value: one for all, or one each."""
    return (value,) * rank if isinstance(value, int) else tuple(value)


def reshape(shape: Shape, target: Sequence[int]) -> Shape:
    """Fill in the −1 of `target`.

    Raises ValueError when the sizes do not match.
    """
    total, known = prod(shape), prod(size for size in target if size != -1)
    if total != known and (-1 not in target or not known or total % known):
        raise ValueError(f"{shape} cannot be reshaped to {tuple(target)}")
    return tuple(total // known if size == -1 else size for size in target)


def concatenate(axis: int, shapes: Sequence[Shape]) -> Shape:
    """Add up the sizes along an axis.

    Raises ValueError when other sizes differ.
    """
    first, index = shapes[0], axis % len(shapes[0])
    if any((*shape[:index], *shape[index + 1 :]) != (*first[:index], *first[index + 1 :]) for shape in shapes):
        raise ValueError(f"{' and '.join(map(str, shapes))} cannot be concatenated along {axis}")
    return (*first[:index], sum(shape[index] for shape in shapes), *first[index + 1 :])


def reduce(shape: Shape, over: int | Sequence[int] | None, keepdims: bool = False) -> Shape:
    """Drop some axes, or all if `over` is None; with `keepdims` their sizes become 1."""
    gone = normalize_axes(range(len(shape)) if over is None else over, len(shape))
    sizes = (1 if axis in gone else size for axis, size in enumerate(shape) if keepdims or axis not in gone)
    return tuple(sizes)
