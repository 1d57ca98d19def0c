"""The slots of budgets with their trials, the trials' curves, and the attempts at them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from service.storage.records.studies import StudyRecord
from service.storage.records.table import Record, one_of
from service.storage.states import LIVE_STUDY, Ending, TrialState

_RUNNING = "state = 'RUNNING'"
_HELD = "token IS NOT NULL"
_WAITING = "state = 'WAITING'"
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
        # Finds every lease of every study without reading trials that have ended, and those of one worker. PostgreSQL's
        # statistics often say that no trial runs: then it takes any index of running trials for the shortest way to
        # one, and reads all of it where that does not begin with what is asked for. So each has its own condition,
        # and a query names the one it means; see `running`, `held_by` and `running_in_study`.
        _partial_index("running", "id", where=_RUNNING),
        _partial_index("held", "worker", "id", where=_HELD),
        # Nothing to read when nothing waits. With the state, or SQLite reads the index of claims, which has all trials.
        _partial_index("waiting", "study_id", "state", where=_WAITING),
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
    state: Mapped[TrialState] = mapped_column(one_of(TrialState, 8))
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


def held_by(worker: str) -> sa.ColumnElement[bool]:
    """Trials that this worker holds: one that waits or has ended has no token."""
    return sa.and_(TrialRecord.worker == worker, TrialRecord.token.is_not(None))


def running_in_study() -> sa.ColumnElement[bool]:
    """As `running`, in a query of a few studies: these words are not the condition of any index of running trials."""
    return TrialRecord.state.between(sa.literal_column("'RUNNING'"), sa.literal_column("'RUNNING'"))


def waiting() -> sa.ColumnElement[bool]:
    """Slots that wait for a worker; a literal, as in `running`."""
    return TrialRecord.state == sa.literal_column("'WAITING'")


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
    return sa.and_(waiting(), StudyRecord.state.in_(LIVE_STUDY))


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
    ending: Mapped[Ending | None] = mapped_column(one_of(Ending, 16))
    reason: Mapped[str | None]  # in words, unless it was told


def gave_nothing() -> sa.ColumnElement[bool]:
    """Attempts that ended without their trial; a literal, as in `running`."""
    return AttemptRecord.ending != sa.literal_column("'told'")
