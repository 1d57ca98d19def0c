"""What workers write: the ledger of one study, each write fenced by the token of its claim.

A write changes our rows and Optuna's in one transaction (database.transaction), or neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from optuna.storages import get_storage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.orm import Session

from service.storage import database, optuna_tables
from service.storage.artifacts import Artifacts, study_folder
from service.storage.database import unix_now
from service.storage.records import ACTIVE_STUDY, CurveRecord, StudyRecord, TrialRecord
from service.storage.store import Store, claimable, close_places, end_study, lost
from studies.errors import LeaseLostError, NumberTakenError
from studies.spec import StudySpec
from studies.sweep import Claim, Outcome, Report, Verdict


class TrialLedger:
    """studies.sweep.Ledger on the database, for one study and one worker."""

    def __init__(
        self,
        store: Store,
        artifacts: Artifacts,
        study: StudyRecord,
        worker: str,
        lease_seconds: float,
        leaving: Callable[[], bool],
    ) -> None:
        self._store = store
        self._rdb = store.optuna
        self._cached = get_storage(self._rdb)
        self._artifacts = artifacts
        self._study_id = study.id
        self._spec = StudySpec.model_validate(study.spec)
        self._optuna_id = self._rdb.get_study_id_from_name(study.name)
        self._trial_ids: dict[int, int] = {}
        self._seen: tuple[int, ...] | None = None
        self._worker, self._lease_seconds, self._leaving = worker, lease_seconds, leaving

    def claim(self, count: int) -> list[Claim]:
        """Places nobody took or whose worker was lost; the study starts with its first claim."""
        if self._leaving():
            return []
        candidates = (
            sa.select(TrialRecord.id)
            .join(StudyRecord, StudyRecord.id == TrialRecord.study_id)
            .where(TrialRecord.study_id == self._study_id, claimable())
            .order_by(TrialRecord.state, TrialRecord.place)  # RUNNING, that is lost, before WAITING
            .limit(count)
            .with_for_update(skip_locked=True, of=TrialRecord)
        )
        with database.transaction(self._rdb) as session:
            self._end_when_overdue(session)
            study = session.get(StudyRecord, self._study_id)
            if study is None:
                return []
            if study.state not in ACTIVE_STUDY:
                close_places(session, self._rdb, study, lost())
                return []
            taken = (
                sa.update(TrialRecord)
                .where(TrialRecord.id.in_(candidates.scalar_subquery()))
                .values(
                    state="RUNNING",
                    worker=self._worker,
                    # One token for all: a place is fenced by the pair of its row and its token.
                    token=(token := uuid4().hex),
                    attempt=TrialRecord.attempt + 1,
                    lease_expires_at=unix_now() + self._lease_seconds,
                    started_at=sa.func.coalesce(TrialRecord.started_at, unix_now()),
                )
                .returning(TrialRecord.id, TrialRecord.number, TrialRecord.place)
            )
            rows = session.execute(taken).all()
            if rows and study.state == "queued":
                study.state = "running"
                study.started_at = study.started_at or session.scalar(sa.select(unix_now()))
        return [Claim(row.id, token, row.number) for row in sorted(rows, key=lambda row: row.place)]

    def trials(self) -> list[FrozenTrial]:
        """All trials of the study, read again only where they were not finished."""
        try:
            return self._cached.get_all_trials(self._optuna_id, deepcopy=False)
        except KeyError:
            raise LeaseLostError("the study was deleted") from None

    def open(self, claim: Claim, template: FrozenTrial) -> None:
        """Record a running trial with its params."""
        params = self._spec.space.hyperparameters(template.params).effective()
        try:
            with self._fenced(claim, number=template.number, params=params):
                self._rdb.create_new_trial(self._optuna_id, template)
        except sa.exc.IntegrityError:
            raise NumberTakenError(f"trial {template.number} was opened by another worker") from None

    def report(self, reports: Sequence[Report]) -> Verdict:
        """Record intermediate values and renew the leases, in one transaction."""
        claims = [(report.claim.key, report.claim.token) for report in reports]
        held = sa.and_(sa.tuple_(TrialRecord.id, TrialRecord.token).in_(claims), TrialRecord.state == "RUNNING")
        renewed = sa.update(TrialRecord).where(held).values(lease_expires_at=unix_now() + self._lease_seconds)
        with database.transaction(self._rdb) as session:
            changed = session.execute(renewed)
            if changed.rowcount != len(reports):  # type: ignore[attr-defined]  # an UPDATE's result has it
                raise LeaseLostError("another worker runs one of these trials now, or their study was deleted")
            self._end_when_overdue(session)
            state = session.scalar(sa.select(StudyRecord.state).where(StudyRecord.id == self._study_id))
            values = [
                (self._trial_id(report.number), step, value) for report in reports for step, value in report.values
            ]
            if values:
                optuna_tables.set_intermediate_values(session, values)
        if state not in ACTIVE_STUDY:
            return Verdict.END
        return Verdict.HAND_BACK if self._leaving() else Verdict.GO_ON

    def keep_model(self, claim: Claim, number: int, model: Path) -> None:
        """Keep the model of the best trial so far; the record points to it only after it is there."""
        with self._fenced(claim):
            pass
        # The token keeps a worker that lost its lease just now from writing over its successor's file.
        path = f"{study_folder(self._study_id)}/trials/{number}-{claim.token[:8]}.keras"
        self._artifacts.put(path, model)
        try:
            with self._fenced(claim, model=path):
                pass
        except LeaseLostError:
            self._artifacts.remove(path)
            raise

    def close(self, claim: Claim, number: int, outcome: Outcome) -> None:
        """Tell the trial and record everything it gave."""
        with self._fenced(claim, **_closing(outcome)) as session:
            trial_id = self._trial_id(number)
            if outcome.result is not None:
                session.merge(CurveRecord(trial_id=claim.key, curve=_finite_curve(outcome.result.curve)))
            self._end_when_done(session)
            if outcome.state == TrialState.FAIL and outcome.reason is not None:
                self._rdb.set_trial_user_attr(trial_id, "reason", outcome.reason)
            self._rdb.set_trial_state_values(trial_id, outcome.state, outcome.values)

    def hand_back(self, claim: Claim) -> None:
        """Give the place up; the attempt does not count against it."""
        waiting = {"state": "WAITING", "worker": None, "token": None, "lease_expires_at": None}
        with self._fenced(claim, attempt=TrialRecord.attempt - 1, **waiting):
            pass

    def changed(self) -> bool:
        """Whether another worker opened or finished a trial since this was last asked."""
        before, self._seen = self._seen, self._others()
        return before != self._seen

    def _others(self) -> tuple[int, ...]:
        """How many trials other workers have opened, and finished."""
        asked = sa.and_(TrialRecord.study_id == self._study_id, TrialRecord.number.is_not(None))
        theirs = sa.and_(asked, sa.func.coalesce(TrialRecord.worker, "") != self._worker)
        query = sa.select(sa.func.count(), sa.func.count().filter(TrialRecord.ended_at.is_not(None))).where(theirs)
        with self._store.reading() as session:
            return tuple(session.execute(query).one())

    def _trial_id(self, number: int) -> int:
        if number not in self._trial_ids:
            self._trial_ids[number] = self._rdb.get_trial_id_from_study_id_trial_number(self._optuna_id, number)
        return self._trial_ids[number]

    @contextmanager
    def _fenced(self, claim: Claim, **changes: Any) -> Iterator[Session]:
        """One transaction that begins with a change of the claim's row, if the claim is still held."""
        held = sa.and_(TrialRecord.id == claim.key, TrialRecord.token == claim.token, TrialRecord.state == "RUNNING")
        with database.transaction(self._rdb) as session:
            changed = session.execute(sa.update(TrialRecord).where(held).values(changes or {"token": claim.token}))
            if changed.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
                raise LeaseLostError("another worker runs this trial now, or its study was deleted")
            yield session

    def _end_when_overdue(self, session: Session) -> None:
        seconds = self._spec.budget.timeout_seconds
        if seconds is None:
            return
        overdue = sa.select(StudyRecord).where(
            StudyRecord.id == self._study_id, StudyRecord.started_at + seconds < unix_now()
        )
        study = session.scalar(overdue)
        if study is not None:
            end_study(session, self._rdb, study, "completed", f"budget.timeout_seconds of {seconds:g} ran out")

    def _end_when_done(self, session: Session) -> None:
        counts = sa.select(
            sa.func.count().filter(TrialRecord.state == "FAIL"),
            sa.func.count().filter(TrialRecord.state.in_(("WAITING", "RUNNING"))),
        ).where(TrialRecord.study_id == self._study_id)
        failed, open_places = session.execute(counts).one()
        borne = self._spec.budget.max_failed_trials
        study = session.get_one(StudyRecord, self._study_id)
        if borne is not None and failed > borne:
            reason = f"{failed} trials failed and budget.max_failed_trials is {borne}"
            end_study(session, self._rdb, study, "failed", reason)
        elif open_places == 0:
            end_study(session, self._rdb, study, "completed", None)


def _closing(outcome: Outcome) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "state": outcome.state.name,
        "token": None,
        "lease_expires_at": None,
        "values": None if outcome.values is None else list(outcome.values),
        "value": None if not outcome.values else outcome.values[0],
        "reason": outcome.reason,
        "ended_at": unix_now(),
    }
    if outcome.result is not None:
        result = outcome.result
        changes |= {
            "metrics": _finite(result.metrics),
            "weights": _finite(result.weights),
            "epochs": result.epochs,
            "best_epoch": result.best_epoch,
            "stopped_early": result.stopped_early,
        }
    return changes


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """JSON knows no NaN; what is undefined is null."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _finite_curve(curve: Mapping[str, list[float]]) -> dict[str, list[float | None]]:
    return {name: [v if math.isfinite(v) else None for v in column] for name, column in curve.items()}
