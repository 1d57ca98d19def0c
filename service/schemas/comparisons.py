"""Comparisons of techniques."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from service.schemas import notebook
from service.schemas.progress import OverallView, ProgressView
from service.schemas.studies import BestView
from service.storage.states import ComparisonState, StudyState
from studies.analysis.labels import bounds_text, label, number
from studies.analysis.results import Comparison
from studies.spec.comparison import Technique


class PartView(BaseModel):
    """A part of a comparison, which is a study: the search of a technique, or the confirmation."""

    name: str
    technique: Technique | None = Field(description="The technique that is searched; null for the confirmation.")
    state: StudyState
    reason: str | None
    progress: ProgressView
    best: BestView | None = Field(
        None, description="Its best trial; null while none is complete, and for the confirmation."
    )
    dashboard: str | None = Field(description="Path of the part in the Optuna dashboard, whose list leaves parts out.")


class ComparisonView(BaseModel):
    """A comparison of techniques."""

    state: ComparisonState = Field(description="searching, confirming, delivering, then completed, stopped or failed.")
    spec: dict[str, Any] = Field(description="The ComparisonSpec as accepted, with every default.")
    overall: OverallView = Field(description="Of the comparison alone, without the study's own trials.")
    parts: list[PartView]
    result: Comparison | None = Field(
        description="Null until it has ended, and when it ended with too little to compare."
    )

    def __repr__(self) -> str:
        return f"ComparisonView({self.state}, {self.overall.done} of {self.overall.trials} trials)"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        if self.result is None:
            return notebook.facts(
                "comparison", [("state", self.state), ("trials", f"{self.overall.done} of {self.overall.trials}")]
            )
        answer = "".join(notebook.paragraph(line) for line in self.result.recommendation.lines)
        head = ("technique", self.result.objective, "95 % interval", "regret", "zeros")
        rows = [
            (
                label(row.technique),
                number(row.objective.mean),
                bounds_text(row.objective),
                number(row.regret, 2),
                f"{row.zero_share:.0%}",
            )
            for row in self.result.ranked
        ]
        return answer + notebook.table(head, rows)
