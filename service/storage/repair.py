"""Mends what `db check` finds between our records and Optuna's tables, and in leases and budgets; see `mend`.

Our records lead. What another program has deleted in Optuna's tables is made again from them, and what it has told is
written over. What only Optuna's tables held is lost: what the sampler drew without effect is drawn anew, and the values
of epochs are those of the kept curves.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import sqlalchemy as sa
import structlog
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState
from sqlalchemy.orm import Session

from service.storage import (
    attempts,
    comparisons,
    database_errors,
    lifecycle,
    locking,
    optuna_reading,
    optuna_tables,
    slots,
    transactions,
    trial_attributes,
)
from service.storage.clock import unix_now
from service.storage.invariants import differs_in_optuna, lacking_params
from service.storage.optuna_templates import curve_steps, template
from service.storage.records import AttemptRecord, CurveRecord, StudyRecord, TrialRecord, running
from service.storage.states import ACTIVE_STUDY, ENDED_TRIAL, OPEN_TRIAL, Ending, StudyState, TrialState
from service.storage.store import Store
from studies.sweep.pruning import is_rung

_log = structlog.get_logger(__name__)
_RELEASED = "released by `regsweep db check --repair`"


def mend(store: Store) -> list[str]:
    """Mend every study, each in one transaction; return a sentence for each thing done, or that could not be.

    Studies may run meanwhile: whoever loses a lease here hands in nothing any more.
    """
    with transactions.transaction(store.optuna) as session:
        orphans = optuna_tables.delete_orphans(session)
    with store.reading() as session:
        ids = session.scalars(sa.select(StudyRecord.id).order_by(StudyRecord.id)).all()
    done = [f"{orphans} trials in Optuna's tables were of no study and were removed"] if orphans else []
    return done + [sentence for study_id in ids for sentence in _mend_study(store, study_id)]


def _mend_study(store: Store, study_id: int) -> list[str]:
    name = str(study_id)
    try:
        with transactions.transaction(store.optuna) as session:
            study = locking.lock_study(session, study_id)
            if study is None:
                return []
            name = study.name
            steps = _optuna_half, _leases, _slots
            done = [sentence for step in steps for sentence in step(session, store, study)]
            if done:
                transactions.note(session, "study.repaired", study_id, study=name, what="; ".join(done))
    # One study that cannot be mended must not keep the others from it.
    except Exception as error:
        if database_errors.may_pass(error):
            raise
        _log.exception("a study cannot be mended", study=name)
        return [f"study '{name}' cannot be mended, and nothing of it was changed ({error}); it can be deleted"]
    return [f"study '{name}': {what}" for what in done]


def _optuna_half(session: Session, store: Store, study: StudyRecord) -> Iterator[str]:
    asked = sa.select(TrialRecord).where(TrialRecord.study_id == study.id, TrialRecord.number.is_not(None))
    trials = session.scalars(asked.order_by(TrialRecord.number)).all()
    optuna_id = optuna_tables.find_study(session, study.name)
    if optuna_id is None:
        parent = None if study.parent_id is None else session.get_one(StudyRecord, study.parent_id).name
        optuna_id = lifecycle.create_optuna_study(session, store.optuna, study, parent)
        for trial in trials:
            _make_again(session, study, optuna_id, trial)
        yield f"was missing from Optuna's tables and was made again there, with {len(trials)} trials"
        return
    theirs = {trial.number: trial for trial in optuna_reading.read_trials(session, optuna_id, -1, ())}
    for trial in trials:
        yield from _optuna_trial(session, study, optuna_id, trial, theirs.get(trial.number or 0))


def _optuna_trial(
    session: Session, study: StudyRecord, optuna_id: int, trial: TrialRecord, theirs: FrozenTrial | None
) -> Iterator[str]:
    if theirs is None or lacking_params(study, trial, theirs):
        if (unreadable := optuna_tables.find_trial(session, optuna_id, trial.number or 0)) is not None:
            optuna_tables.delete_trial(session, unreadable)
        _make_again(session, study, optuna_id, trial)
        yield f"trial {trial.number} was missing from Optuna's tables, or parts of it, and was made again there"
    elif (difference := differs_in_optuna(trial, theirs)) is not None:
        if trial.state in ENDED_TRIAL:
            optuna_tables.finish_trial(session, theirs._trial_id, OptunaState[trial.state], trial.values)
        else:
            optuna_tables.reopen_trial(session, theirs._trial_id)
        yield f"{difference}; Optuna's now say the same as ours"


def _make_again(session: Session, study: StudyRecord, optuna_id: int, trial: TrialRecord) -> None:
    """Make a trial in Optuna's tables from its record."""
    made = template(study, trial)
    optuna_trial_id = optuna_tables.create_trial(session, optuna_id, made)
    shown = trial_attributes.of_record(trial, made, study.parsed_spec.objectives)
    optuna_tables.add_user_attributes(session, optuna_trial_id, shown)
    steps = _steps(session, study, trial)
    optuna_tables.set_intermediate_values(session, [(optuna_trial_id, step, value) for step, value in steps.items()])
    if trial.state in ENDED_TRIAL:
        ended = None if trial.ended_at is None else datetime.fromtimestamp(trial.ended_at, UTC)
        optuna_tables.finish_trial(session, optuna_trial_id, OptunaState[trial.state], trial.values, ended)


def _steps(session: Session, study: StudyRecord, trial: TrialRecord) -> dict[int, float]:
    """The values at the epochs where a pruner judges, of a trial of one training."""
    curve = None if trial.plan is not None else session.get(CurveRecord, trial.id)
    steps = curve_steps(study.parsed_spec, None if curve is None else curve.curve)
    return {epoch: value for epoch, value in steps.items() if is_rung(epoch)}


def _leases(session: Session, store: Store, study: StudyRecord) -> Iterator[str]:
    in_study, is_running = TrialRecord.study_id == study.id, TrialRecord.state == TrialState.RUNNING
    held = sa.or_(TrialRecord.token.is_not(None), TrialRecord.lease_expires_at.is_not(None))
    idle = sa.update(TrialRecord).where(in_study, ~is_running, held)
    if count := session.execute(idle.values(token=None, lease_expires_at=None).returning(TrialRecord.id)).all():
        yield f"{len(count)} trials that do not run were released"
    unheld = sa.or_(TrialRecord.token.is_(None), TrialRecord.lease_expires_at.is_(None))
    lost = sa.and_(in_study, running(), sa.or_(unheld, TrialRecord.lease_expires_at < unix_now()))
    if freed := attempts.end_attempts(session, store.optuna, lost, Ending.LOST, _RELEASED):
        yield f"{freed} trials that nobody held, or longer than their lease, were released"
    ids = sa.select(TrialRecord.id).where(in_study, ~is_running)
    still_open = sa.update(AttemptRecord).where(AttemptRecord.trial_id.in_(ids), AttemptRecord.ending.is_(None))
    ended = still_open.values(ending=Ending.LOST, reason=_RELEASED, ended_at=unix_now())
    if count := session.execute(ended.returning(AttemptRecord.trial_id)).all():
        yield f"{len(count)} attempts at trials that do not run were ended"


def _slots(session: Session, store: Store, study: StudyRecord) -> Iterator[str]:
    session.refresh(study)
    if study.state not in ACTIVE_STUDY:
        waiting = TrialRecord.study_id == study.id, TrialRecord.state == TrialState.WAITING
        if count := session.scalar(sa.select(sa.func.count()).where(*waiting)):
            lifecycle.close_slots(session, study, TrialRecord.state == TrialState.WAITING)
            comparisons.settle(session, store.optuna, study)
            yield f"{count} slots that waited after its end were closed"
        return
    if added := slots.add_missing_slots(session, study):
        yield f"{added} slots of its budget were missing and were added"
    is_open = sa.exists().where(TrialRecord.study_id == study.id, TrialRecord.state.in_(OPEN_TRIAL))
    if study.state != StudyState.PAUSED and not session.scalar(sa.select(is_open)):
        comparisons.end_when_done(session, store.optuna, study, failed=False)
        yield "all its trials had ended, and it was still active: it went on, or ended"
