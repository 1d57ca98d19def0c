"""Studies."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.schemas.progress import OverallView, ProgressView
from service.storage.states import ACTIVE_COMPARISON, ComparisonState, StudyState
from studies.spec.comparison import Technique


class BestView(BaseModel):
    """The best trial of a study of one objective."""

    number: int
    value: float
    params: dict[str, Any]


class EngineView(BaseModel):
    """The engine that trains a study."""

    engine: Literal["lanes", "fit"]
    lanes: int = Field(description="Trials that a worker trains at once.")
    epochs_a_call: int = Field(description="Epochs that a call of the program trains.")
    xla: bool = Field(description="Whether the program is compiled by XLA.")
    why: str


class ComparisonSummary(BaseModel):
    """How far a study's comparison is."""

    state: ComparisonState
    techniques: list[Technique]

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ACTIVE_COMPARISON


class StudyView(BaseModel):
    """A study."""

    name: str
    state: StudyState
    reason: str | None = Field(description="Why it ended, where that was not its budget.")
    spec: dict[str, Any] = Field(description="The StudySpec as accepted, every default filled in.")
    task: str = Field(description="binary, multiclass or regression.")
    engine: EngineView | None = Field(description="How it is trained, and why; null until a worker took it up.")
    progress: ProgressView = Field(description="Of the study's own trials.")
    overall: OverallView = Field(description="Of the study with its whole comparison.")
    priority: int = Field(description="Workers serve the highest first.")
    earlier: int = Field(description="Trials of another study that its sampler knows, see warm_start.")
    comparison: ComparisonSummary | None = Field(description="See /comparison; null when none was asked for.")
    best: BestView | None = Field(
        description="Null while no trial is complete, and with several objectives: see /best."
    )
    dashboard: str | None = Field(description="Path of the study in the Optuna dashboard.")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class StudyChanges(BaseModel):
    """What can be changed of a study."""

    model_config = ConfigDict(extra="forbid")

    priority: Annotated[int, Field(ge=-1000, le=1000, strict=True)] = Field(
        description="Workers serve the studies of the highest priority first."
    )
