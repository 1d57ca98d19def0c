"""Queries of the API about comparisons; comparisons.py begins and ends their steps."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import ConflictError, NotFoundError
from service.storage import comparisons, history, lifecycle, locking, quotas, transactions
from service.storage.history import Change
from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY, TrialState
from service.storage.store import Store
from studies.plan import Plan
from studies.spec.comparison import ComparisonSpec


class ComparisonStore:
    """Comparisons in the database.

    Every method is one transaction. Methods that take a name raise NotFoundError when no study has it and, but for
    `begin`, when the study has no comparison.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(
        self,
        name: str,
        comparison: ComparisonSpec,
        etags: Collection[str] | None = None,
        max_active: int | None = None,
    ) -> StudyRecord:
        """Begin a study's comparison.

        Raises ConflictError when the study has one, is a part of one, or has ended while `max_active` studies have not.
        Raises InvalidSpecError when the comparison does not suit the study.
        """
        with self._store.transaction() as session:
            study = locking.find(session, name, lock=True)
            locking.check_etag(study, etags)
            if study.parent_id is not None:
                raise ConflictError(
                    f"'{name}' is a part of a comparison itself; ask for one of the study it belongs to"
                )
            if study.comparison is not None:
                raise ConflictError(
                    f"study '{name}' has a comparison, which is {study.comparison_state}; GET its /comparison shows "
                    "it, and DELETE its /comparison makes room for another"
                )
            if max_active is not None and study.state not in ACTIVE_STUDY:
                locking.check_room(session, max_active)
            with quotas.admitting(session, self._store.access, study.project):
                comparisons.begin(session, self._store.optuna, study, comparison)
            study.compared_by = self._store.access.name
            self._record(session, study, Change.COMPARED)
        return self._store.study(name)

    def stop(self, name: str, etags: Collection[str] | None = None) -> StudyRecord:
        """End a study's comparison with the results it has; do nothing when it has ended."""
        with self._store.transaction() as session:
            study = _compared_study(session, name, lock=True)
            locking.check_etag(study, etags)
            if study.comparison_state in ACTIVE_COMPARISON:
                self._record(session, study, Change.COMPARISON_STOPPED)
            comparisons.stop(session, self._store.optuna, study)
        return self._store.study(name)

    def delete(self, name: str, etags: Collection[str] | None = None) -> list[int]:
        """Delete a study's comparison, also one that has not ended; return the ids of its parts."""
        with self._store.transaction() as session:
            study = _compared_study(session, name, lock=True)
            locking.check_etag(study, etags)
            study.comparison, study.comparison_state = None, None
            study.published, study.answer, study.compared_by = None, None, None
            self._record(session, study, Change.COMPARISON_DELETED)
            transactions.note(session, "comparison.deleted", study.id, study=study.name)
            return [lifecycle.remove(session, self._store.optuna, part) for part in comparisons.parts(session, study)]

    def _record(self, session: Session, study: StudyRecord, what: Change) -> None:
        history.record(session, study, self._store.access.name, what)

    def study(self, name: str) -> StudyRecord:
        """A study that has a comparison."""
        with self._store.reading() as session:
            return _compared_study(session, name)

    def parts(self, study: StudyRecord) -> list[StudyRecord]:
        """The studies of a study's comparison, in the order they began."""
        with self._store.reading() as session:
            return list(comparisons.parts(session, study))

    def parts_by_study(self, studies: Sequence[StudyRecord]) -> dict[int, list[StudyRecord]]:
        """The parts of several studies' comparisons, in the order they began, by the study's id; in one query."""
        compared = [study.id for study in studies if study.comparison is not None]
        query = sa.select(StudyRecord).where(StudyRecord.parent_id.in_(compared)).order_by(StudyRecord.id)
        parts: dict[int, list[StudyRecord]] = {study.id: [] for study in studies}
        with self._store.reading() as session:
            for part in session.scalars(query):
                parts[part.parent_id or 0].append(part)
        return parts

    def find_tested(self, study: StudyRecord, technique: str) -> TrialRecord | None:
        """Find the trial that trained a candidate for the test part; None where its model is not kept."""
        trials = self._trials_with_model(study)
        return next((trial for trial, plan in trials if plan.test and plan.technique == technique), None)

    def find_delivered(self, study: StudyRecord, technique: str) -> TrialRecord | None:
        """Find the trial that trained a candidate for delivery; None where an older version recommended another."""
        trials = self._trials_with_model(study)
        return next((trial for trial, plan in trials if plan.deliver is not None and plan.technique == technique), None)

    def _trials_with_model(self, study: StudyRecord) -> list[tuple[TrialRecord, Plan]]:
        """The complete trials of a confirmation whose models are kept, with their plans."""
        confirmations = sa.select(StudyRecord.id).where(
            StudyRecord.parent_id == study.id, StudyRecord.technique.is_(None)
        )
        query = sa.select(TrialRecord).where(
            TrialRecord.study_id.in_(confirmations),
            TrialRecord.state == TrialState.COMPLETE,
            TrialRecord.model.is_not(None),
        )
        with self._store.reading() as session:
            return [(trial, Plan.read(trial.plan)) for trial in session.scalars(query) if trial.plan]


def _compared_study(session: Session, name: str, *, lock: bool = False) -> StudyRecord:
    study = locking.find(session, name, lock=lock)
    if study.comparison is None:
        raise NotFoundError(f"study '{name}' has no comparison; POST to its /comparison asks for one")
    return study
