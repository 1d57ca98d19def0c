"""Progress of studies and comparisons."""

from __future__ import annotations

from pydantic import BaseModel, Field


class ProgressView(BaseModel):
    """Number of trials in each state."""

    trials: int = Field(description="The budget.")
    complete: int
    pruned: int
    failed: int
    running: int
    waiting: int


class OverallView(BaseModel):
    """Progress of all trials together; a comparison's include every search and the confirmation."""

    trials: int = Field(description="Ended and to come; an estimate until the last round of a comparison.")
    done: int = Field(description="Trials that have ended in any state.")
    fits: int = Field(description="Trainings of these trials: a trial on 5 folds has 5.")
    fits_done: int = Field(description="Trainings of the trials that have ended.")
    seconds_left: float | None = Field(
        description="Estimated from the trainings that have ended and those to come, without pauses; null until the "
        "first has ended, 0 when none is to come."
    )
