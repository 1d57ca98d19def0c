"""Studies as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from sqlalchemy.orm import Session

from service.schemas.progress import OverallView, ProgressView
from service.schemas.studies import BestView, ComparisonSummary, EngineView, PrunerView, SeedsView, StudyView
from service.storage import following, offers, progress, workers
from service.storage.profiles import summary_of
from service.storage.progress import Overall, Progress
from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import UNSTARTED, StudyState
from service.storage.store import Store
from service.storage.workers import Seen
from service.views.instants import utc, utc_or_none
from service.views.reasons import shown_reason
from studies.search.auto_pruner import choose_pruner
from studies.search.idle import warnings_of
from studies.spec.resources import Resources


def one_study_view(store: Store, study: StudyRecord) -> StudyView:
    """A study with how its data was read, and its best trial under other seeds."""
    with store.reading() as session:
        data = summary_of(session, study.parsed_spec.dataset)
    view = study_views(store, [study])[0]
    if view.best is not None:
        update = {"seeds": _seeds_view(store.repeat_values(study, view.best.number))}
        view = view.model_copy(update={"best": view.best.model_copy(update=update)})
    return view.model_copy(update={"data": data})


def _seeds_view(values: Sequence[float]) -> SeedsView | None:
    if not values:
        return None
    deviation = stdev(values) if len(values) > 1 else None
    return SeedsView(values=list(values), mean=fmean(values), deviation=deviation)


def study_views(store: Store, studies: Sequence[StudyRecord]) -> list[StudyView]:
    """Studies with their progress and best trials; the number of queries does not grow with the studies."""
    with store.reading() as session:  # first: who goes on from there must not miss what the rest does not show yet
        positions = following.positions(session, [study.id for study in studies])
    counts, best = store.progress(studies), store.best_by_study(studies)
    dashboard, problems = store.dashboard_ids(study.name for study in studies), store.problems(studies)
    with store.reading() as session:
        overall = progress.count_with_comparisons(session, studies)
        alive = workers.alive(session)
    activities = workers.activities(alive, studies, overall)
    views = [
        _study_view(study, counts[study.id], overall[study.id], best.get(study.id), dashboard.get(study.name))
        for study in studies
    ]
    return [
        view.model_copy(
            update={
                "activity": activities[study.id],
                "waits_for": _waits_for(view, study, alive),
                "problem": problems.get(study.id),
                "last_event_id": following.event_id(study.id, positions.get(study.id, 0)),
            }
        )
        for study, view in zip(studies, views, strict=True)
    ]


def _waits_for(view: StudyView, study: StudyRecord, alive: Sequence[Seen]) -> str | None:
    if not view.active or view.state == StudyState.PAUSED or view.progress.running:
        return None
    needs = Resources(cpus=study.needs_cpus, gpus=study.needs_gpus, memory=study.needs_memory)
    may_serve = [worker for worker in alive if worker.may_serve(study.root_id)]
    unstarted = [(worker.activity, worker.offer) for worker in may_serve if worker.activity in UNSTARTED]
    started = [worker.offer for worker in may_serve if worker.activity not in UNSTARTED]
    return offers.waits_for(needs, started, unstarted, elsewhere=len(alive) - len(may_serve))


def listed_views(store: Store, studies: Sequence[StudyRecord]) -> list[StudyView]:
    """Studies as in a listing: without the configs and weights of their Keras models, which have up to 2 and 32 MB."""
    return [
        view.model_copy(
            update={"spec": {**view.spec, "model": {**view.spec["model"], "config": None, "weights": None}}}
        )
        if view.spec["model"]["kind"] == "keras"
        else view
        for view in study_views(store, studies)
    ]


def new_study_view(store: Store, session: Session, study: StudyRecord) -> StudyView:
    """A study in the transaction that accepts it."""
    trials = study.spec["budget"]["trials"]
    overall = progress.count_with_comparisons(session, [study])[study.id]
    dashboard_id = store.optuna.get_study_id_from_name(study.name)
    view = _study_view(study, Progress(trials, waiting=trials), overall, None, dashboard_id)
    waits = _waits_for(view, study, workers.alive(session))
    return view.model_copy(update={"data": summary_of(session, study.parsed_spec.dataset), "waits_for": waits})


def _study_view(
    study: StudyRecord, counts: Progress, overall: Overall, best: TrialRecord | None, dashboard_id: int | None
) -> StudyView:
    pruner = choose_pruner(study.parsed_spec)
    return StudyView(
        name=study.name,
        state=study.state,
        reason=shown_reason(study.reason),
        spec=study.spec,
        warnings=warnings_of(study.parsed_spec),
        task=study.parsed_spec.task,
        engine=None if study.engine is None else EngineView.model_validate(study.engine),
        pruner=PrunerView(name=pruner.part.name, options=pruner.part.options, why=pruner.why),
        progress=ProgressView.model_validate(counts, from_attributes=True),
        overall=OverallView.model_validate(overall, from_attributes=True),
        last_event_id=following.event_id(study.id, 0),
        priority=study.priority,
        earlier=len(study.warm_start_trials),
        earlier_left_out=study.warm_start_left_out,
        project=study.project,
        created_by=study.created_by,
        answer=study.answer,
        comparison=_comparison_summary(study),
        best=None if best is None else best_view(best, study.spec["objectives"][0]),
        dashboard=dashboard_path(dashboard_id),
        created_at=utc(study.created_at),
        started_at=utc_or_none(study.started_at),
        ended_at=utc_or_none(study.ended_at),
    )


def _comparison_summary(study: StudyRecord) -> ComparisonSummary | None:
    if study.comparison is None:
        return None
    return ComparisonSummary(state=study.comparison_state, techniques=study.comparison["techniques"])


def best_view(trial: TrialRecord, objective: str) -> BestView | None:
    """The best trial; None of one that has no value."""
    if trial.number is None or trial.value is None:
        return None
    deviation = (trial.metrics or {}).get(f"{objective}_deviation")
    return BestView(number=trial.number, value=trial.value, deviation=deviation, params=trial.params or {})


def dashboard_path(dashboard_id: int | None) -> str | None:
    """Where the dashboard shows a study."""
    return None if dashboard_id is None else f"/dashboard/studies/{dashboard_id}"
