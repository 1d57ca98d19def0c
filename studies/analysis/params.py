"""Reads a trial's effective params, where a kernel's parameter stands once for all layers or once a layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_of_kernels(name: str, parameter: str) -> bool:
    """Return whether `name` is a kernel's parameter, for all layers ("lambda") or for one ("layer2_lambda")."""
    return name == parameter or (name.startswith("layer") and name.split("_", 1)[1:] == [parameter])


def kernel_values(params: Mapping[str, Any], parameter: str) -> list[Any]:
    """List the values of a kernel's parameter: the shared one, or each layer's."""
    return [value for name, value in params.items() if is_of_kernels(name, parameter)]


def first_penalty(params: Mapping[str, Any]) -> tuple[str, float | None]:
    """Kind and λ of the first layer that has a penalty."""
    for name, value in params.items():
        if is_of_kernels(name, "lambda") and value:
            return str(params.get(f"{name.removesuffix('lambda')}regularizer")), float(value)
    return "none", None
