"""The events of a study that have no other shape in the API."""

from __future__ import annotations

from pydantic import BaseModel, Field


class CurveEvent(BaseModel):
    """The curve so far of a running trial."""

    number: int
    steps: list[float] = Field(description="Epochs, counted from 1.")
    values: list[float | None] = Field(description="Of the first objective, or of `val_loss`.")
