"""Dropout rates that no layer of a study's model takes: set to 0 in its space, or refused where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from studies.errors import FieldError, InvalidSpecError
from studies.spec.model import KerasSpec, ModelSpec
from studies.spec.parameter import greatest
from studies.spec.space import LayerSpace, SearchSpace
from studies.spec.study import StudySpec

_DEFAULT = SearchSpace().dropout


def without_idle_rates(spec: StudySpec) -> StudySpec:
    """The same study with dropout 0 where no layer of its model takes a rate."""
    space, drops = spec.space, spec.model.dropped_layers
    layers = space.layers and tuple(_undropped(layer, index in drops) for index, layer in enumerate(space.layers))
    changes: dict[str, Any] = {"layers": layers} if drops else {"layers": layers, "dropout": 0.0}
    return spec.model_copy(update={"space": space.model_copy(update=changes)})


def _undropped(layer: LayerSpace, drops: bool) -> LayerSpace:
    return layer if drops else layer.model_copy(update={"dropout": 0.0})


def check_rates(spec: StudySpec) -> None:
    """Check that a new study asks for no dropout where no layer of its model takes a rate.

    The default range asks for nothing, also where a document that was written by a program states it.

    Raises InvalidSpecError that names each rate.
    """
    model, space = spec.model, spec.space
    errors = [
        FieldError(f"space.layers.{index}.dropout", f"{_nothing_after(index)}; make it 0 or leave it out")
        for index, layer in enumerate(space.layers or ())
        if index not in model.dropped_layers and layer.dropout is not None and greatest(layer.dropout) > 0
    ]
    if (why := why_no_dropout(model)) and space.dropout != _DEFAULT and greatest(space.dropout) > 0:
        errors.append(FieldError("space.dropout", f"does nothing, for {why}; {how_to_drop(model)}, or leave it out"))
    if errors:
        raise InvalidSpecError(errors)


def rate_warnings(spec: StudySpec) -> list[str]:
    """A sentence for each dropout rate that no layer of a user's model takes."""
    return list(_warnings(spec)) if isinstance(spec.model, KerasSpec) else []


def _warnings(spec: StudySpec) -> Iterator[str]:
    model = spec.model
    if why := why_no_dropout(model):
        does = "is not searched" if without_idle_rates(spec) == spec else "is searched and does nothing"
        yield f"space.dropout: {does}, for {why}; to try dropout, {how_to_drop(model)}"
        return
    for index in range(len(spec.space.layers or ())):
        if index not in model.dropped_layers:
            yield f"space.layers.{index}.dropout: {_nothing_after(index)}"


def why_no_dropout(model: ModelSpec) -> str:
    """Say that no layer of a model drops; empty where one does."""
    return "" if model.dropped_layers else "no layer of the model drops"


def _nothing_after(index: int) -> str:
    return f"does nothing, for nothing drops after hidden layer {index + 1} of the model"


def how_to_drop(model: ModelSpec) -> str:
    """Say by what a model comes to drop."""
    if not isinstance(model, KerasSpec):
        return "give the model a hidden layer"
    can_insert = model.model_copy(update={"insert_dropout": True}).dropped_layers
    return f"{'set model.insert_dropout: true, or ' if can_insert else ''}give the model Dropout layers"
