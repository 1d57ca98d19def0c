"""Workers that are alive."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class WorkerView(BaseModel):
    """A worker process that gave a sign of life within the lease."""

    name: str
    activity: str = Field(
        description='What it does: "loading TensorFlow", "idle", "loading data", "compiling", "training" or '
        '"publishing".'
    )
    study: str | None = Field(description="The study that it serves; null while it serves none.")
    lanes: int = Field(description="Trials that it trains now.")
    started_at: datetime
    seen_at: datetime


class WorkersView(BaseModel):
    """The workers that are alive, and how fast they are together."""

    workers: list[WorkerView]
    trials_a_minute: float
