"""Comparisons of techniques."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from service.schemas.progress import OverallView, ProgressView
from service.storage.states import ACTIVE_COMPARISON, ComparisonState, StudyState
from studies.analysis.results import Comparison
from studies.spec.comparison import Technique


class PartView(BaseModel):
    """A study of a comparison."""

    name: str
    technique: Technique | None = Field(description="That it searches; null for the one that confirms them all.")
    state: StudyState
    reason: str | None
    progress: ProgressView


class ComparisonView(BaseModel):
    """A comparison of techniques."""

    state: ComparisonState = Field(description="searching, confirming, delivering, then completed, stopped or failed.")
    spec: dict[str, Any] = Field(description="What was asked, every default filled in.")
    overall: OverallView = Field(description="Of the comparison alone, without the study's own trials.")
    parts: list[PartView]
    result: Comparison | None = Field(description="Null while it runs, or when it ended with too little to compare.")

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ACTIVE_COMPARISON
