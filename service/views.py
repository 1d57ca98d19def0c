"""Turns records into the shapes that the REST API answers with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import fmean, stdev
from typing import Any

from sqlalchemy.orm import Session

from service.errors import NotFoundError
from service.schemas.changes import ChangeView
from service.schemas.comparisons import ComparisonView, PartView
from service.schemas.datasets import DatasetDetail, DatasetKind, DatasetVersion, DatasetView
from service.schemas.events import CurveEvent
from service.schemas.progress import OverallView, ProgressView
from service.schemas.projects import ProjectView, QuotaView
from service.schemas.sessions import SessionsView, SessionView
from service.schemas.studies import BestView, ComparisonSummary, EngineView, PrunerView, SeedsView, StudyView
from service.schemas.trials import AttemptView, TrainedOnView, TrialView, WeightsView
from service.schemas.webhooks import DeliveryView, WebhookView
from service.schemas.workers import WorkersView, WorkerView
from service.storage import following, progress, workers
from service.storage.comparison_store import ComparisonStore
from service.storage.datasets import DatasetStore
from service.storage.profiles import summary_of
from service.storage.progress import Overall, Progress
from service.storage.projects import ProjectState
from service.storage.records import (
    MARKED_INVALID,
    AttemptRecord,
    ChangeRecord,
    DatasetRecord,
    DeliveryRecord,
    SessionRecord,
    StudyRecord,
    TrialRecord,
    WebhookRecord,
)
from service.storage.states import TrialState
from service.storage.store import Store
from studies.reasons import one_line
from studies.search.auto_pruner import choose_pruner
from studies.search.idle import warnings_of
from studies.spec.dataset import DatasetFacts

_MAX_REASON = 1000  # characters; those of a study may repeat a trial's


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
        activities = workers.activities(session, studies, overall)
    views = [
        _study_view(study, counts[study.id], overall[study.id], best.get(study.id), dashboard.get(study.name))
        for study in studies
    ]
    return [
        view.model_copy(
            update={
                "activity": activities[study.id],
                "problem": problems.get(study.id),
                "last_event_id": following.event_id(study.id, positions.get(study.id, 0)),
            }
        )
        for study, view in zip(studies, views, strict=True)
    ]


def listed_views(store: Store, studies: Sequence[StudyRecord]) -> list[StudyView]:
    """Studies as in a listing: without the configs of their Keras models, which have up to 2 MB each."""
    return [
        view.model_copy(update={"spec": {**view.spec, "model": {**view.spec["model"], "config": None}}})
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
    return view.model_copy(update={"data": summary_of(session, study.parsed_spec.dataset)})


def _study_view(
    study: StudyRecord, counts: Progress, overall: Overall, best: TrialRecord | None, dashboard_id: int | None
) -> StudyView:
    pruner = choose_pruner(study.parsed_spec)
    return StudyView(
        name=study.name,
        state=study.state,
        reason=_reason(study.reason),
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
        best=None if best is None else _best_view(best, study.spec["objectives"][0]),
        dashboard=_dashboard_path(dashboard_id),
        created_at=_utc(study.created_at),
        started_at=_utc_or_none(study.started_at),
        ended_at=_utc_or_none(study.ended_at),
    )


def _comparison_summary(study: StudyRecord) -> ComparisonSummary | None:
    if study.comparison is None:
        return None
    return ComparisonSummary(state=study.comparison_state, techniques=study.comparison["techniques"])


def _best_view(trial: TrialRecord, objective: str) -> BestView | None:
    if trial.number is None or trial.value is None:
        return None
    deviation = (trial.metrics or {}).get(f"{objective}_deviation")
    return BestView(number=trial.number, value=trial.value, deviation=deviation, params=trial.params or {})


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
        reason=_reason(part.reason),
        progress=ProgressView.model_validate(counts, from_attributes=True),
        best=None if best is None else _best_view(best, part.spec["objectives"][0]),
        dashboard=_dashboard_path(dashboard_id),
    )


def _dashboard_path(dashboard_id: int | None) -> str | None:
    return None if dashboard_id is None else f"/dashboard/studies/{dashboard_id}"


def trial_view(trial: TrialRecord) -> TrialView:
    """One trial."""
    return TrialView(
        number=trial.number,
        state=trial.state,
        value=trial.value,
        values=trial.values,
        params=trial.params or {},
        metrics=trial.metrics or {},
        weights=trial.weights or {},
        epochs=trial.epochs,
        best_epoch=trial.best_epoch,
        stopped_early=trial.stopped_early,
        cut=trial.state == TrialState.COMPLETE and trial.reason is not None,
        reason=_reason(trial.reason),
        attempt=trial.attempt,
        enqueued=trial.enqueued_params,
        has_model=trial.model is not None,
        started_at=_utc_or_none(trial.started_at),
        ended_at=_utc_or_none(trial.ended_at),
    )


def curve_event(number: int, curve: Mapping[str, list[float | None]]) -> CurveEvent:
    """The curve so far of a running trial: the epochs, and one metric."""
    [values] = [column for name, column in curve.items() if name != "epoch"]
    return CurveEvent(number=number, steps=curve["epoch"], values=values)


def workers_view(store: Store) -> WorkersView:
    """The workers that are alive."""
    with store.reading() as session:
        alive, lanes = workers.alive(session), workers.running_by_worker(session)
        rate = workers.trials_a_minute(session)
    views = [
        WorkerView(
            name=seen.name,
            activity=seen.activity,
            study=seen.study,
            lanes=lanes[seen.name],
            started_at=_utc(seen.started_at),
            seen_at=_utc(seen.seen_at),
        )
        for seen in alive
    ]
    return WorkersView(workers=views, trials_a_minute=rate)


def sessions_view(key: str | None, sessions: Sequence[SessionRecord], current: str | None = None) -> SessionsView:
    """The sessions of a key; `current` is the id of the one that asks."""
    return SessionsView(
        key=key,
        sessions=[
            SessionView(
                id=session.id,
                created_at=datetime.fromtimestamp(session.created_at, UTC),
                expires_at=datetime.fromtimestamp(session.expires_at, UTC),
                seen_at=datetime.fromtimestamp(session.seen_at, UTC),
                user_agent=session.user_agent,
                current=session.id == current,
            )
            for session in sessions
        ],
    )


def webhook_view(webhook: WebhookRecord, waiting: int) -> WebhookView:
    """A webhook without its secret."""
    return WebhookView(
        id=webhook.id,
        url=webhook.url,
        events=webhook.events,
        project=webhook.project,
        enabled=webhook.disabled_at is None,
        disabled_at=_utc_or_none(webhook.disabled_at),
        disabled_reason=webhook.disabled_reason,
        waiting=waiting,
        created_by=webhook.created_by,
        created_at=_utc(webhook.created_at),
    )


def delivery_view(delivery: DeliveryRecord) -> DeliveryView:
    """What a webhook was told, or is yet to be told."""
    data = delivery.payload.get("data", delivery.payload)  # the whole message from its first attempt on
    return DeliveryView(
        id=delivery.id,
        event=delivery.event.value,
        study=data.get("study"),
        status=delivery.status.value,
        attempts=delivery.attempts,
        next_at=_utc_or_none(delivery.next_at if delivery.ended_at is None else None),
        answer=delivery.answer,
        created_at=_utc(delivery.created_at),
        ended_at=_utc_or_none(delivery.ended_at),
    )


def attempt_view(attempt: AttemptRecord) -> AttemptView:
    """One attempt at a trial."""
    return AttemptView(
        attempt=attempt.attempt,
        worker=attempt.worker,
        started_at=_utc(attempt.started_at),
        ended_at=_utc_or_none(attempt.ended_at),
        ending=attempt.ending,
        reason=_reason(attempt.reason),
    )


def weights_view(trial: TrialRecord, detail: Mapping[str, Any], feature_names: Sequence[str]) -> WeightsView:
    """A trial's weights by layer and, when features have names, by feature."""
    norms = dict(zip(feature_names, detail.get("feature_norms", []), strict=False)) if feature_names else None
    return WeightsView(
        number=trial.number,
        all_layers=trial.weights or {},
        layers=detail.get("layers", []),
        feature_norms=norms,
        trained_on=None if "trained_on" not in detail else TrainedOnView.model_validate(detail["trained_on"]),
        nonzero_features=None if norms is None else [name for name, norm in norms.items() if norm],
    )


def list_dataset_views(datasets: DatasetStore, project: str | None = None) -> list[DatasetView]:
    """The uploaded datasets, or those of a project, newest first, then the bundled and the synthetic ones.

    Raises NotFoundError when there is no such project.
    """
    uploaded = [
        dataset_view("uploaded", record.name, dataset_detail(record).profile.facts, record)
        for record in datasets.list_datasets(project)
    ]
    return uploaded + _included_views()


def find_dataset_view(datasets: DatasetStore, name: str, version: int | None) -> DatasetDetail | DatasetView:
    """A version of an uploaded dataset; where nothing of this name was uploaded, the bundled or synthetic one.

    Raises NotFoundError when there is none.
    """
    try:
        return dataset_detail(datasets.find(name, version))
    except NotFoundError:
        included = next((view for view in _included_views() if view.name == name), None)
        if included is None or version is not None:
            raise
        return included


def _included_views() -> list[DatasetView]:
    from studies.spec.dataset import BUILTIN, SYNTHETIC, SyntheticDataset

    builtin = [dataset_view("builtin", name, facts) for name, facts in BUILTIN.items()]
    recipes = [SyntheticDataset(kind="synthetic", name=name) for name in SYNTHETIC]
    return builtin + [dataset_view("synthetic", recipe.name, recipe.facts) for recipe in recipes]


def dataset_view(kind: DatasetKind, name: str, facts: DatasetFacts, record: DatasetRecord | None = None) -> DatasetView:
    """A dataset as listings show it."""
    return DatasetView(
        kind=kind,
        name=name,
        project=None if record is None else record.project,
        version=None if record is None else record.version,
        task=facts.task,
        rows=facts.rows,
        shape=list(facts.shape),
        classes=facts.classes,
        about=facts.about,
    )


def dataset_version(dataset: DatasetRecord) -> DatasetVersion:
    """A version of an uploaded dataset."""
    return DatasetVersion(
        name=dataset.name,
        project=dataset.project,
        version=dataset.version,
        digest=dataset.digest,
        bytes=dataset.bytes,
        format=dataset.format,
        options=dataset.options,
        created_by=dataset.created_by,
        created_at=_utc(dataset.created_at),
    )


def dataset_detail(dataset: DatasetRecord) -> DatasetDetail:
    """A version of an uploaded dataset with its profile."""
    return DatasetDetail(**dict(dataset_version(dataset)), profile=dataset.profile)


def change_view(change: ChangeRecord) -> ChangeView:
    """What somebody did with a study."""
    return ChangeView(at=_utc(change.changed_at), by=change.changed_by, what=change.what, details=change.details)


def project_view(project: ProjectState) -> ProjectView:
    """A project with its quotas."""
    record = project.record
    quotas = {
        name: QuotaView(limit=limit, own=getattr(record, name) is not None, used=project.used[name])
        for name, limit in project.limits.items()
    }
    return ProjectView(
        name=record.name,
        studies=project.studies,
        datasets=project.datasets,
        created_by=record.created_by,
        created_at=_utc(record.created_at),
        **quotas,
    )


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _utc_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else _utc(seconds)


def _reason(text: str | None) -> str | None:
    """A reason as it is shown: earlier versions kept whole errors. What a user wrote stays."""
    return text if text is None or text.startswith(MARKED_INVALID) else one_line(text, _MAX_REASON)
