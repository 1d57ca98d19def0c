"""Predictions as JSON, which the process that predicts writes."""

from __future__ import annotations

from pydantic import BaseModel, Field

from studies.predictions import ClassType


class PredictionView(BaseModel):
    """The prediction of one row."""

    id: str | None = Field(None, description="Of the column that `id` names; missing where none is named.")
    prediction: str | float = Field(description="A class by its name, or a number in the target's unit.")
    probabilities: dict[str, float] | None = Field(None, description="Of each class; missing for a regression.")


class UnfamiliarView(BaseModel):
    """Values of a column that training never saw."""

    column: str
    what: str = Field(description="`missing` where training had a value in every row, else `unknown`.")
    count: int = Field(description="Number of rows.")
    rows: list[int] = Field(description="The first of them, as the file counts them.")
    values: list[str] = Field([], description="The first unknown levels.")
    text: str = Field(description="The same as a sentence.")


class PredictionsView(BaseModel):
    """Predictions of a file, a row for each of its rows."""

    predictions: list[PredictionView]
    class_type: ClassType | None = Field(
        None, description="What the classes were in the study's data; missing for a regression."
    )
    unfamiliar: list[UnfamiliarView]
