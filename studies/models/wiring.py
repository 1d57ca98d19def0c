"""Call the layers of a functional model, or print the calls: the worker calls them, the snippet prints them."""

from __future__ import annotations

import keyword
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studies.keras_config.division import whole_shape
from studies.keras_config.graph import CUT, TEXT_LOOKUP, Call, Graph, ModelInput, Tensor
from studies.models.expression import Expression

_GETITEM = "getitem"
#: Names that the code around the model uses.
_RESERVED = {
    "keras",
    "ops",
    "model",
    "x_train",
    "y_train",
    "x_val",
    "y_val",
    "y_deviation",
    "weights",
    "Measure",
    "roc_auc_score",
    "balanced_accuracy_score",
    "r2_score",
    "mean_absolute_error",
}


@dataclass(frozen=True)
class Wiring:
    """The calls of a graph over its layers."""

    graph: Graph

    def build(self, layers: Sequence[Expression], constructors: Mapping[str, Callable[..., Any]]) -> Any:
        """Build the Keras model; loads Keras. Where it has several inputs, they are parts of one, a row.

        `layers` are the input and the graph's layers in its order, without its operations. They are constructed in the
        order of the printed code, because some draw seeds when they are called.
        """
        model_input, expressions = self._split(layers)
        if any(layer.kind == TEXT_LOOKUP for layer in self.graph.layers):
            from studies.models.text_indices import TextIndices

            constructors = {**constructors, f"layers.{TEXT_LOOKUP}": TextIndices}
        return self._build([(self.graph.input, model_input)], self.graph.calls, expressions, constructors)

    def build_divided(self, layers: Sequence[Expression]) -> Any:
        """Build the Keras model with the inputs that the user's has; see `build`."""
        return self._build(self._inputs(layers), self._user_calls, self._split(layers)[1], {})

    def _build(
        self,
        inputs: Sequence[tuple[str, Expression]],
        calls: Sequence[Call],
        expressions: Mapping[str, Expression],
        constructors: Mapping[str, Callable[..., Any]],
    ) -> Any:
        import keras

        values = {Tensor(name): expression.evaluate(constructors) for name, expression in inputs}
        model_inputs = list(values.values())
        objects = {name: expressions[name].evaluate(constructors) for name in self._shared()}

        def resolve(value: Any) -> Any:
            if isinstance(value, Tensor):
                return values[value]
            return [resolve(item) for item in value] if _holds_tensors(value) else value

        for call in calls:
            operation = self._operation(call)
            if operation == _GETITEM:
                target: Any = operator.getitem
            elif operation == CUT:
                values[call.result] = _cut(call, values)
                continue
            elif operation:
                target = getattr(keras.ops, operation)
            else:
                target = objects.get(call.layer) or expressions[call.layer].evaluate(constructors)
            keywords = {name: resolve(value) for name, value in call.keywords.items()}
            values[call.result] = target(*map(resolve, call.arguments), **keywords)
        is_row = [name for name, _ in inputs] == [self.graph.input]
        # Of a list Keras takes arrays by name, also where it is of one.
        return keras.Model(model_inputs[0] if is_row else model_inputs, values[self.graph.output])

    def source(self, layers: Sequence[Expression]) -> str:
        """Write the Python code that builds the model, with the inputs that the user's has."""
        inputs, (_, expressions) = self._inputs(layers), self._split(layers)
        names, layer_names = self._variables([name for name, _ in inputs])
        lines = [f"{names[Tensor(name)]} = {expression.source()}" for name, expression in inputs]
        lines += [f"{layer_names[name]} = {expressions[name].source()}" for name in layer_names]
        for call in self._user_calls:
            operation = self._operation(call)
            arguments = [_source(value, names) for value in call.arguments]
            arguments += [f"{name}={_source(value, names)}" for name, value in call.keywords.items()]
            if operation == _GETITEM:
                result = f"{arguments[0]}[{_key(call.arguments[1])}]"
            elif operation:
                result = f"keras.ops.{operation}({', '.join(arguments)})"
            else:
                layer = layer_names[call.layer] if call.layer in layer_names else expressions[call.layer].source()
                result = f"{layer}({', '.join(arguments)})"
            lines.append(f"{names[call.result]} = {result}")
        starts = ", ".join(names[Tensor(name)] for name, _ in inputs)
        starts = f"[{starts}]" if self.graph.dividing else starts
        return "\n".join([*lines, f"model = keras.Model({starts}, {names[self.graph.output]})"])

    @property
    def _user_calls(self) -> tuple[Call, ...]:
        """The calls of the user's model, without those that cut its inputs out of a row."""
        return tuple(call for call in self.graph.calls if call.layer not in self.graph.dividing)

    def _inputs(self, layers: Sequence[Expression]) -> list[tuple[str, Expression]]:
        """Write the inputs of the user's model, by name."""
        if not self.graph.dividing:
            return [(self.graph.input, layers[0])]
        return [(each.name, _input_expression(each)) for each in self.graph.inputs]

    def _split(self, layers: Sequence[Expression]) -> tuple[Expression, Mapping[str, Expression]]:
        """Split the input from the layers, by name."""
        model_input, *rest = layers
        names = [layer.name for layer in self.graph.layers if not layer.operation]
        return model_input, dict(zip(names, rest, strict=True))

    def _shared(self) -> list[str]:
        """Find the layers that are called more than once."""
        shared = {call.layer for call in self.graph.calls if call.number}
        return [layer.name for layer in self.graph.layers if layer.name in shared and not layer.operation]

    def _operation(self, call: Call) -> str | None:
        layer = self.graph.by_name[call.layer]
        return layer.kind if layer.operation else None

    def _variables(self, inputs: Sequence[str]) -> tuple[Mapping[Tensor, str], Mapping[str, str]]:
        """Choose a Python name for every tensor and for every layer that is called more than once."""
        used = set(_RESERVED)

        def free(name: str) -> str:
            name = f"_{name}" if name.startswith("Proximal") else name
            while name in used:
                name += "_"
            used.add(name)
            return name

        layers = {name: free(f"{_identifier(name)}_layer") for name in self._shared()}
        tensors = [*map(Tensor, inputs), *(call.result for call in self._user_calls)]
        suffixes = {t: f"_{t.number + 1}" if t.number else "" for t in tensors}
        return {tensor: free(_identifier(tensor.layer) + suffixes[tensor]) for tensor in tensors}, layers


def _input_expression(model_input: ModelInput) -> Expression:
    texts = {} if model_input.vocabulary is None else {"dtype": "string"}
    return Expression("Input", {"shape": whole_shape(model_input), "name": model_input.name, **texts})


def _cut(call: Call, values: Mapping[Tensor, Any]) -> Any:
    from studies.models.cut import Cut

    row, spans, shape = call.arguments
    return Cut(spans, shape, name=call.layer)(values[row])


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
    """Write the key between the brackets of x[…]."""
    if isinstance(key, tuple):
        return ", ".join(map(_key, key))
    if isinstance(key, slice):
        bounds = ["" if bound is None else str(bound) for bound in (key.start, key.stop, key.step)]
        return ":".join(bounds if bounds[2] else bounds[:2])
    return "..." if key is ... else repr(key)
