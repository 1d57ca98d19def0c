"""Models that are read from a file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class LayerView(BaseModel):
    """A layer of a model."""

    name: str
    kind: str = Field(description="Keras' class.")
    output_shape: list[int] | None = Field(
        description="Of one row; null where the model leaves the shape of its input open."
    )
    parameters: int | None = Field(description="Trained or not; null where the shape of the input is open.")


class InputView(BaseModel):
    """An input of a model."""

    name: str
    shape: list[int | None] | None = Field(description="Of one row; null where the model leaves it open.")


class ModelView(BaseModel):
    """A model as a study takes it; nothing of it is kept."""

    model: dict[str, Any] = Field(description="The `model` of a study's document.")
    name: str = Field(description="The model's name in the file.")
    layers: list[LayerView]
    drops: bool = Field(
        description="Whether a Dropout layer stands behind a hidden layer; where none does, a study searches dropout "
        "only with `insert_dropout`."
    )
    parameters: int | None = Field(description="Of all layers; null where the shape of the input is open.")
    inputs: list[InputView] = Field(description="Several take columns or arrays by name: `inputs` of the model.")
    input_shape: list[int] | None = Field(
        description="Of one row; null where the model leaves it open, or has several inputs."
    )
    output_units: int | None = Field(description="Values that it gives for a row; null where the shape is open.")
