"""The tables beside Optuna's: studies, the slots of their budgets with the results of their trials, and what is kept.

Samplers and the dashboard read Optuna's tables, the API reads these. Both change in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from hashlib import sha256
from typing import Any, ClassVar, TypeVar, cast

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from service.names import DEFAULT_PROJECT
from service.storage.states import (
    LIVE_STUDY,
    Activity,
    ComparisonState,
    DeliveryStatus,
    Ending,
    Event,
    StudyState,
    TrialState,
)
from studies.spec.comparison import ComparisonSpec
from studies.spec.name import normalize
from studies.spec.study import StudySpec

Model = TypeVar("Model", bound=BaseModel)


def _one_of(states: type[StrEnum], length: int) -> sa.Enum:
    """A text column that holds one of these states."""
    return sa.Enum(states, native_enum=False, length=length, values_callable=lambda members: [*map(str, members)])


class Record(DeclarativeBase):
    """Parent of all records."""

    type_annotation_map: ClassVar = {dict[str, Any]: sa.JSON(none_as_null=True), list[Any]: sa.JSON(none_as_null=True)}


def table_of(record: type[Record]) -> sa.Table:
    """The table of a record, for statements that every trial needs: they do without the ORM, and so cost less."""
    return cast("sa.Table", record.__table__)


def has_name(column: sa.orm.InstrumentedAttribute[str], name: str) -> sa.ColumnElement[bool]:
    """Return the condition that a column of names holds this one, in whichever form of Unicode it is typed."""
    # Neither database can be asked for NUL, nor for half a character.
    return column == normalize(name) if name.isprintable() else sa.false()


class StudyRecord(Record):
    """A study. Instants are seconds since 1970, UTC, by the database's clock."""

    __tablename__ = "regsweep_studies"
    __table_args__ = (
        sa.Index("ix_regsweep_studies_parent", "parent_id"),
        sa.Index("ix_regsweep_studies_project", "project", "id"),
        sa.Index("ix_regsweep_studies_state", "state", "parent_id"),
        {"sqlite_autoincrement": True},  # a deleted study's id names its artifacts and is never reused
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(140), unique=True)  # the Optuna study has the same
    project: Mapped[str] = mapped_column(sa.String(100), server_default=DEFAULT_PROJECT)
    state: Mapped[StudyState] = mapped_column(_one_of(StudyState, 10))
    reason: Mapped[str | None]  # for its end, unless that was its budget
    spec: Mapped[dict[str, Any]]  # StudySpec as JSON
    engine: Mapped[dict[str, Any] | None]  # that trains it, and why; None until a worker has begun
    facts: Mapped[dict[str, Any] | None]  # of its data, see worker.worker.facts; None until a worker has begun
    parent_id: Mapped[int | None]  # the study whose comparison this is a part of
    technique: Mapped[str | None] = mapped_column(sa.String(20))  # searched by this part; None for the confirmation
    comparison: Mapped[dict[str, Any] | None]  # ComparisonSpec as JSON
    comparison_state: Mapped[ComparisonState | None] = mapped_column(_one_of(ComparisonState, 10))
    answer: Mapped[str | None] = mapped_column(sa.String(100))  # "L1, likely": of the comparison, once it is published
    published: Mapped[bool | None] = mapped_column("presented")  # the report is kept, its figures in the dashboard
    publishing_at: Mapped[float | None] = mapped_column("presenting_at")  # when a worker claimed to publish it
    #: Another study's trials that its sampler knows, see studies.search.warm_start; of earlier versions a list of them.
    warm_start: Mapped[Any | None] = mapped_column("earlier", sa.JSON(none_as_null=True))
    priority: Mapped[int] = mapped_column(default=0)  # workers serve the highest first
    served_at: Mapped[float | None]  # when a worker last began to serve it or a part of it
    invalidated_count: Mapped[int] = mapped_column("forgotten", default=0)  # changes whenever a trial is marked invalid
    paused_at: Mapped[float | None]
    paused_seconds: Mapped[float] = mapped_column(default=0.0)  # before paused_at; left out of its timeout
    #: The name of the key that it came with; None where none was needed.
    created_by: Mapped[str | None] = mapped_column("submitted_by", sa.String(100))
    compared_by: Mapped[str | None] = mapped_column(sa.String(100))  # who began its comparison, in the same way
    traceparent: Mapped[str | None] = mapped_column(sa.String(55))  # of its submission, where that was traced
    created_at: Mapped[float]
    started_at: Mapped[float | None]  # the first claim
    ended_at: Mapped[float | None]

    @property
    def parsed_spec(self) -> StudySpec:
        """The validated `spec`; validated again only after it was assigned or read from the database."""
        return self._parsed("spec", StudySpec.read)

    @property
    def parsed_comparison(self) -> ComparisonSpec:
        """The validated `comparison`, which must not be None."""
        return self._parsed("comparison", ComparisonSpec.model_validate)

    def _parsed(self, column: str, read: Callable[[Any], Model]) -> Model:
        document, memo = getattr(self, column), self.__dict__.setdefault("_parsed_columns", {})
        parsed: tuple[object, Model] | None = memo.get(column)
        if parsed is None or parsed[0] is not document:
            parsed = memo[column] = document, read(document)
        return parsed[1]

    @property
    def warm_start_trials(self) -> list[dict[str, Any]]:
        """Another study's trials that its sampler knows."""
        document: Any = self.warm_start or []
        return list(document["trials"] if isinstance(document, dict) else document)

    @property
    def warm_start_left_out(self) -> dict[str, int]:
        """The number of that study's complete trials that its sampler does not know, by why."""
        return dict(self.warm_start["left_out"]) if isinstance(self.warm_start, dict) else {}

    @property
    def etag(self) -> str:
        """The entity tag for If-Match: changes with what users can change, and not with progress."""
        # Plain strings: the repr of an enum is another.
        comparison_state = None if self.comparison_state is None else str(self.comparison_state)
        parts = self.id, str(self.state), self.priority, comparison_state, self.invalidated_count, self.ended_at
        # A confirmation's budget grows round by round.
        budget = None if self.parent_id is not None else sorted(self.spec["budget"].items())
        return sha256(repr((*parts, budget)).encode()).hexdigest()[:16]

    @property
    def root_id(self) -> int:
        """The id of the study whose comparison it is a part of, else its own."""
        return self.parent_id or self.id


_RUNNING = "state = 'RUNNING'"
_ASKED = "number IS NOT NULL"


def _partial_index(name: str, *columns: str, where: str) -> sa.Index:
    """An index of the rows that a condition holds for; queries must state it word for word, see `running`."""
    condition = sa.text(where)
    return sa.Index(f"ix_regsweep_trials_{name}", *columns, sqlite_where=condition, postgresql_where=condition)


class TrialRecord(Record):
    """One slot of a study's budget, and the trial that runs or ran in it."""

    __tablename__ = "regsweep_trials"
    __table_args__ = (
        sa.UniqueConstraint("study_id", "place"),
        sa.UniqueConstraint("study_id", "number"),
        sa.Index("ix_regsweep_trials_claim", "study_id", "state", "place"),
        # Finds every lease of every study without reading trials that have ended.
        _partial_index("running", "id", where=_RUNNING),
        _partial_index("changed", "study_id", "changed", where="changed IS NOT NULL"),
        _partial_index("ended_at", "ended_at", where="ended_at IS NOT NULL"),
        # Each sort of a listing, see pagination.py; the first finds the best trial as well.
        _partial_index("complete", "study_id", "value", "number", where=f"{_ASKED} AND state = 'COMPLETE'"),
        _partial_index("others", "study_id", "value", "number", where=f"{_ASKED} AND state != 'COMPLETE'"),
        _partial_index("epochs", "study_id", "epochs", "number", where=_ASKED),
        _partial_index("started", "study_id", "started_at", "number", where=_ASKED),
        _partial_index("ended", "study_id", "ended_at", "number", where=_ASKED),
        _partial_index("planned", "study_id", "state", where="plan IS NOT NULL"),
        _partial_index("model", "study_id", "model_bytes", where="model IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(sa.ForeignKey("regsweep_studies.id", ondelete="CASCADE"))
    slot: Mapped[int] = mapped_column("place")  # 0 to budget.trials − 1; the rows are the budget
    state: Mapped[TrialState] = mapped_column(_one_of(TrialState, 8))
    number: Mapped[int | None]  # Optuna's; None until the trial was asked
    attempt: Mapped[int] = mapped_column(default=0)  # the last one, counted from 1; a hand-back does not count
    setbacks: Mapped[int] = mapped_column(default=0)  # attempts that gave nothing since the last checkpoint
    worker: Mapped[str | None] = mapped_column(sa.String(100))
    plan: Mapped[dict[str, Any] | None]  # studies.plan.Plan, where no sampler is asked
    #: Params that a user wants tried here; the sampler gives those that are missing.
    enqueued_params: Mapped[dict[str, Any] | None] = mapped_column("asked")
    token: Mapped[str | None] = mapped_column(sa.String(32))  # of the claim that may write; fences off earlier ones
    lease_expires_at: Mapped[float | None]
    params: Mapped[dict[str, Any] | None]
    values: Mapped[list[Any] | None]
    value: Mapped[float | None]  # of the first objective; sorted by
    metrics: Mapped[dict[str, Any] | None]
    weights: Mapped[dict[str, Any] | None]
    epochs: Mapped[int | None]
    best_epoch: Mapped[int | None]
    stopped_early: Mapped[bool | None]
    reason: Mapped[str | None]
    checkpoint: Mapped[str | None]  # path of its training state in the artifacts; None once it has ended
    model: Mapped[str | None]  # path of the .keras file in the artifacts, of trials that were the best so far
    model_bytes: Mapped[int | None] = mapped_column(sa.BigInteger)  # its size; None of an earlier version's
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    #: Number of its last change of state, or of the loss of its model, among those of the study, in the order of their
    #: commits; set by a trigger.
    changed: Mapped[int | None]


#: How the reason of a trial begins that a user marked.
MARKED_INVALID = "marked invalid: "


def running() -> sa.ColumnElement[bool]:
    """Trials that a worker holds; the state is a literal, so that SQLite uses the partial index."""
    return TrialRecord.state == sa.literal_column("'RUNNING'")


def asked() -> sa.ColumnElement[bool]:
    """Trials that have a number: neither slots that wait for their first worker nor repeats of the best."""
    return TrialRecord.number.is_not(None)


def complete(*, is_complete: bool = True) -> sa.ColumnElement[bool]:
    """Trials that are complete, or all others; a literal, as in `running`."""
    state: sa.ColumnElement[Any] = sa.literal_column("'COMPLETE'")
    return TrialRecord.state == state if is_complete else TrialRecord.state != state


def in_budget(studies: Iterable[StudyRecord]) -> sa.ColumnElement[bool]:
    """Trials of the budgets of these studies; beyond them stand repeats of the best, see repeats.py."""
    budgets = {study.id: study.spec["budget"]["trials"] for study in studies}
    return TrialRecord.slot < sa.case(budgets, value=TrialRecord.study_id) if budgets else sa.false()


def claimable() -> sa.ColumnElement[bool]:
    """Trials that wait for a worker, in a join with their studies."""
    return sa.and_(TrialRecord.state == TrialState.WAITING, StudyRecord.state.in_(LIVE_STUDY))


class ChangeRecord(Record):
    """What somebody did with a study."""

    __tablename__ = "regsweep_changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(sa.ForeignKey("regsweep_studies.id", ondelete="CASCADE"), index=True)
    what: Mapped[str] = mapped_column(sa.String(20))  # service.storage.history.Change
    details: Mapped[str]  # in words; empty for none
    changed_by: Mapped[str | None] = mapped_column(sa.String(100))  # as StudyRecord.created_by
    changed_at: Mapped[float]


class ProjectRecord(Record):
    """A project, with its own quotas; those that are None are the server's."""

    __tablename__ = "regsweep_projects"

    name: Mapped[str] = mapped_column(sa.String(100), primary_key=True)
    active_studies: Mapped[int | None]
    waiting_trials: Mapped[int | None]
    stored_bytes: Mapped[int | None] = mapped_column(sa.BigInteger)
    created_by: Mapped[str | None] = mapped_column(sa.String(100))
    created_at: Mapped[float]


class CurveRecord(Record):
    """A trial's whole learning curve in one row; of a running trial, its curve so far, without detail."""

    __tablename__ = "regsweep_curves"

    trial_id: Mapped[int] = mapped_column(sa.ForeignKey("regsweep_trials.id", ondelete="CASCADE"), primary_key=True)
    curve: Mapped[dict[str, Any]]
    detail: Mapped[dict[str, Any] | None]  # TrialResult.detail, and TrialResult.seconds


_GAVE_NOTHING = "ending != 'told'"


class AttemptRecord(Record):
    """One claim of a slot: its worker and its ending. One that is handed back is removed."""

    __tablename__ = "regsweep_attempts"
    __table_args__ = (
        sa.Index(
            "ix_regsweep_attempts_gave_nothing",
            "ended_at",
            sqlite_where=sa.text(_GAVE_NOTHING),
            postgresql_where=sa.text(_GAVE_NOTHING),
        ),
    )

    trial_id: Mapped[int] = mapped_column(sa.ForeignKey("regsweep_trials.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)  # as TrialRecord.attempt while it ran
    worker: Mapped[str] = mapped_column(sa.String(100))
    started_at: Mapped[float]
    ended_at: Mapped[float | None]
    ending: Mapped[Ending | None] = mapped_column(_one_of(Ending, 16))
    reason: Mapped[str | None]  # in words, unless it was told


def gave_nothing() -> sa.ColumnElement[bool]:
    """Attempts that ended without their trial; a literal, as in `running`."""
    return AttemptRecord.ending != sa.literal_column("'told'")


class WorkerRecord(Record):
    """A worker that shows itself, with what it does now."""

    __tablename__ = "regsweep_workers"

    name: Mapped[str] = mapped_column(sa.String(100), primary_key=True)
    activity: Mapped[Activity] = mapped_column(_one_of(Activity, 20))
    study_id: Mapped[int | None]  # that it serves; of a deleted study until it finds out
    memory_bytes: Mapped[int | None] = mapped_column(sa.BigInteger)  # that its process holds
    started_at: Mapped[float]
    seen_at: Mapped[float]
    expires_at: Mapped[float]  # when it counts as gone, unless it is seen again


class RequestRecord(Record):
    """A request with an Idempotency-Key, and its answer."""

    __tablename__ = "regsweep_requests"

    api_key: Mapped[str] = mapped_column(sa.String(12), primary_key=True)  # id of the one it came with; empty for none
    key: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(sa.String(64))  # of the request; the same key with another is refused
    answer: Mapped[str]  # the body
    location: Mapped[str | None]  # the header
    created_at: Mapped[float] = mapped_column(index=True)


class DatasetRecord(Record):
    """A version of a dataset that a user uploaded; its file is in the artifacts under its digest."""

    __tablename__ = "regsweep_datasets"
    __table_args__ = (sa.UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100))
    project: Mapped[str] = mapped_column(sa.String(100), server_default=DEFAULT_PROJECT, index=True)
    version: Mapped[int]  # counts up from 1; the highest is what the name means
    digest: Mapped[str] = mapped_column(sa.String(64), index=True)  # SHA-256 of the file
    bytes: Mapped[int] = mapped_column(sa.BigInteger)
    format: Mapped[str] = mapped_column(sa.String(10))  # studies.spec.table.TableFormat
    options: Mapped[dict[str, Any]]  # studies.spec.table.TableOptions
    profile: Mapped[dict[str, Any]]  # studies.datasets.profile.DatasetProfile
    created_by: Mapped[str | None] = mapped_column(sa.String(100))  # as of a study
    created_at: Mapped[float]


class KeyRecord(Record):
    """An API key, without its secret, which only its holder has."""

    __tablename__ = "regsweep_keys"

    id: Mapped[str] = mapped_column(sa.String(12), primary_key=True)  # the first part of the key
    name: Mapped[str] = mapped_column(sa.String(100), index=True, unique=True)  # of its holder or its purpose
    scope: Mapped[str] = mapped_column(sa.String(10))  # service.scopes.Scope
    projects: Mapped[list[Any] | None]  # names of those that it is limited to; None for every project
    digest: Mapped[str] = mapped_column(sa.String(64))  # SHA-256 of its secret
    old_digest: Mapped[str | None] = mapped_column(sa.String(64))  # of the secret before the last rotation
    old_until: Mapped[float | None]  # the end of that secret
    created_at: Mapped[float]
    expires_at: Mapped[float | None]
    revoked_at: Mapped[float | None]
    last_used_at: Mapped[float | None]  # precise to a day


class SessionRecord(Record):
    """A browser that is logged in with a key; its cookie has the secret."""

    __tablename__ = "regsweep_sessions"

    id: Mapped[str] = mapped_column(sa.String(12), primary_key=True)
    key_id: Mapped[str] = mapped_column(sa.ForeignKey("regsweep_keys.id"), index=True)
    digest: Mapped[str] = mapped_column(sa.String(64))  # SHA-256 of its secret
    created_at: Mapped[float]
    expires_at: Mapped[float]
    seen_at: Mapped[float]  # precise to five minutes
    user_agent: Mapped[str] = mapped_column(sa.String(100))  # the beginning of what the browser says of itself


class WebhookRecord(Record):
    """An address that is told of the ends of studies and comparisons."""

    __tablename__ = "regsweep_webhooks"

    id: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    url: Mapped[str] = mapped_column(sa.String(2000))
    events: Mapped[list[Any]]  # of states.Event
    project: Mapped[str | None] = mapped_column(sa.String(100))  # whose studies it is told of; None for all
    secret: Mapped[str]  # wrapped, see service/secret_wrapping.py
    old_secret: Mapped[str | None]  # the one before the last rotation, wrapped too; it signs until then
    old_until: Mapped[float | None]
    created_by: Mapped[str | None] = mapped_column(sa.String(100))  # name of the key; None where none was needed
    created_at: Mapped[float]
    disabled_at: Mapped[float | None]
    disabled_reason: Mapped[str | None] = mapped_column(sa.String(500))


class DeliveryRecord(Record):
    """An event that a webhook is told of; written by the transaction that ends what it is about."""

    __tablename__ = "regsweep_deliveries"
    __table_args__ = (
        sa.Index("ix_regsweep_deliveries_webhook", "webhook_id", "created_at"),
        sa.Index("ix_regsweep_deliveries_due", "status", "next_at"),
        sa.Index("ix_regsweep_deliveries_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)  # `webhook-id`, the same at every attempt
    webhook_id: Mapped[str] = mapped_column(sa.ForeignKey("regsweep_webhooks.id", ondelete="CASCADE"))
    event: Mapped[Event] = mapped_column(_one_of(Event, 40))
    study_id: Mapped[int | None]  # of a deleted study too; None of a test
    payload: Mapped[dict[str, Any]]  # complete from the first attempt on
    status: Mapped[DeliveryStatus] = mapped_column(_one_of(DeliveryStatus, 10))
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[float]  # of the next attempt; while one goes on, the end of its lease
    answer: Mapped[str | None] = mapped_column(sa.String(300))  # the last one's status and beginning, or the error
    created_at: Mapped[float]
    ended_at: Mapped[float | None]
