"""The shapes of the API's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from service.storage.progress import Overall
from service.storage.records import AttemptRecord, DatasetRecord, StudyRecord, TrialRecord
from service.storage.states import ACTIVE_COMPARISON, ComparisonState, Ending, StudyState, TrialState
from service.storage.store import Progress
from studies.analysis.results import Comparison
from studies.datasets.profile import DatasetProfile
from studies.spec.comparison import Technique
from studies.spec.dataset import DatasetFacts
from studies.spec.table import TableFormat, TableOptions

Item = TypeVar("Item")


class ListView(BaseModel, Generic[Item]):
    """One page of a listing."""

    items: list[Item]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class ProgressView(BaseModel):
    """How many trials are in which state."""

    trials: int = Field(description="The budget.")
    complete: int
    pruned: int
    failed: int
    running: int
    waiting: int


class OverallView(BaseModel):
    """How far all of it is, a comparison with every search and its confirmation."""

    trials: int = Field(description="Done and to come. Until a comparison's last round it is an estimate.")
    done: int = Field(description="Trials that have ended, whatever way.")
    fits: int = Field(description="Trainings that the trials are: of a trial on 5 folds 5.")
    fits_done: int = Field(description="Trainings of the trials that have ended.")
    seconds_left: float | None = Field(
        description="Estimated from the trainings done so far and those to come, pauses left out; null until one is "
        "done, 0 when nothing is to come."
    )


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


class WantedTrial(BaseModel):
    """Params that a user wants tried."""

    model_config = ConfigDict(extra="forbid")

    params: dict[str, str | float | int | None] = Field(
        description="By the names under which they are searched; the sampler gives those that are missing."
    )


class EnqueuedView(BaseModel):
    """A place of the budget whose params a user has given."""

    study: str
    place: int = Field(description="In the budget, counted from 0; the trial's number is given when it starts.")
    params: dict[str, Any]


class Invalidation(BaseModel):
    """Why a trial does not count."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        "by the user", description="Shown with the trial."
    )


class AttemptView(BaseModel):
    """One attempt at a trial."""

    attempt: int = Field(description="Counted from 1.")
    worker: str
    started_at: datetime
    ended_at: datetime | None
    ending: Ending | None = Field(
        description="told: it ended as it should; lost: its worker gave no sign of life; hung: no epoch ended; failed; "
        "out of memory; null while it runs."
    )
    reason: str | None = Field(description="In words, when it was not told.")


class ComparisonSummary(BaseModel):
    """How far a study's comparison is."""

    state: ComparisonState
    techniques: list[Technique]

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ACTIVE_COMPARISON


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


class TrialView(BaseModel):
    """A trial."""

    number: int
    state: TrialState
    value: float | None = Field(description="Of the first objective; a pruned trial's is its last intermediate value.")
    values: list[float] | None
    params: dict[str, Any] = Field(description="Null where the regularizer gives a parameter no effect.")
    metrics: dict[str, float | None] = Field(description="Of the weights that were kept; null where undefined.")
    weights: dict[str, int | float | None] = Field(description="Zeros and norms of all regularized kernels.")
    epochs: int | None = Field(description="Epochs trained.")
    best_epoch: int | None = Field(description="Epoch whose weights were kept, counted from 1.")
    stopped_early: bool | None = Field(description="Whether early stopping ended the training.")
    reason: str | None = Field(description="Why it was pruned or failed.")
    attempt: int = Field(description="Which attempt this is; above 1 when one was lost, see …/attempts.")
    enqueued: dict[str, Any] | None = Field(description="Params that the user had asked for.")
    has_model: bool = Field(description="Whether its model was kept, as that of every best trial so far is.")
    started_at: datetime | None
    ended_at: datetime | None


class CurveView(BaseModel):
    """A learning curve: one list a column, one entry an epoch."""

    number: int
    epochs: int
    curve: dict[str, list[float | None]] = Field(
        description="`loss` and `penalized_loss` are Keras' running means over the epoch's batches, dropout on; "
        "`val_…` are measured at the epoch's end. `val_loss` is without the penalty. `epoch` counts from 1."
    )


class WeightsView(BaseModel):
    """A trial's weights."""

    number: int
    all_layers: dict[str, int | float | None]
    layers: list[dict[str, int | float]] = Field(description="The regularized layers from the input on.")
    feature_norms: dict[str, float] | None = Field(
        description="L2 norm of each input feature's weights; exactly 0 where the model does not look at the feature. "
        "Null for images."
    )
    nonzero_features: list[str] | None = Field(
        description="Features with a weight that is not 0. One fit keeps too many: a comparison selects by stability."
    )


class BestTrialsView(BaseModel):
    """The best trial, or the Pareto front of several objectives."""

    objectives: list[str]
    items: list[TrialView]


class HealthView(BaseModel):
    """The server answers."""

    status: Literal["ok"] = "ok"
    version: str


class DatasetView(BaseModel):
    """A dataset that can be named in a study."""

    kind: str
    name: str
    task: str
    rows: int
    shape: list[int] = Field(description="Of one row: [features], or [height, width, channels].")
    classes: int = Field(description="0 for a regression.")
    about: str


class DatasetDetail(BaseModel):
    """An uploaded dataset."""

    name: str
    digest: str = Field(description="SHA-256 of the file.")
    bytes: int
    format: TableFormat
    options: TableOptions
    profile: DatasetProfile
    created_at: datetime


def dataset_view(kind: str, name: str, facts: DatasetFacts) -> DatasetView:
    """A dataset as listings show it."""
    return DatasetView(
        kind=kind,
        name=name,
        task=facts.task,
        rows=facts.rows,
        shape=list(facts.shape),
        classes=facts.classes,
        about=facts.about,
    )


def dataset_detail(record: DatasetRecord) -> DatasetDetail:
    """An uploaded dataset as the API shows it."""
    return DatasetDetail(
        name=record.name,
        digest=record.digest,
        bytes=record.bytes,
        format=record.format,
        options=record.options,
        profile=record.profile,
        created_at=instant(record.created_at),
    )


def study_view(
    study: StudyRecord, progress: Progress, overall: Overall, best: Sequence[TrialRecord], dashboard_id: int | None
) -> StudyView:
    """A study as the API shows it."""
    spec = study.parsed_spec
    return StudyView(
        name=study.name,
        state=study.state,
        reason=study.reason,
        spec=study.spec,
        task=spec.task,
        engine=None if study.engine is None else EngineView.model_validate(study.engine),
        progress=ProgressView.model_validate(progress, from_attributes=True),
        overall=OverallView.model_validate(overall, from_attributes=True),
        priority=study.priority,
        earlier=len(study.earlier or ()),
        comparison=_comparison_summary(study),
        best=_best_view(best) if len(spec.objectives) == 1 else None,
        dashboard=None if dashboard_id is None else f"/dashboard/studies/{dashboard_id}",
        created_at=instant(study.created_at),
        started_at=_instant(study.started_at),
        ended_at=_instant(study.ended_at),
    )


def untouched(study: StudyRecord) -> Progress:
    """The progress of a study that was just accepted."""
    trials = study.spec["budget"]["trials"]
    return Progress(trials, waiting=trials)


def attempt_view(attempt: AttemptRecord) -> AttemptView:
    """An attempt as the API shows it."""
    return AttemptView(
        attempt=attempt.attempt,
        worker=attempt.worker,
        started_at=instant(attempt.started_at),
        ended_at=_instant(attempt.ended_at),
        ending=attempt.ending,
        reason=attempt.reason,
    )


def _comparison_summary(study: StudyRecord) -> ComparisonSummary | None:
    if study.comparison is None:
        return None
    return ComparisonSummary(state=study.comparison_state, techniques=study.comparison["techniques"])


def comparison_view(
    study: StudyRecord,
    parts: Sequence[StudyRecord],
    progress: Mapping[int, Progress],
    overall: Overall,
    result: Comparison | None,
) -> ComparisonView:
    """A comparison as the API shows it."""
    return ComparisonView(
        state=study.comparison_state,
        spec=study.comparison or {},
        overall=OverallView.model_validate(overall, from_attributes=True),
        parts=[
            PartView(
                name=part.name,
                technique=part.technique,
                state=part.state,
                reason=part.reason,
                progress=ProgressView.model_validate(progress[part.id], from_attributes=True),
            )
            for part in parts
        ],
        result=result,
    )


def _best_view(best: Sequence[TrialRecord]) -> BestView | None:
    if not best or best[0].number is None or best[0].value is None:
        return None
    return BestView(number=best[0].number, value=best[0].value, params=best[0].params or {})


def trial_view(trial: TrialRecord) -> TrialView:
    """A trial as the API shows it."""
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
        reason=trial.reason,
        attempt=trial.attempt,
        enqueued=trial.asked,
        has_model=trial.model is not None,
        started_at=_instant(trial.started_at),
        ended_at=_instant(trial.ended_at),
    )


def weights_view(trial: TrialRecord, detail: Mapping[str, Any], names: Sequence[str]) -> WeightsView:
    """A trial's weights as the API shows them."""
    norms = dict(zip(names, detail.get("feature_norms", []), strict=False)) if names else None
    return WeightsView(
        number=trial.number,
        all_layers=trial.weights or {},
        layers=detail.get("layers", []),
        feature_norms=norms,
        nonzero_features=None if norms is None else [name for name, norm in norms.items() if norm],
    )


def instant(seconds: float) -> datetime:
    """A UTC instant from the database's seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else instant(seconds)
