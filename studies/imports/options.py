"""The options of `regsweep import` that a refusal offers, as one types them."""

from __future__ import annotations

from shlex import quote
from typing import Any


def leaving_out(name: str) -> str:
    """The option that leaves a part out."""
    return f"--leave-out {quote(name)}"


def mapping(name: str, ours: str) -> str:
    """The option that says what a part is here."""
    return f"--map {quote(f'{name}={ours}')}"


def fixing(name: str, value: Any) -> str:
    """The option that takes one value of a hyperparameter."""
    written = f"{value:g}" if isinstance(value, float) else f"{value!s:.40}"
    return f"--fix {quote(f'{name}={written}')}"
