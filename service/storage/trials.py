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
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.orm import Session

from service.storage import comparisons, database, optuna_tables
from service.storage.artifacts import Artifacts, study_folder
from service.storage.database import unix_now
from service.storage.lifecycle import claimable, close_places, lost
from service.storage.records import ACTIVE_STUDY, LIVE_STUDY, CurveRecord, StudyRecord, TrialRecord
from service.storage.store import Store
from studies.errors import LeaseLostError, NumberTakenError
from studies.ledger import Claim, Outcome, Report, Verdict
from studies.plan import Plan
from studies.spec import StudySpec
from studies.training.result import TrialResult


class TrialLedger:
    """studies.ledger.Ledger on the database, for one study and one worker."""

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
        self._artifacts = artifacts
        self._study_id = study.id
        self._spec = StudySpec.model_validate(study.spec)
        self._optuna_id = self._rdb.get_study_id_from_name(study.name)
        self._trial_ids: dict[int, int] = {}
        self._known, self._awaited = -1, set[int]()  # the last number read or opened; others' that had not ended
        self._worker, self._lease_seconds, self._leaving = worker, lease_seconds, leaving

    def claim(self, count: int) -> list[Claim]:
        """Places nobody took or whose worker was lost; the study starts with its first claim."""
        if self._leaving():
            return []
        candidates = (
            sa.select(TrialRecord.id)
            .join(StudyRecord, StudyRecord.id == TrialRecord.study_id)
            .where(TrialRecord.study_id == self._study_id, claimable(), self._in_turn())
            # RUNNING, that is lost, before WAITING, along the index and past all that has ended.
            .where(TrialRecord.state >= "RUNNING")
            .order_by(TrialRecord.state, TrialRecord.place)
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
                .returning(TrialRecord.id, TrialRecord.number, TrialRecord.place, TrialRecord.plan)
            )
            rows = session.execute(taken).all()
            if rows and study.state == "queued":
                study.state = "running"
                study.started_at = study.started_at or session.scalar(sa.select(unix_now()))
        return [
            Claim(row.id, row.place, token, row.number, None if row.plan is None else Plan.read(row.plan))
            for row in sorted(rows, key=lambda row: row.place)
        ]

    def _in_turn(self) -> sa.ColumnElement[bool]:
        """Of a reproducible study, the places of the first generation that has not ended."""
        if not self._spec.reproducible:
            return sa.true()
        size = self._spec.generation
        return TrialRecord.place < (self._first_unfinished() // size + 1) * size

    def _first_unfinished(self) -> sa.ScalarSelect[int]:
        open_states = TrialRecord.state.in_(("WAITING", "RUNNING"))
        query = sa.select(sa.func.min(TrialRecord.place)).where(TrialRecord.study_id == self._study_id, open_states)
        return query.correlate(None).scalar_subquery()

    def blocked(self) -> bool:
        """Whether places of a reproducible study wait only for other workers to end a generation."""
        if not self._spec.reproducible or self._leaving():
            return False
        waiting = (
            sa.select(TrialRecord.id)
            .join(StudyRecord, StudyRecord.id == TrialRecord.study_id)
            .where(StudyRecord.id == self._study_id, StudyRecord.state.in_(LIVE_STUDY), TrialRecord.state == "WAITING")
            .limit(1)
        )
        with self._store.reading() as session:
            return session.scalar(waiting) is not None

    def trials(self) -> list[FrozenTrial]:
        """All trials of the study, by number."""
        self._trial_ids, self._known, self._awaited = {}, -1, set()
        return self.news()

    def news(self) -> list[FrozenTrial]:
        """The trials that other workers opened since, or had not ended, by number."""
        with self._store.reading() as session:
            read = optuna_tables.read_trials(session, self._optuna_id, self._known, self._awaited)
        self._expect(max([self._known, *(trial.number for trial in read)]))
        self._awaited -= {trial.number for trial in read if trial.state.is_finished()}
        return read

    def _expect(self, number: int) -> None:
        """Await the trials up to this number, for in a reproducible study numbers are not opened in their order."""
        self._awaited |= {n for n in range(self._known + 1, number + 1) if n not in self._trial_ids}
        self._known = max(self._known, number)

    def open(self, claim: Claim, template: FrozenTrial) -> None:
        """Record a running trial with its params."""
        plan = claim.plan
        params = self._spec.space.hyperparameters(template.params).effective() if plan is None else plan.params
        try:
            with self._fenced(claim, number=template.number, params=params) as session:
                trial_id = optuna_tables.create_trial(session, self._optuna_id, template)
        except sa.exc.IntegrityError:
            raise NumberTakenError(f"trial {template.number} was opened by another worker") from None
        self._trial_ids[template.number] = trial_id
        self._expect(template.number)

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
                session.execute(sa.insert(CurveRecord), _curve(claim, outcome.result))
            self._end_when_done(session, failed=outcome.state == TrialState.FAIL)
            if outcome.state == TrialState.FAIL and outcome.reason is not None:
                self._rdb.set_trial_user_attr(trial_id, "reason", outcome.reason)
            steps = [(trial_id, step, value) for step, value in outcome.unreported]
            optuna_tables.set_intermediate_values(session, steps)
            optuna_tables.add_system_attributes(session, trial_id, outcome.attributes)
            optuna_tables.finish_trial(session, trial_id, outcome.state, outcome.values)

    def hand_back(self, claim: Claim) -> None:
        """Give the place up; the attempt does not count against it."""
        waiting = {"state": "WAITING", "worker": None, "token": None, "lease_expires_at": None}
        with self._fenced(claim, attempt=TrialRecord.attempt - 1, **waiting):
            pass

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
            comparisons.end(session, self._rdb, study, "completed", f"budget.timeout_seconds of {seconds:g} ran out")

    def _end_when_done(self, session: Session, *, failed: bool) -> None:
        these = TrialRecord.study_id == self._study_id
        borne = self._spec.budget.max_failed_trials
        if failed and borne is not None:
            count = session.scalar(sa.select(sa.func.count()).where(these, TrialRecord.state == "FAIL")) or 0
            if count > borne:
                self._end(session, "failed", f"{count} trials failed and budget.max_failed_trials is {borne}")
                return
        unfinished = sa.exists().where(these, TrialRecord.state.in_(("WAITING", "RUNNING")))
        if not session.scalar(sa.select(unfinished)):
            self._end(session, "completed", None)

    def _end(self, session: Session, state: str, reason: str | None) -> None:
        comparisons.end(session, self._rdb, session.get_one(StudyRecord, self._study_id), state, reason)


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


def _curve(claim: Claim, result: TrialResult) -> dict[str, Any]:
    columns = {name: [v if math.isfinite(v) else None for v in column] for name, column in result.curve.items()}
    return {"trial_id": claim.key, "curve": columns, "detail": result.detail}
