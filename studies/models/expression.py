"""A Keras constructor call as data: the worker evaluates it, the snippet prints it, so both are the same model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from types import MappingProxyType
from typing import Any

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Expression:
    """A call of something in the keras namespace, such as layers.Dense(units=64)."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)

    def evaluate(self, constructors: Mapping[str, Callable[..., Any]] = _EMPTY) -> Any:
        """Call it; loads Keras. `constructors` are called in place of Keras' own, by name."""
        import keras

        target: Any = constructors.get(self.name)
        if target is None:
            target = attrgetter(self.name)(keras)
        return target(**{name: _evaluate(value, constructors) for name, value in self.arguments.items()})

    def source(self) -> str:
        """Write the call as Python code."""
        arguments = ", ".join(f"{name}={_source(value)}" for name, value in self.arguments.items())
        return f"keras.{self.name}({arguments})"


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of Python in an expression that is printed and never evaluated."""

    text: str

    def source(self) -> str:
        """Return the piece itself."""
        return self.text


def _evaluate(value: Any, constructors: Mapping[str, Callable[..., Any]]) -> Any:
    return value.evaluate(constructors) if isinstance(value, Expression) else value


def _source(value: Any) -> str:
    return value.source() if isinstance(value, Expression | Code) else repr(value)
