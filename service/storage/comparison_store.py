"""The API's queries of comparisons. What makes their steps follow each other stands in comparisons.py."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import ConflictError, NotFoundError
from service.storage import comparisons, database, lifecycle
from service.storage.admission import check_room
from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import ACTIVE_STUDY, TrialState
from service.storage.store import Store
from studies.plan import Plan
from studies.spec.comparison import ComparisonSpec


class ComparisonStore:
    """Comparisons in the database.

    Every method is one transaction. Methods that take a name raise NotFoundError when no study has it, and, but for
    `ask`, when the study has no comparison.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def ask(
        self, name: str, comparison: ComparisonSpec, tags: Collection[str] | None = None, most: int | None = None
    ) -> StudyRecord:
        """Begin a study's comparison; ConflictError when it has one, or when it has ended and `most` have not yet;
        InvalidSpecError when it does not suit it.
        """
        with database.transaction(self._store.optuna) as session:
            study = lifecycle.find(session, name, lock=True)
            lifecycle.expect(study, tags)
            if study.parent_id is not None:
                raise ConflictError(
                    f"'{name}' is a part of a comparison itself; ask for one of the study it belongs to"
                )
            if study.comparison is not None:
                raise ConflictError(
                    f"study '{name}' has a comparison, which is {study.comparison_state}; GET its /comparison shows "
                    "it, and DELETE its /comparison makes room for another"
                )
            if most is not None and study.state not in ACTIVE_STUDY:
                check_room(session, most)
            comparisons.begin(session, self._store.optuna, study, comparison)
        return self._store.study(name)

    def stop(self, name: str, tags: Collection[str] | None = None) -> StudyRecord:
        """End a study's comparison with what it has; nothing happens when it has ended."""
        with database.transaction(self._store.optuna) as session:
            study = _compared(session, name, lock=True)
            lifecycle.expect(study, tags)
            comparisons.stop(session, self._store.optuna, study)
        return self._store.study(name)

    def delete(self, name: str, tags: Collection[str] | None = None) -> list[int]:
        """Delete a study's comparison, also one that is not finished; the ids of its parts."""
        with database.transaction(self._store.optuna) as session:
            study = _compared(session, name, lock=True)
            lifecycle.expect(study, tags)
            study.comparison, study.comparison_state, study.published = None, None, None
            return [lifecycle.remove(session, self._store.optuna, part) for part in comparisons.parts(session, study)]

    def study(self, name: str) -> StudyRecord:
        """A study that has a comparison; NotFoundError when it has none."""
        with self._store.reading() as session:
            return _compared(session, name)

    def parts(self, study: StudyRecord) -> list[StudyRecord]:
        """The studies of a study's comparison, in the order they began."""
        with self._store.reading() as session:
            return list(comparisons.parts(session, study))

    def final(self, study: StudyRecord, technique: str) -> TrialRecord | None:
        """The trial that a comparison trained last with a candidate's parameters, if its model is kept."""
        return next((t for t, plan in self._kept(study) if plan.test and plan.technique == technique), None)

    def delivered(self, study: StudyRecord, technique: str) -> TrialRecord | None:
        """The trial that trained a candidate for delivery, if there is one: another version may recommend another."""
        kept = self._kept(study)
        return next((t for t, plan in kept if plan.deliver is not None and plan.technique == technique), None)

    def _kept(self, study: StudyRecord) -> list[tuple[TrialRecord, Plan]]:
        """The complete trials of a comparison whose models are kept."""
        confirming = sa.select(StudyRecord.id).where(StudyRecord.parent_id == study.id, StudyRecord.technique.is_(None))
        query = sa.select(TrialRecord).where(
            TrialRecord.study_id.in_(confirming),
            TrialRecord.state == TrialState.COMPLETE,
            TrialRecord.model.is_not(None),
        )
        with self._store.reading() as session:
            return [(trial, Plan.read(trial.plan)) for trial in session.scalars(query) if trial.plan]


def _compared(session: Session, name: str, *, lock: bool = False) -> StudyRecord:
    """The study, which must have a comparison."""
    study = lifecycle.find(session, name, lock=lock)
    if study.comparison is None:
        raise NotFoundError(f"study '{name}' has no comparison; POST to its /comparison asks for one")
    return study
