"""Make one input of a model's several: operations in front of the model cut each out of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Annotated

import numpy as np
from pydantic import Field, StrictBool, StrictInt, StrictStr

from studies.array import Array
from studies.keras_config.channel import add_channel
from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import CUT, Call, Graph, Layer, ModelInput, Tensor

_ROW = "row"
_MAX_VALUES = 4_000_000  # of all inputs together, each of which is followed through the model


@dataclass(frozen=True, slots=True)
class Span:
    """Values of a row, from `first` to before `end`."""

    first: Annotated[StrictInt, Field(description="The first value's place, from 0.")]
    end: Annotated[StrictInt, Field(description="The place after the last.")]
    code: Annotated[
        StrictBool,
        Field(description="Each is 0 or 1, one for each level of a category, whose number the model takes."),
    ] = False
    text: Annotated[
        StrictStr,
        Field(max_length=1000, description="The column whose text the model takes; the value is the text's index."),
    ] = ""

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

    A graph of one input of numbers stays as it is, but for a channel, unless `spans` say which of the row's values it
    takes.

    Raises ConfigError when there are several inputs and one leaves its shape open.
    """
    if spans is None:
        if len(graph.inputs) == 1 and graph.inputs[0].vocabulary is None:
            return add_channel(graph)
        spans = consecutive(graph.inputs)
    row, places = _ROW, dict(spans)
    while row in {*graph.by_name, *places}:
        row += "_"
    cuts = [(each, _call_of(each, places[each.name], row)) for each in graph.inputs]
    return replace(
        graph,
        layers=(*(_layer_of(each) for each, _ in cuts), *graph.layers),
        calls=(*(call for _, call in cuts), *graph.calls),
        input=row,
        shape=(max(span.end for of_input in places.values() for span in of_input),),
        sequential=False,
    )


def _layer_of(model_input: ModelInput) -> Layer:
    """The operation that cuts an input out; it has the input's name, and so stands where that stood."""
    return Layer(model_input.name, CUT, f"the input '{model_input.name}'", operation=True)


def _call_of(model_input: ModelInput, spans: Sequence[Span], row: str) -> Call:
    return Call(model_input.name, 0, (Tensor(row), tuple(spans), whole_shape(model_input)))


def consecutive(inputs: Sequence[ModelInput]) -> Spans:
    """Inputs that stand behind each other in a row.

    Raises ConfigError when one leaves its shape open, or they are too large.
    """
    spans, first = [], 0
    for each in inputs:
        end = first + prod(whole_shape(each))
        if end > _MAX_VALUES:
            raise ConfigError(f"the inputs up to '{each.name}' take {end:,} values; at most {_MAX_VALUES:,} are taken")
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
    """Cut the inputs out of rows, float32 (rows, values), as the operations of `join` do; rows where there are none.

    An index in a vocabulary becomes its text, which the model looks up again; Keras takes texts of shape (rows,), as
    objects.
    """
    if not division:
        return x
    return {each.name: _to_input(each, _cut(x, spans)) for each, spans in division}


def _to_input(model_input: ModelInput, values: Array) -> Array:
    if model_input.vocabulary is None:
        return values.reshape(-1, *whole_shape(model_input))
    return np.array(model_input.vocabulary.texts, object)[values[:, 0].astype(np.int64)]


def _cut(x: Array, spans: Sequence[Span]) -> Array:
    parts = [x[:, span.first : span.end] for span in spans]
    parts = [part.argmax(axis=1, keepdims=True) if s.code else part for s, part in zip(spans, parts, strict=True)]
    return np.concatenate(parts, axis=1).astype(np.float32)
