"""Plans trainings of a study's best params with other seeds, and reads how their values differ.

The best of many trials was lucky as well as good. Its repeats begin in the transaction that ends the last trial, stand
beyond the budget, and are neither ranked nor told to Optuna: a lucky repeat is no better trial.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage import locking, ranking
from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import TrialState
from studies.plan import Plan


def plan(session: Session, study: StudyRecord) -> list[Plan]:
    """Plan the repeats of a study whose trials have all ended; none when it wants none or has planned them."""
    spec = study.parsed_spec
    if not spec.repeats_of_best or session.scalar(sa.select(sa.exists().where(*_repeats(study)))):
        return []
    best = ranking.best_trial(session, study)
    if best is None or best.number is None or best.params is None:
        return []
    return [Plan.repeat(best.number, best.params, spec.resampling.fits)] * spec.repeats_of_best


def remove(session: Session, study: StudyRecord) -> None:
    """Remove the repeats of a locked study, which begins to have more trials; who trains one loses its lease.

    A worker that trains one knows the budget before, and claims none of the new slots: to it the numbers of their
    trials are those of the repeats.
    """
    locking.lock_trials(session, sa.and_(*_repeats(study)))
    session.execute(sa.delete(TrialRecord).where(*_repeats(study)))


def values(session: Session, study: StudyRecord, number: int | None) -> list[float]:
    """The values of a trial's complete repeats, in their order; empty of a trial that was not the best."""
    query = sa.select(TrialRecord).where(*_repeats(study), TrialRecord.state == TrialState.COMPLETE)
    repeats = session.scalars(query.order_by(TrialRecord.slot)).all()
    return [r.value for r in repeats if r.value is not None and Plan.read(r.plan or {}).repeat_of == number]


def _repeats(study: StudyRecord) -> tuple[sa.ColumnElement[bool], ...]:
    return TrialRecord.study_id == study.id, TrialRecord.slot >= study.spec["budget"]["trials"]
