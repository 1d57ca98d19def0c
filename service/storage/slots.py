"""The slots of a study's budget; all inside a `transactions.transaction` that has locked it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import TrialState
from studies.plan import Plan


def add_slots(session: Session, study: StudyRecord, plans: Sequence[Plan]) -> None:
    """Add planned trials to the budget of a locked study."""
    if plans:
        budget = study.spec["budget"]
        insert_slots(session, study, plans, budget["trials"])
        study.spec = {**study.spec, "budget": {**budget, "trials": budget["trials"] + len(plans)}}


def add_repeats(session: Session, study: StudyRecord, plans: Sequence[Plan]) -> None:
    """Add repeats of a locked study's best trial; their slots stand beyond its budget."""
    if plans:
        insert_slots(session, study, plans, study.spec["budget"]["trials"])


def insert_slots(session: Session, study: StudyRecord, plans: Sequence[Plan | None], first: int) -> None:
    """Add a slot for each plan, from a place on; None for a trial whose params a sampler gives."""
    slots = [_new_slot(study, first + index, plan) for index, plan in enumerate(plans)]
    session.execute(sa.insert(TrialRecord), slots)


def _new_slot(study: StudyRecord, slot: int, plan: Plan | None = None) -> dict[str, Any]:
    enqueued = study.parsed_spec.enqueued
    return {
        "study_id": study.id,
        "slot": slot,
        "state": TrialState.WAITING,
        "attempt": 0,
        "setbacks": 0,
        "plan": None if plan is None else plan.document(),
        "enqueued_params": enqueued[slot] if plan is None and slot < len(enqueued) else None,
    }


def add_missing_slots(session: Session, study: StudyRecord) -> int:
    """Add the slots of a locked study's budget that are not there; return their number."""
    there = set(session.scalars(sa.select(TrialRecord.slot).where(TrialRecord.study_id == study.id)))
    missing = [slot for slot in range(study.spec["budget"]["trials"]) if slot not in there]
    if missing:
        session.execute(sa.insert(TrialRecord), [_new_slot(study, slot) for slot in missing])
    return len(missing)
