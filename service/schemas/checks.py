"""A study that is checked and not accepted."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Estimate(BaseModel):
    """How long a study will take on this server's machine."""

    seconds: float
    trials_a_minute: float
    why: str = Field(description="What the estimate rests on.")


class StudyCheck(BaseModel):
    """A study as it would be accepted."""

    spec: dict[str, Any] = Field(description="The StudySpec with every default.")
    yaml: str = Field(description="The same as a study file.")
    warnings: list[str] = Field(description="What would be accepted and do nothing.")
    name_is_free: bool
    trials: int = Field(description="Trials, with those of its comparison.")
    fits: int = Field(description="Trainings of these trials.")
    estimate: Estimate | None = Field(description="Null while nothing was measured that it could rest on.")
