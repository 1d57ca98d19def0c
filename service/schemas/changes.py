"""What was done with a study."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class ChangeView(BaseModel):
    """What somebody did with a study."""

    at: datetime
    by: str | None = Field(description="Name of the key, or of a command line's user; null where no key was needed.")
    what: str = Field(
        description="submitted, extended, priority set, max_workers set, paused, resumed, stopped, trial enqueued, "
        "trial invalidated, comparison begun, comparison stopped or comparison deleted."
    )
    details: str = Field(description="In words; empty where there are none.")
