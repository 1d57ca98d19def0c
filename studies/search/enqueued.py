"""Params that a user wants tried, and whether they lie in a study's space; imports no Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.errors import FieldError


def check_params(space: Mapping[str, Any], params: Mapping[str, Any], field: str) -> list[FieldError]:
    """Say of each of a user's params why it is not in the search space, whose distributions are by name."""
    errors = []
    for name, value in params.items():
        if name not in space:
            errors.append(FieldError(f"{field}.{name}", f"is not searched; choose from {', '.join(space)}"))
        elif not contains(space[name], value):
            message = f"{value!r} is not in the space: {_describe(space[name])}"
            errors.append(FieldError(f"{field}.{name}", message))
    return errors


def _describe(distribution: Any) -> str:
    choices = getattr(distribution, "choices", None)
    if choices is not None:
        return f"one of {', '.join(map(str, choices))}"
    return f"from {distribution.low:g} to {distribution.high:g}"


def contains(distribution: Any, value: Any) -> bool:
    """Return whether an Optuna distribution holds a value."""
    if isinstance(value, str | bool) and not hasattr(distribution, "choices"):
        return False
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError):  # of another type than the distribution's values
        return False
