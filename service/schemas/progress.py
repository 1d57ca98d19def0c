"""How far studies and comparisons are."""

from __future__ import annotations

from pydantic import BaseModel, Field


class ProgressView(BaseModel):
    """How many trials are in which state."""

    trials: int = Field(description="The budget.")
    complete: int
    pruned: int
    failed: int
    running: int
    waiting: int


class OverallView(BaseModel):
    """How far all of it is, a comparison with every search and its confirmation."""

    trials: int = Field(description="Done and to come. Until a comparison's last round it is an estimate.")
    done: int = Field(description="Trials that have ended, whatever way.")
    fits: int = Field(description="Trainings that the trials are: of a trial on 5 folds 5.")
    fits_done: int = Field(description="Trainings of the trials that have ended.")
    seconds_left: float | None = Field(
        description="Estimated from the trainings done so far and those to come, pauses left out; null until one is "
        "done, 0 when nothing is to come."
    )
