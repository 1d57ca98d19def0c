"""What a study's page says of its comparison: how far it is, and then its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from service.pages import phrases
from service.schemas.comparisons import ComparisonView, PartView
from service.storage.store import Store
from service.views.comparisons import comparison_view
from studies.analysis import report_tables
from studies.analysis.labels import color, label
from studies.analysis.results import Comparison, TechniqueResult


@dataclass(frozen=True, slots=True)
class PartRow:
    """A part of the comparison."""

    name: str
    title: str
    state: str
    done: int
    trials: int
    note: str


@dataclass(frozen=True, slots=True)
class ComparisonSection:
    """The comparison's progress and, once it has ended, its answer in the report's words."""

    state: str
    is_active: bool
    done: int
    trials: int
    left: str
    parts: Sequence[PartRow]
    verdict: str  # empty without a result
    advice: str
    reason: str
    lines: Sequence[str]
    warnings: Sequence[str]
    tables: Markup  # the report's
    candidates: Sequence[dict[str, Any]]  # for the plot


def comparison_section(store: Store, name: str) -> ComparisonSection:
    """Read a study's comparison.

    Raises NotFoundError when the study has none.
    """
    view = comparison_view(store, name)
    answer = None if view.result is None else view.result.recommendation
    first, *lines = ("",) if answer is None else answer.lines
    advice, colon, reason = first.partition(":")
    is_active = any(part.state in {"queued", "running", "paused"} for part in view.parts)
    return ComparisonSection(
        state=view.state,
        is_active=is_active,
        done=view.overall.done,
        trials=view.overall.trials,
        left=phrases.duration(view.overall.seconds_left) if is_active and view.overall.seconds_left else "",
        parts=[_part_row(part) for part in view.parts],
        verdict="" if answer is None else answer.verdict,
        advice=advice,
        reason=f"{colon}{reason}",
        lines=lines,
        warnings=() if answer is None else answer.warnings,
        tables=_tables(view),
        candidates=() if view.result is None else [_candidate(row, view.result) for row in view.result.ranked],
    )


def _part_row(part: PartView) -> PartRow:
    counts = part.progress
    return PartRow(
        name=part.name,
        title="confirmation" if part.technique is None else label(part.technique),
        state=part.state,
        done=counts.complete + counts.pruned + counts.failed,
        trials=counts.trials,
        note=part.reason or "",
    )


def _tables(view: ComparisonView) -> Markup:
    """The report's tables, which escape what they show."""
    if view.result is None:
        return Markup()
    result = view.result
    html = report_tables.candidates(result) + report_tables.contributions(result.recommendation, result.objective)
    return Markup(html)  # noqa: S704


def _candidate(row: TechniqueResult, result: Comparison) -> dict[str, Any]:
    return {
        "label": label(row.technique),
        "color": color(row.technique),
        "mean": row.expected.mean,
        "low": row.expected.low,
        "high": row.expected.high,
        "test": row.test_objective,
        "chosen": row.technique == result.recommendation.technique,
    }
