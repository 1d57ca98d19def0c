"""Studies."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from service.names import DEFAULT_PROJECT
from service.schemas import notebook
from service.schemas.progress import OverallView, ProgressView
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY, ComparisonState, StudyState
from studies.analysis.labels import number
from studies.datasets.summary import DataSummary
from studies.frozen_model import FrozenModel, IsNumber
from studies.spec.comparison import Technique
from studies.spec.logger import LoggerName
from studies.spec.sampler import PrunerName
from studies.spec.study import MAX_WORKERS
from studies.spec.training import EngineName


class SeedsView(BaseModel):
    """The values of a trial's params under other seeds."""

    values: list[float]
    mean: float = Field(description="Of these values; the best trial's own value was chosen, and flatters.")
    deviation: float | None = Field(description="Standard deviation of these values; null for one.")


class BestView(BaseModel):
    """The best trial of a study with one objective."""

    number: int
    value: float
    deviation: float | None = Field(
        None,
        description="Standard deviation of the value over the trial's trainings, which have the same params and "
        "differ by fold and seeds; null for a holdout, which trains once: see `seeds`.",
    )
    seeds: SeedsView | None = Field(
        None,
        description="Its params, trained again with other seeds after the last trial, see `budget.best_seeds`; null "
        "until then, where there are none, and in listings.",
    )
    params: dict[str, Any]


class EngineView(BaseModel):
    """The engine that trains a study."""

    engine: EngineName
    lanes: int = Field(description="Trials that a worker trains at once.")
    epochs_a_call: int = Field(description="Epochs that one call of the compiled program trains.")
    xla: bool = Field(description="Whether XLA compiles the program.")
    why: str = Field(description="Reason for this engine.")


class PrunerView(BaseModel):
    """The pruner of a study."""

    name: PrunerName = Field(description="Which pruner runs; never auto.")
    options: dict[str, Any] = Field(description="Its options that differ from their defaults.")
    why: str = Field(description="Reason for this pruner, where the study leaves it open (auto).")


class ComparisonSummary(BaseModel):
    """State of a study's comparison."""

    state: ComparisonState
    techniques: list[Technique]

    @property
    def active(self) -> bool:
        """True until the comparison has ended."""
        return self.state in ACTIVE_COMPARISON


class LoggerView(BaseModel):
    """How far a study is logged to a tracker."""

    tracker: LoggerName
    state: Literal["waiting", "logging", "logged", "failing"] = Field(
        description="waiting: not begun; logging: logged while it runs; logged: it has ended, and all of it is logged; "
        "failing: the tracker did not take it, and is tried again."
    )
    problem: str | None = Field(description="Why the last try failed; null when it did not.")
    logged_at: datetime | None = Field(description="When it was last logged.")

    @property
    def text(self) -> str:
        """In words: "mlflow: failing: MLflow: no answer"."""
        return f"{self.tracker}: {self.state}" + ("" if self.problem is None else f", {self.problem}")


class StudyView(BaseModel):
    """A study."""

    name: str
    state: StudyState
    reason: str | None = Field(description="Why it ended; null when its budget was used up.")
    problem: str | None = Field(
        None,
        description="What keeps workers or the dashboard from the study, and what to do about it: another program "
        "deleted or renamed it in Optuna's tables. Null where nothing does.",
    )
    waits_for: str | None = Field(
        None,
        description="What it waits for, in a sentence: no worker that is alive offers its `resources`, none is alive, "
        "or the one that could serve it has no node of the Ray cluster, or cannot start there. Null where a worker can "
        "serve it.",
    )
    spec: dict[str, Any] = Field(
        description="The StudySpec as accepted, with every default; in listings without the config of a Keras model."
    )
    warnings: list[str] = Field(
        default=[], description="What was accepted and does nothing, such as a pruner that can never prune."
    )
    task: str = Field(description="binary, multiclass or regression.")
    engine: EngineView | None = Field(description="How it is trained; null until a worker has begun.")
    pruner: PrunerView = Field(description="Which pruner ends its hopeless trials.")
    progress: ProgressView = Field(description="Of the study's own trials, without its comparison.")
    overall: OverallView = Field(description="Of the study and its comparison together.")
    activity: str | None = Field(
        None,
        description="What workers do for it now: loading TensorFlow, loading data, compiling, search 120/210, "
        "confirming or publishing; null when none serves it.",
    )
    last_event_id: str = Field(
        description="Of its events, when it was read; as `last_event_id` of /events it loses nothing since."
    )
    loggers: list[LoggerView] = Field(
        default=[], description="The trackers that it is logged to while it runs, see `loggers` of the spec."
    )
    priority: int = Field(description="Workers serve the highest priority first.")
    data: DataSummary | None = Field(
        None, description="How the user's own data was read, with what to look at; null in listings."
    )
    earlier: int = Field(
        description="Number of trials of another study that its sampler learned from; see `warm_start`."
    )
    earlier_left_out: dict[str, int] = Field(
        default_factory=dict,
        description="Number of that study's complete trials that it did not learn from, for it could not have asked "
        "them, by the reason.",
    )
    project: str = Field(DEFAULT_PROJECT, description="The project that it belongs to.")
    created_by: str | None = Field(
        None,
        description="Name of the key that it was submitted with, or of a command line's user; null where no key was "
        "needed.",
    )
    answer: str | None = Field(
        None,
        description='What its comparison recommends, and how sure that is: "L1, likely". Null until a comparison has '
        "ended and a worker has published its result.",
    )
    comparison: ComparisonSummary | None = Field(description="Null when the study has none; see /comparison.")
    best: BestView | None = Field(
        description="Null while no trial is complete, and with several objectives; see /best."
    )
    dashboard: str | None = Field(
        description="Path of the study in the Optuna dashboard, from the server's URL on, which may have a path too."
    )
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def active(self) -> bool:
        """True until the study and its comparison have ended."""
        return self.state in ACTIVE_STUDY or (self.comparison is not None and self.comparison.active)

    @property
    def planned_trials(self) -> int:
        """Its trials and its comparison's, with those of its budget that never began since it was ended."""
        own = self.progress
        counted = own.complete + own.pruned + own.failed + own.running + own.waiting
        return self.overall.trials + max(0, own.trials - counted)

    @property
    def trials_text(self) -> str:
        """How many of its trials are done, in words: "12 of 44 trials (40 and 4 to confirm the best)"."""
        done, planned, budget = self.overall.done, self.planned_trials, self.progress.trials
        text = f"{done:,} of {planned:,} trials"
        if not self.active and done < planned and self.progress.running == 0:
            return f"{text}, {'ended' if self.state == StudyState.COMPLETED else self.state}"
        confirms = self.comparison is None and planned > budget
        return f"{text} ({budget:,} and {planned - budget:,} to confirm the best)" if confirms else text

    def __repr__(self) -> str:
        return f"StudyView({self.name!r}, {self.state}, {self.overall.done} of {self.planned_trials} trials)"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        comparison, best, overall = self.comparison, self.best, self.overall
        spread = "" if best is None or best.deviation is None else f" ± {number(best.deviation, 2)}"
        params = {} if best is None else {name: value for name, value in best.params.items() if value is not None}
        return notebook.facts(
            self.name,
            [
                ("state", " – ".join(filter(None, [self.state, self.reason]))),
                ("trials", f"{overall.done} of {self.planned_trials}"),
                ("comparison", "" if comparison is None else str(comparison.state)),
                ("answer", self.answer or ""),
                ("best", "" if best is None else f"trial {best.number}, {number(best.value)}{spread}"),
                ("params", ", ".join(f"{name} = {number(value)}" for name, value in params.items())),
                ("warnings", " ".join(self.warnings)),
            ],
        )


class BudgetChanges(FrozenModel):
    """What a study may cost more."""

    trials: Annotated[int, Field(ge=1, le=100_000, strict=True)] | None = Field(
        None, description="Trials in all, those that ended included; not fewer than now."
    )
    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False), IsNumber] | None = Field(
        None, description="Seconds in all, those that passed included; null for no limit. Not fewer than now."
    )

    @model_validator(mode="after")
    def _check_given(self) -> Self:
        if not self.model_fields_set or ("trials" in self.model_fields_set and self.trials is None):
            raise ValueError("trials: say how many trials there are to be in all")
        return self


class StudyChanges(FrozenModel):
    """The fields of a study that can be changed; at least one."""

    priority: Annotated[int, Field(ge=-1000, le=1000, strict=True)] | None = Field(
        None, description="Workers serve the studies of the highest priority first."
    )
    max_workers: Annotated[int, Field(ge=1, le=MAX_WORKERS, strict=True)] | None = Field(
        None, description="Most workers that serve the study and its comparison at once; null for no limit."
    )
    budget: BudgetChanges | None = Field(None, description="More trials or more time; an ended study runs again.")

    @model_validator(mode="after")
    def _check_given(self) -> Self:
        for name in self.model_fields_set or {"priority"}:
            if getattr(self, name) is None and name != "max_workers":
                raise ValueError(f"{name}: give the priority, max_workers, the budget, or several of them")
        return self
