"""Make one input of a model's several: operations in front of the model cut each out of a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from studies.array import Array
from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import Call, Graph, Layer, ModelInput, Tensor

_ROW = "row"


@dataclass(frozen=True, slots=True)
class Span:
    """Values of a row, from `first` to before `end`."""

    first: int
    end: int
    code: bool = False  # they are 0 or 1, one for each level of a category, and the model takes the level's number

    @property
    def size(self) -> int:
        """The number of values that the model takes of it."""
        return 1 if self.code else self.end - self.first


#: The values of each input, by its name.
Spans = tuple[tuple[str, tuple[Span, ...]], ...]
#: The inputs of a model and the values of each; empty where its one input is the row.
Division = tuple[tuple[ModelInput, tuple[Span, ...]], ...]


def join(graph: Graph, spans: Spans | None) -> Graph:
    """Make a graph of one input, a row, of which each of the model's inputs is a part.

    A graph of one input stays as it is, unless `spans` say which of the row's values it takes.

    Raises ConfigError when there are several inputs and one leaves its shape open.
    """
    if spans is None:
        if len(graph.inputs) == 1:
            return graph
        spans = consecutive(graph.inputs)
    used = {*graph.by_name, *(each.name for each in graph.inputs)}
    row = _free_name(_ROW, used)
    parts, operations = dict(spans), list[tuple[Layer, Call]]()
    for each in graph.inputs:
        operations += _cut_out(each, parts[each.name], Tensor(row), used)
    return replace(
        graph,
        layers=(*(layer for layer, _ in operations), *graph.layers),
        calls=(*(call for _, call in operations), *graph.calls),
        input=row,
        shape=(max(span.end for of_input in parts.values() for span in of_input),),
        sequential=False,
    )


def consecutive(inputs: Sequence[ModelInput]) -> Spans:
    """Inputs that stand behind each other in a row.

    Raises ConfigError when one leaves its shape open.
    """
    spans, first = [], 0
    for each in inputs:
        end = first + prod(whole_shape(each))
        spans.append((each.name, (Span(first, end),)))
        first = end
    return tuple(spans)


def whole_shape(model_input: ModelInput) -> tuple[int, ...]:
    """The shape of an input.

    Raises ConfigError when it is open.
    """
    sizes = model_input.shape
    if sizes is None or None in sizes:
        raise ConfigError(
            f"the input '{model_input.name}' leaves its shape open, {sizes}; where inputs are found by name, each says "
            f"its whole shape, as keras.Input((5,), name={model_input.name!r})"
        )
    return tuple(size for size in sizes if size is not None)


def divide(x: Array, division: Division) -> Array | dict[str, Array]:
    """Cut the inputs out of rows, float32 (rows, values), as the operations of `join` do; rows where there are none."""
    if not division:
        return x
    return {each.name: _cut(x, spans).reshape(-1, *whole_shape(each)) for each, spans in division}


def _cut(x: Array, spans: Sequence[Span]) -> Array:
    parts = [x[:, span.first : span.end] for span in spans]
    parts = [part.argmax(axis=1, keepdims=True) if s.code else part for s, part in zip(spans, parts, strict=True)]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _cut_out(
    model_input: ModelInput, spans: Sequence[Span], row: Tensor, used: set[str]
) -> Iterator[tuple[Layer, Call]]:
    """Write the operations that cut one input out; the last has its name, so that it stands where the input stood."""
    steps: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
    names: list[str] = []

    def add(kind: str, *arguments: Any, **keywords: Any) -> Tensor:
        steps.append((kind, arguments, keywords))
        names.append(_free_name(f"{model_input.name}_{len(names)}", used))
        return Tensor(names[-1])

    parts = []
    for span in spans:
        part = add("getitem", row, (slice(None), slice(span.first, span.end)))
        parts.append(add("argmax", part, axis=1, keepdims=True) if span.code else part)
    joined = add("concatenate", tuple(parts), axis=1) if len(parts) > 1 else parts[0]
    shape = whole_shape(model_input)
    if len(shape) != 1:
        add("reshape", joined, (-1, *shape))
    names[-1] = model_input.name
    for (kind, arguments, keywords), name in zip(steps, names, strict=True):
        location = f"the input '{model_input.name}'"
        yield Layer(name, kind, location, operation=True), Call(name, 0, arguments, keywords)


def _free_name(name: str, used: set[str]) -> str:
    while name in used:
        name += "_"
    used.add(name)
    return name
