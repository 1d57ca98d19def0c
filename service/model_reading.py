"""Reads a Keras model's file, and says what is in it: its layers, their shapes and parameters."""

from __future__ import annotations

import json
from pathlib import Path

from service.schemas.models import InputView, LayerView, ModelView
from studies import model_file
from studies.errors import FieldError, InvalidSpecError
from studies.field_errors import field_errors
from studies.keras_config.errors import ConfigError
from studies.keras_config.graph import Graph
from studies.keras_config.layer_names import check_layer_names
from studies.keras_config.sizes import MeasuredCall, measure_calls
from studies.spec.model import KerasSpec


def read_model(path: Path, *, weights: bool = False) -> ModelView:
    """Read a model as a study would take it, with its `weights` where they are asked for.

    Raises InvalidSpecError, in the words in which a study with this model would be refused.
    """
    spec = _read_spec(path, weights=weights)
    graph = spec.graph
    _check_names(graph)
    calls = _measure(graph)
    row = None if graph.dividing or graph.shape is None or None in graph.shape else list(graph.shape)
    layers = [
        LayerView(
            name=layer.name,
            kind=layer.kind,
            output_shape=None if call is None else list(call.output[1:]),
            parameters=None if call is None else call.parameters,
        )
        for layer, call in ((layer, calls.get(layer.name)) for layer in graph.layers)
        if layer.name not in graph.dividing
    ]
    output = calls.get(graph.output.layer)
    return ModelView(
        model=spec.model_dump(mode="json", exclude={"inputs", "positions"}),  # which a dataset decides
        name=str(json.loads(spec.config)["config"].get("name", "")),
        layers=layers,
        drops=bool(spec.dropped_layers),
        parameters=sum(call.parameters for call in calls.values()) if calls else None,
        inputs=[
            InputView(name=each.name, shape=None if each.shape is None else list(each.shape)) for each in graph.inputs
        ],
        input_shape=row,
        output_units=None if output is None else output.output[-1],
    )


def _read_spec(path: Path, *, weights: bool) -> KerasSpec:
    from pydantic import ValidationError

    try:
        return KerasSpec.model_validate(model_file.read(path, weights=weights))
    except ValidationError as error:
        raise InvalidSpecError(
            [FieldError(f"model.{wrong.field}", wrong.message) for wrong in field_errors(error.errors())]
        ) from error
    except InvalidSpecError as error:
        # The file has another name where the user has it.
        raise InvalidSpecError(
            [FieldError(wrong.field, wrong.message.replace(str(path), "the file")) for wrong in error.errors]
        ) from error


def _check_names(graph: Graph) -> None:
    try:
        check_layer_names(graph)
    except ConfigError as error:
        raise InvalidSpecError([FieldError("model.config", str(error))]) from error


def _measure(graph: Graph) -> dict[str, MeasuredCall]:
    """The first call of each layer; none where the config leaves the shape of a row open."""
    if graph.shape is None or None in graph.shape:
        return {}
    row = tuple(size for size in graph.shape if size is not None)
    calls: dict[str, MeasuredCall] = {}
    try:
        for call in measure_calls(graph, row):
            calls.setdefault(call.layer.name, call)
    except ConfigError as error:
        raise InvalidSpecError([FieldError("model.config", str(error))]) from error
    return calls
