"""Pauses, resumes and stops a study with its comparison; all inside a `transactions.transaction` that has locked it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from service.errors import ConflictError
from service.storage import comparisons, history, lifecycle, transactions
from service.storage.history import Change
from service.storage.records import StudyRecord
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY, LIVE_STUDY, StudyState

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

#: For each state that a user may put a study into: the states it may come from, and the verb.
_CHANGES: dict[StudyState, tuple[Sequence[StudyState], Change]] = {
    StudyState.PAUSED: (LIVE_STUDY, Change.PAUSED),
    StudyState.RUNNING: ((StudyState.PAUSED,), Change.RESUMED),
    StudyState.STOPPED: (ACTIVE_STUDY, Change.STOPPED),
}


def set_state(session: Session, optuna: RDBStorage, study: StudyRecord, to: StudyState, who: str | None) -> None:
    """Put a study into a state: PAUSED, RUNNING (to resume) or STOPPED.

    Raises ConflictError when its own does not allow that.
    """
    allowed, verb = _CHANGES[to]
    comparing = study.comparison_state in ACTIVE_COMPARISON
    if study.state not in (to, *allowed) and not comparing:
        raise ConflictError(
            f"study '{study.name}' is {study.state} and cannot be {verb}; only a {' or '.join(allowed)} one can"
        )
    if to in possible_states(study):
        history.record(session, study, who, verb)
    lifecycle.count_pause(session, study, to)
    if to == StudyState.STOPPED:
        comparisons.stop(session, optuna, study)
        comparisons.end(session, optuna, study, StudyState.STOPPED, "stopped by the user")
        return
    comparisons.set_parts_state(session, study, to)
    if study.state in allowed or comparing:
        event = "study.paused" if to == StudyState.PAUSED else "study.resumed"
        transactions.note(session, event, study.id, study=study.name)
    if study.state in allowed:
        study.state = StudyState.QUEUED if to == StudyState.RUNNING and study.started_at is None else to


def possible_states(study: StudyRecord) -> frozenset[StudyState]:
    """The states that `set_state` would change something with."""
    comparing = study.comparison_state in ACTIVE_COMPARISON
    possible = {to for to, (allowed, _) in _CHANGES.items() if study.state in allowed or comparing}
    # Once it has ended, its comparison alone is paused.
    is_paused = study.state == StudyState.PAUSED or (comparing and study.paused_at is not None)
    return frozenset(possible - {StudyState.PAUSED if is_paused else StudyState.RUNNING})
