"""A Keras constructor call as data: the worker evaluates it, the snippet prints it, so both are the same model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Expression:
    """A call of something in the keras namespace, such as layers.Dense(units=64)."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def evaluate(self) -> Any:
        """The Keras object; loads Keras."""
        import keras

        target: Any = keras
        for part in self.name.split("."):
            target = getattr(target, part)
        return target(**{name: _evaluated(value) for name, value in self.arguments.items()})

    def source(self) -> str:
        """The Python code of the call."""
        arguments = ", ".join(f"{name}={_source(value)}" for name, value in self.arguments.items())
        return f"keras.{self.name}({arguments})"


def _evaluated(value: Any) -> Any:
    return value.evaluate() if isinstance(value, Expression) else value


def _source(value: Any) -> str:
    return value.source() if isinstance(value, Expression) else repr(value)
