"""Checks of a layer's arguments: each returns the value.

Raises ConfigError, which says what would be right, for any other value.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

from studies.keras_config.errors import ConfigError

Check = Callable[[Any], Any]
_MAX_INTEGER = 65_536
_MAX_VOCABULARY = 10_000

_RECTIFIERS = {"relu", "relu6", "leaky_relu", "gelu", "elu", "selu", "celu", "silu", "swish", "mish", "softplus"}
_SQUASHERS = {"sigmoid", "log_sigmoid", "tanh", "softsign", "softmax", "log_softmax"}
_HARD = {"hard_silu", "hard_swish", "hard_tanh", "hard_sigmoid"}
ACTIVATIONS = _RECTIFIERS | _SQUASHERS | _HARD | {"exponential", "linear"}


def _error(value: Any, right: str) -> ConfigError:
    text = repr(value)
    return ConfigError(f"{text if len(text) <= 60 else text[:57] + '…'} is not {right}")


def boolean(value: Any) -> bool:
    """Check for true or false."""
    if not isinstance(value, bool):
        raise _error(value, "true or false")
    return value


def integer(low: int = 1, high: int = _MAX_INTEGER) -> Check:
    """Check for a whole number within bounds."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _error(value, f"a whole number from {low} to {high}")
        return value

    return check


def number(low: float = -1e30, high: float = 1e30) -> Check:
    """Check for a number within bounds; it becomes a float."""

    def check(value: Any) -> float:
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if not numeric or not low <= value <= high or not isfinite(value):
            raise _error(value, f"a number from {low:g} to {high:g}")
        return float(value)

    return check


def choice(*allowed: Any) -> Check:
    """Check for one of a few values."""

    def check(value: Any) -> Any:
        # 1 and True are equal, and so are 0 and False.
        if not any(type(value) is type(one) and value == one for one in allowed):
            raise _error(value, " or ".join(map(repr, allowed)))
        return value

    return check


def optional(check: Check) -> Check:
    """Check for null, or for what another check accepts."""
    return lambda value: None if value is None else check(value)


def integers(low: int = 0, lengths: tuple[int, ...] = (), max_length: int = 16) -> Check:
    """Check for a list of whole numbers, or of lists of them, which become tuples; a single number stays one."""
    one = integer(low)

    def check(value: Any, depth: int = 0) -> Any:
        if not isinstance(value, list | tuple):
            return one(value)
        if depth > 1 or len(value) > max_length or (lengths and not depth and len(value) not in lengths):
            raise _error(value, f"a list of {' or '.join(map(str, lengths)) or f'at most {max_length}'} whole numbers")
        return tuple(check(item, depth + 1) for item in value)

    return check


def ignored(_value: Any) -> None:
    """Accept any value, and drop it: it follows from others, or says nothing here."""
    return


def noise_shape(value: Any) -> tuple[int | None, ...]:
    """Check for the shape of a dropout's noise: null where each value has its own, 1 where all share theirs."""
    if not isinstance(value, list | tuple) or not 2 <= len(value) <= 8 or any(size not in (None, 1) for size in value):
        raise _error(value, "a list of null, where each has noise of its own, and 1, where all share theirs")
    return tuple(value)


def vocabulary(value: Any) -> tuple[int, ...]:
    """Check for the whole numbers that a layer looks up, each once."""
    if not isinstance(value, list | tuple) or not 0 < len(value) <= _MAX_VOCABULARY:
        raise _error(value, f"a list of 1 to {_MAX_VOCABULARY:,} whole numbers; give the .keras file, which has it")
    one = integer(-(2**31), 2**31)
    items = tuple(map(one, value))
    if len(set(items)) < len(items):
        raise _error(value, "a list in which no number stands twice")
    return items


def texts(value: Any) -> tuple[str, ...]:
    """Check for the texts that a layer looks up, each once."""
    if not isinstance(value, list | tuple) or not 0 < len(value) <= _MAX_VOCABULARY:
        raise _error(value, f"a list of 1 to {_MAX_VOCABULARY:,} texts; give the .keras file, which has it")
    items = tuple(map(text, value))
    if len(set(items)) < len(items):
        raise _error(value, "a list in which no text stands twice")
    return items


def text(value: Any) -> str:
    """Check for a text."""
    if not isinstance(value, str) or "\0" in value:
        raise _error(value, "a text")
    return value


def one_unknown(value: Any) -> int:
    """Check for one index of all unknown texts."""
    if value != 1 or isinstance(value, bool):
        raise _error(value, "1: every text that is not in the vocabulary has one index, the same for all")
    return 1


def numbers(low: float = -1e30, max_length: int = 10_000) -> Check:
    """Check for a number or a list of numbers, which becomes a tuple; each at least `low`."""
    one = number(low)

    def check(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return one(value)
        if len(value) > max_length:
            raise _error(value, f"a list of at most {max_length} numbers")
        return tuple(map(one, value))

    return check


def activation(value: Any) -> str:
    """Check for the name of one of Keras' activations; null is linear."""
    if value is None:
        return "linear"
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise _error(value, f"one of Keras' activations; choose from {', '.join(sorted(ACTIVATIONS))}")
    return value
