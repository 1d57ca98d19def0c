"""What an argument of a layer may be: each check gives the value back, or says what would be right."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

from studies.keras_config.errors import ConfigError

Check = Callable[[Any], Any]
_LARGEST = 65_536

_RECTIFIERS = {"relu", "relu6", "leaky_relu", "gelu", "elu", "selu", "celu", "silu", "swish", "mish", "softplus"}
_SQUASHERS = {"sigmoid", "log_sigmoid", "tanh", "softsign", "softmax", "log_softmax"}
_HARD = {"hard_silu", "hard_swish", "hard_tanh", "hard_sigmoid"}
ACTIVATIONS = _RECTIFIERS | _SQUASHERS | _HARD | {"exponential", "linear"}


def _refused(value: Any, right: str) -> ConfigError:
    shown = repr(value)
    return ConfigError(f"{shown if len(shown) <= 60 else shown[:57] + '…'} is not {right}")


def flag(value: Any) -> bool:
    """One of true and false."""
    if not isinstance(value, bool):
        raise _refused(value, "true or false")
    return value


def whole(low: int = 1, high: int = _LARGEST) -> Check:
    """A whole number within bounds."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _refused(value, f"a whole number from {low} to {high}")
        return value

    return check


def number(low: float = -1e30, high: float = 1e30) -> Check:
    """A number within bounds."""

    def check(value: Any) -> float:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not low <= value <= high or not isfinite(value):
            raise _refused(value, f"a number from {low:g} to {high:g}")
        return float(value)

    return check


def choice(*allowed: Any) -> Check:
    """One of a few values."""

    def check(value: Any) -> Any:
        # 1 and True are equal, and so are 0 and False.
        if not any(type(value) is type(one) and value == one for one in allowed):
            raise _refused(value, " or ".join(map(repr, allowed)))
        return value

    return check


def optional(check: Check) -> Check:
    """null, or what another check takes."""
    return lambda value: None if value is None else check(value)


def wholes(low: int = 0, lengths: tuple[int, ...] = (), most: int = 16) -> Check:
    """A list of whole numbers, or of lists of them; as tuples. A single number stays one."""
    one = whole(low)

    def check(value: Any, depth: int = 0) -> Any:
        if not isinstance(value, list | tuple):
            return one(value)
        if depth > 1 or len(value) > most or (lengths and not depth and len(value) not in lengths):
            raise _refused(value, f"a list of {' or '.join(map(str, lengths)) or f'at most {most}'} whole numbers")
        return tuple(check(item, depth + 1) for item in value)

    return check


def numbers(most: int = 10_000) -> Check:
    """A number or a list of numbers."""
    one = number()

    def check(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return one(value)
        if len(value) > most:
            raise _refused(value, f"a list of at most {most} numbers")
        return tuple(map(one, value))

    return check


def activation(value: Any) -> str:
    """The name of one of Keras' activations."""
    if value is None:
        return "linear"
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise _refused(value, f"one of Keras' activations; choose from {', '.join(sorted(ACTIVATIONS))}")
    return value
