"""A Keras constructor call as data: the worker evaluates it, the snippet prints it, so both are the same model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from types import MappingProxyType
from typing import Any

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Expression:
    """A call of something in the keras namespace, such as layers.Dense(units=64)."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    def evaluate(self, instead: Mapping[str, Callable[..., Any]] = _NOTHING) -> Any:
        """The Keras object; loads Keras. `instead` holds constructors to call in place of Keras' own, by name."""
        import keras

        target: Any = instead.get(self.name)
        if target is None:
            target = attrgetter(self.name)(keras)
        return target(**{name: _evaluated(value, instead) for name, value in self.arguments.items()})

    def source(self) -> str:
        """The Python code of the call."""
        arguments = ", ".join(f"{name}={_source(value)}" for name, value in self.arguments.items())
        return f"keras.{self.name}({arguments})"


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of Python that stands in an expression that is only printed."""

    text: str

    def source(self) -> str:
        """The piece itself."""
        return self.text


def _evaluated(value: Any, instead: Mapping[str, Callable[..., Any]]) -> Any:
    return value.evaluate(instead) if isinstance(value, Expression) else value


def _source(value: Any) -> str:
    return value.source() if isinstance(value, Expression | Code) else repr(value)
