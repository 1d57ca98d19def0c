"""Comparisons as the API shows them."""

from __future__ import annotations

from service.schemas.comparisons import ComparisonView, PartView
from service.schemas.progress import OverallView, ProgressView
from service.storage import progress
from service.storage.comparison_store import ComparisonStore
from service.storage.progress import Progress
from service.storage.records import StudyRecord, TrialRecord
from service.storage.store import Store
from service.views.reasons import shown_reason
from service.views.studies import best_view, dashboard_path


def comparison_view(store: Store, name: str) -> ComparisonView:
    """A study's comparison with its parts and, once it has ended, its result.

    Raises NotFoundError when the study has none.
    """
    from service.storage.findings import comparison

    study = ComparisonStore(store).study(name)
    parts = ComparisonStore(store).parts(study)
    counts, dashboard = store.progress(parts), store.dashboard_ids(part.name for part in parts)
    best = store.best_by_study([part for part in parts if part.technique is not None])
    with store.reading() as session:
        overall = progress.count_comparison(session, study)
    return ComparisonView(
        state=study.comparison_state,
        created_by=study.compared_by,
        spec=study.comparison or {},
        overall=OverallView.model_validate(overall, from_attributes=True),
        parts=[_part_view(part, counts[part.id], best.get(part.id), dashboard.get(part.name)) for part in parts],
        result=comparison(store, study),
    )


def _part_view(part: StudyRecord, counts: Progress, best: TrialRecord | None, dashboard_id: int | None) -> PartView:
    return PartView(
        name=part.name,
        technique=part.technique,
        state=part.state,
        reason=shown_reason(part.reason),
        progress=ProgressView.model_validate(counts, from_attributes=True),
        best=None if best is None else best_view(best, part.spec["objectives"][0]),
        dashboard=dashboard_path(dashboard_id),
    )
