"""Comparisons of techniques."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from service.schemas import notebook
from service.schemas.progress import OverallView, ProgressView
from service.schemas.studies import BestView
from service.storage.states import ComparisonState, StudyState
from studies.analysis.labels import label
from studies.analysis.results import Comparison, TechniqueResult
from studies.spec.comparison import Technique

if TYPE_CHECKING:
    import pandas as pd

#: The columns of a candidate in a frame, beside its name and its metrics.
_PLAIN = ("regret", "probability_best", "keeps_up", "raced_out", "gap", "zero_share", "l2_norm", "epochs", "fits")


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
    created_by: str | None = Field(
        None, description="Name of the key that began it, or of a command line's user; null where no key was needed."
    )
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
        ranked = self.result.ranked
        bounds = notebook.column([end for row in ranked for end in (row.objective.low, row.objective.high)], 3)
        columns = (
            [label(row.technique) for row in ranked],
            notebook.column([row.objective.mean for row in ranked], 4),
            [f"{low} to {high}" for low, high in zip(bounds[::2], bounds[1::2], strict=True)],
            notebook.column([row.regret for row in ranked], 2),
            [f"{row.zero_share:.0%}" for row in ranked],
        )
        return answer + notebook.table(head, zip(*columns, strict=True))

    def to_pandas(self) -> pd.DataFrame:
        """A row a candidate, the best first, as a pandas frame; without rows until there is a result."""
        import pandas as pd

        return pd.DataFrame([] if self.result is None else [_flat(row, self.result) for row in self.result.ranked])


def _flat(row: TechniqueResult, result: Comparison) -> dict[str, Any]:
    """A row of the table without what is nested: the objective and the metric of the task by their names."""
    named = {"expected": row.expected, result.objective: row.objective, result.task_metric: row.task_metric}
    flat: dict[str, Any] = {"technique": row.technique}
    for name, interval in named.items():
        mean, low, high = (None,) * 3 if interval is None else (interval.mean, interval.low, interval.high)
        flat |= {name: mean, f"{name}_low": low, f"{name}_high": high}
    return flat | {name: getattr(row, name) for name in _PLAIN}
