"""Finds the rows that a raw-rows model refuses, as the zip does: it cannot raise, so they give NaN and no class."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from studies.keras_config.lookups import Lookup

_LARGEST = np.finfo(np.float32).max


def check(tensors: Sequence[Any], x: Any, lookups: Sequence[Lookup], *, may_lack: bool) -> Any:
    """Tell of each row, (rows,), whether its numbers are finite and what is looked up is in its table.

    `tensors` are raw values, which may be missing in columns, and `x` the inputs of the trained model.
    """
    from keras import ops

    numbers = [each for each in tensors if each.dtype == "float32"]
    # TensorFlow makes "at most" of "not larger", which NaN is not: so nothing here is negated.
    finite = [ops.abs(each) <= _LARGEST for each in numbers]
    if may_lack:
        finite = [ops.logical_or(ops.isnan(each), is_finite) for each, is_finite in zip(numbers, finite, strict=True)]
    checks = [_all(each) for each in finite]
    flat = ops.reshape(x, (-1, prod(x.shape[1:])))
    for lookup in lookups:
        if lookup.size is not None:
            values = ops.take(flat, np.array(lookup.positions), axis=1)
            is_known = ops.logical_and(ops.equal(values, ops.floor(values)), values >= 0.0)
            checks.append(ops.all(ops.logical_and(is_known, values < float(lookup.size)), axis=1))
    if not checks:
        return None
    return checks[0] if len(checks) == 1 else ops.all(ops.stack(checks, axis=1), axis=1)


def refuse(is_sound: Any, values: Any, instead: float) -> Any:
    """Put a number in place of all values of the rows that are refused."""
    from keras import ops

    if is_sound is None:
        return values
    return ops.where(ops.reshape(is_sound, (-1, *[1] * (len(values.shape) - 1))), values, np.float32(instead))


def _all(values: Any) -> Any:
    """Tell of each row whether all its values are true."""
    from keras import ops

    return values if len(values.shape) == 1 else ops.all(values, axis=tuple(range(1, len(values.shape))))
