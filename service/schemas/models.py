"""A Keras model that is read and not kept."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class LayerView(BaseModel):
    """A layer of a model."""

    name: str
    kind: str
    output_shape: list[int | None]
    parameters: int


class ModelView(BaseModel):
    """A Keras model as a study takes it."""

    model: dict[str, Any] = Field(description="The `model` of a study's document.")
    name: str
    layers: list[LayerView]
    parameters: int
    input_shape: list[int | None]
    output_units: int
