"""How the layers of a functional model are called: the worker calls them, the snippet prints the calls."""

from __future__ import annotations

import keyword
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studies.keras_config.graph import Call, Graph, Tensor
from studies.models.expression import Expression

_INDEXED = "getitem"
#: What the code around the model calls its own.
_TAKEN = {"keras", "ops", "model", "x_train", "y_train", "x_val", "y_val", "y_deviation", "roc_auc_score", "r2_score"}
_TAKEN |= {"Measure", "mean_absolute_error"}


@dataclass(frozen=True)
class Wiring:
    """The calls of a graph over its layers."""

    graph: Graph

    def model(self, layers: Sequence[Expression], instead: Mapping[str, Callable[..., Any]]) -> Any:
        """The Keras model of the input and the layers, in the graph's order without its operations; loads Keras.

        Layers are made in the order of the printed code, for some draw seeds when they are called.
        """
        import keras

        given, expressions = self._parted(layers)
        values = {Tensor(self.graph.input): given.evaluate(instead)}
        objects = {name: expressions[name].evaluate(instead) for name in self._shared()}

        def actual(value: Any) -> Any:
            if isinstance(value, Tensor):
                return values[value]
            return [actual(item) for item in value] if _holds_tensors(value) else value

        for call in self.graph.calls:
            operation = self._operation(call)
            if operation == _INDEXED:
                target: Any = operator.getitem
            elif operation:
                target = getattr(keras.ops, operation)
            else:
                target = objects.get(call.layer) or expressions[call.layer].evaluate(instead)
            keywords = {name: actual(value) for name, value in call.keywords.items()}
            values[call.result] = target(*map(actual, call.arguments), **keywords)
        return keras.Model(values[Tensor(self.graph.input)], values[self.graph.output])

    def source(self, layers: Sequence[Expression]) -> str:
        """The Python code that makes the model."""
        names, held = self._variables()
        given, expressions = self._parted(layers)
        lines = [f"{names[Tensor(self.graph.input)]} = {given.source()}"]
        lines += [f"{held[name]} = {expressions[name].source()}" for name in held]
        for call in self.graph.calls:
            operation = self._operation(call)
            arguments = [_source(value, names) for value in call.arguments]
            arguments += [f"{name}={_source(value, names)}" for name, value in call.keywords.items()]
            if operation == _INDEXED:
                made = f"{arguments[0]}[{_key(call.arguments[1])}]"
            elif operation:
                made = f"keras.ops.{operation}({', '.join(arguments)})"
            else:
                layer = held[call.layer] if call.layer in held else expressions[call.layer].source()
                made = f"{layer}({', '.join(arguments)})"
            lines.append(f"{names[call.result]} = {made}")
        ends = names[Tensor(self.graph.input)], names[self.graph.output]
        return "\n".join([*lines, f"model = keras.Model({ends[0]}, {ends[1]})"])

    def _parted(self, layers: Sequence[Expression]) -> tuple[Expression, Mapping[str, Expression]]:
        """The input, and the layers by name."""
        given, *rest = layers
        names = [layer.name for layer in self.graph.layers if not layer.operation]
        return given, dict(zip(names, rest, strict=True))

    def _shared(self) -> list[str]:
        """The layers that are called more than once."""
        again = {call.layer for call in self.graph.calls if call.number}
        return [layer.name for layer in self.graph.layers if layer.name in again and not layer.operation]

    def _operation(self, call: Call) -> str | None:
        layer = self.graph.named[call.layer]
        return layer.kind if layer.operation else None

    def _variables(self) -> tuple[Mapping[Tensor, str], Mapping[str, str]]:
        """A Python name for every tensor and for every layer that is called more than once."""
        taken = set(_TAKEN)

        def free(name: str) -> str:
            name = f"_{name}" if name.startswith("Proximal") else name
            while name in taken:
                name += "_"
            taken.add(name)
            return name

        layers = {name: free(f"{_identifier(name)}_layer") for name in self._shared()}
        tensors = [Tensor(self.graph.input), *(call.result for call in self.graph.calls)]
        again = {t: f"_{t.number + 1}" if t.number else "" for t in tensors}
        return {tensor: free(_identifier(tensor.layer) + again[tensor]) for tensor in tensors}, layers


def _identifier(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return f"_{plain}" if keyword.iskeyword(plain) or plain[0].isdigit() else plain


def _holds_tensors(value: Any) -> bool:
    return isinstance(value, tuple) and any(isinstance(item, Tensor) for item in value)


def _source(value: Any, names: Mapping[Tensor, str]) -> str:
    if isinstance(value, Tensor):
        return names[value]
    return f"[{', '.join(_source(item, names) for item in value)}]" if _holds_tensors(value) else repr(value)


def _key(key: Any) -> str:
    """What stands between the brackets of x[…]."""
    if isinstance(key, tuple):
        return ", ".join(map(_key, key))
    if isinstance(key, slice):
        bounds = ["" if bound is None else str(bound) for bound in (key.start, key.stop, key.step)]
        return ":".join(bounds if bounds[2] else bounds[:2])
    return "..." if key is ... else repr(key)
