"""Queries of the API and the command line about studies and trials.

Those about comparisons are in comparison_store.py, those of workers in worker_store.py and ledger.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import isinf
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import ConflictError, NotFoundError
from service.storage import (
    accepting,
    comparisons,
    extending,
    history,
    lifecycle,
    listings,
    locking,
    missing_from_optuna,
    pausing,
    progress,
    quotas,
    ranking,
    repeats,
    transactions,
    user_trials,
    worker_limit,
)
from service.storage.connections import Connections
from service.storage.history import Change
from service.storage.pagination import Cursor, Page, Sort
from service.storage.progress import Progress
from service.storage.records import AttemptRecord, ChangeRecord, CurveRecord, StudyRecord, TrialRecord
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY, StudyState, TrialState
from studies.spec.budget import seconds_text
from studies.spec.study import StudySpec


class Store(Connections):
    """Studies and trials in the database, of the projects that its `access` sees.

    Every method is one transaction. Methods that take a name raise NotFoundError when no study has it.
    """

    # Studies

    def create_study(self, spec: StudySpec, project: str | None = None) -> StudyRecord:
        """Accept a study; see `accept`."""
        with self.transaction() as session:
            name = self.accept(session, spec, project).name
        return self.study(name)

    def accept(self, session: Session, spec: StudySpec, project: str | None = None) -> StudyRecord:
        """Add a study to a `transaction`; see accepting.accept.

        Without a project it goes where `Access.choose` says.
        """
        return accepting.accept(session, self.optuna, self.access, spec, self.access.choose(project))

    def study(self, name: str) -> StudyRecord:
        """One study."""
        with self.reading() as session:
            return locking.find(session, name)

    def studies(
        self,
        state: StudyState | None,
        limit: int,
        cursor: Cursor | None,
        name_part: str = "",
        project: str | None = None,
    ) -> Page[StudyRecord]:
        """A page of the studies whose names hold a text, newest first, without the parts of comparisons.

        Raises OtherListingError when the cursor is not of this listing, NotFoundError when there is no such project.
        """
        with self.reading() as session:
            if project is not None:
                project = quotas.find_project(session, self.access, project).name
            return listings.list_studies(session, state, limit, cursor, name_part, project)

    def dashboard_ids(self, names: Iterable[str]) -> dict[str, int]:
        """Optuna's id of each study, by name; the dashboard's addresses hold it."""
        optuna_studies = sa.table("studies", sa.column("study_id"), sa.column("study_name"))
        query = sa.select(optuna_studies.c.study_name, optuna_studies.c.study_id).where(
            optuna_studies.c.study_name.in_(list(names))
        )
        with self.reading() as session:
            return {row.study_name: row.study_id for row in session.execute(query)}

    def problems(self, studies: Sequence[StudyRecord]) -> dict[int, str]:
        """What is wrong with each study that workers cannot serve; see missing_from_optuna.py."""
        with self.reading() as session:
            return missing_from_optuna.problems(session, studies)

    def progress(self, studies: Sequence[StudyRecord]) -> dict[int, Progress]:
        """The trial counts of each study, by the study's id."""
        with self.reading() as session:
            return progress.count_trials(session, studies)

    def set_state(self, name: str, to: StudyState, etags: Collection[str] | None = None) -> StudyRecord:
        """Pause, resume or stop a study with its comparison: `to` is PAUSED, RUNNING or STOPPED.

        Raises ConflictError when its state does not allow that, PreconditionError when no etag is its own.
        """
        with self.transaction() as session:
            study = locking.find(session, name, lock=True)
            locking.check_etag(study, etags)
            pausing.set_state(session, self.optuna, study, to, self.access.name)
        return self.study(name)

    def change(
        self,
        name: str,
        *,
        priority: int | None = None,
        max_workers: float | None = None,
        budget: Mapping[str, Any] | None = None,
        etags: Collection[str] | None = None,
        max_active: int | None = None,
    ) -> StudyRecord:
        """Set priority and `max_workers` (inf: no limit) of a study and of its comparison's parts, extend its budget.

        None leaves a field as it is. See worker_limit.set_max_workers and extending.extend for what they refuse.

        Raises PreconditionError when no etag is its own.
        """
        with self.transaction() as session:
            study = locking.find(session, name, lock=True)
            locking.check_etag(study, etags)
            if budget:
                before = study.spec["budget"]
                with quotas.admitting(session, self.access, study.project):
                    extending.extend(session, study, budget, max_active)
                if study.spec["budget"] != before:
                    history.record(session, study, self.access.name, Change.EXTENDED, _say_budget(study))
            if priority is not None:
                if priority != study.priority:
                    history.record(session, study, self.access.name, Change.PRIORITY, f"to {priority}")
                together = sa.or_(StudyRecord.id == study.id, StudyRecord.parent_id == study.id)
                session.execute(sa.update(StudyRecord).where(together).values(priority=priority))
            limit = None if max_workers is None or isinf(max_workers) else int(max_workers)
            if max_workers is not None and limit != study.max_workers:
                worker_limit.set_max_workers(session, study, limit)
                details = "to no limit" if limit is None else f"to {limit}"
                history.record(session, study, self.access.name, Change.MAX_WORKERS, details)
            changed = dict(budget or {}) | ({} if priority is None else {"priority": priority})
            changed |= {} if max_workers is None else {"max_workers": limit}
            if changed:
                transactions.note(session, "study.changed", study.id, study=study.name, **changed)
        return self.study(name)

    def delete_study(
        self, name: str, *, force: bool, etags: Collection[str] | None = None, reason: str | None = None
    ) -> list[int]:
        """Delete a study with all its trials and its comparison, here and in Optuna; return the ids.

        The audit tells the `reason` if there is one.

        Raises ConflictError when it is a part of a comparison, or active and not `force`.
        Raises PreconditionError when no etag is its own.
        """
        with self.transaction() as session:
            study = locking.find(session, name, lock=True)
            locking.check_etag(study, etags)
            if study.parent_id is not None:
                raise ConflictError(f"'{name}' is a part of a comparison; delete the comparison of its study instead")
            active = study.state if study.state in ACTIVE_STUDY else study.comparison_state
            if active in (*ACTIVE_STUDY, *ACTIVE_COMPARISON) and not force:
                raise ConflictError(
                    f"study '{name}' is {active}; stop it first, or delete with ?force=true and lose its trials"
                )
            together = *comparisons.parts(session, study), study
            transactions.note(session, "study.deleted", study.id, study=study.name, reason=reason)
            return [lifecycle.remove(session, self.optuna, each) for each in together]

    # Trials

    def trials(
        self, name: str, states: Sequence[TrialState], sort: Sort, limit: int, cursor: Cursor | None
    ) -> Page[TrialRecord]:
        """A page of a study's trials that were asked.

        Raises OtherListingError when the cursor is not of this listing.
        """
        with self.reading() as session:
            return listings.list_trials(session, locking.find(session, name), states, sort, limit, cursor)

    def trial(self, name: str, number: int) -> TrialRecord:
        """One trial.

        Raises NotFoundError when the study has none of this number.
        """
        with self.reading() as session:
            trial = session.scalar(
                listings.asked_trials(locking.find(session, name)).where(TrialRecord.number == number)
            )
        if trial is None:
            raise NotFoundError(f"study '{name}' has no trial {number}")
        return trial

    def curve(self, trial: TrialRecord) -> dict[str, Any] | None:
        """A trial's learning curve, of a running one that of the epochs so far; None when it gave no result."""
        record = self._curve_record(trial)
        return None if record is None else record.curve

    def curves(self, name: str, numbers: Sequence[int]) -> list[tuple[TrialRecord, dict[str, Any]]]:
        """The learning curves of some trials of a study, by number; those that gave none are left out."""
        with self.reading() as session:
            asked = listings.asked_trials(locking.find(session, name)).where(TrialRecord.number.in_(numbers))
            query = asked.join(CurveRecord, CurveRecord.trial_id == TrialRecord.id).add_columns(CurveRecord.curve)
            return [(trial, curve) for trial, curve in session.execute(query.order_by(TrialRecord.number))]

    def detail(self, trial: TrialRecord) -> dict[str, Any] | None:
        """A finished trial's TrialResult.detail: its weights by layer, and its folds; None when it gave no result."""
        record = self._curve_record(trial)
        return None if record is None else record.detail

    def _curve_record(self, trial: TrialRecord) -> CurveRecord | None:
        with self.reading() as session:
            return session.get(CurveRecord, trial.id)

    def best(self, study: StudyRecord) -> list[TrialRecord]:
        """The best complete trial, or the Pareto front of several objectives; empty when none is complete."""
        with self.reading() as session:
            return ranking.best_trials(session, study)

    def best_by_study(self, studies: Sequence[StudyRecord]) -> dict[int, TrialRecord]:
        """The best complete trial of each study of one objective that has one, by the study's id."""
        with self.reading() as session:
            return ranking.best_by_study(session, studies)

    def repeat_values(self, study: StudyRecord, number: int | None) -> list[float]:
        """The values of a trial's params under other seeds; empty of a trial that was not the best."""
        with self.reading() as session:
            return repeats.values(session, study, number)

    def attempts(self, trial: TrialRecord) -> list[AttemptRecord]:
        """Every attempt at a trial, in order."""
        query = sa.select(AttemptRecord).where(AttemptRecord.trial_id == trial.id).order_by(AttemptRecord.attempt)
        with self.reading() as session:
            return list(session.scalars(query))

    def mark_invalid(self, name: str, number: int, reason: str, etags: Collection[str] | None = None) -> TrialRecord:
        """Make a finished trial FAIL: no sampler learns from it, and no ranking shows it.

        Raises PreconditionError when no etag is the study's, else as user_trials.mark_invalid.
        """
        with self.transaction() as session:
            study = locking.find(session, name, lock=True)
            locking.check_etag(study, etags)
            user_trials.mark_invalid(session, study, number, reason)
            history.record(session, study, self.access.name, Change.INVALIDATED, f"{number}: {reason}")
            transactions.note(session, "trial.invalidated", study.id, study=study.name, trial=number)
        return self.trial(name, number)

    def changes(self, name: str, limit: int, cursor: Cursor | None) -> Page[ChangeRecord]:
        """A page of what was done with a study, the latest first.

        Raises OtherListingError when the cursor is not of this listing.
        """
        with self.reading() as session:
            return history.read(session, locking.find(session, name), limit, cursor)


def _say_budget(study: StudyRecord) -> str:
    budget = study.parsed_spec.budget
    time = "" if budget.timeout_seconds is None else f" and {seconds_text(budget.timeout_seconds)} seconds"
    return f"to {budget.trials} trials{time}"
