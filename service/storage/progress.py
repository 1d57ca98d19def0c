"""How far a study is with its whole comparison: trials and trainings that are done and to come, and the time left.

What a confirmation is still to train is planned round by round, so until its last round the whole is an estimate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.database import unix_now
from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY, OPEN_TRIAL
from studies.spec.resampling import Resampling

#: Models of a delivered mean, as datasets.splits divides for them, which would load scikit-learn for a listing.
_MOST_DELIVERED = 20


@dataclass(frozen=True, slots=True)
class Work:
    """Trials, and the trainings that they are."""

    trials: int = 0
    fits: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.trials + other.trials, self.fits + other.fits)


@dataclass(frozen=True, slots=True)
class Overall:
    """What is done of all that a study and its comparison train."""

    trials: int
    done: int
    fits: int
    fits_done: int
    seconds_left: float | None  # None while nothing is done


#: What is done of one study or part, and what is open.
_Counts = Mapping[int, tuple[Work, Work]]


def whole(session: Session, studies: Sequence[StudyRecord]) -> dict[int, Overall]:
    """How far each study is with its comparison, by its id; the number of queries does not grow with them."""
    return _overall(session, studies, own=True)


def of_comparison(session: Session, study: StudyRecord) -> Overall:
    """How far a study's comparison is, without the study's own trials."""
    return _overall(session, [study], own=False)[study.id]


def _overall(session: Session, studies: Sequence[StudyRecord], *, own: bool) -> dict[int, Overall]:
    parts: dict[int, list[StudyRecord]] = defaultdict(list)
    asked_for = [study.id for study in studies if study.comparison is not None]
    for part in session.scalars(sa.select(StudyRecord).where(StudyRecord.parent_id.in_(asked_for))):
        parts[part.parent_id or 0].append(part)
    families = {study.id: [study] * own + parts[study.id] for study in studies}
    counts = _counts(session, [member for family in families.values() for member in family])
    confirming = {part.parent_id or 0: part.id for family in parts.values() for part in family if not part.technique}
    plans = _plans(session, [confirming[study.id] for study in studies if _confirms(study) and study.id in confirming])
    now = session.scalar(sa.select(unix_now())) or 0.0
    found = {}
    for study in studies:
        done = sum((counts[member.id][0] for member in families[study.id]), Work())
        planned = plans.get(confirming.get(study.id, 0), ())
        left = sum((counts[member.id][1] for member in families[study.id]), _to_come(study, planned))
        seconds = _seconds_left(families[study.id], done, left, now)
        found[study.id] = Overall(done.trials + left.trials, done.trials, done.fits + left.fits, done.fits, seconds)
    return found


def _confirms(study: StudyRecord) -> bool:
    return study.comparison_state in ACTIVE_COMPARISON


def _counts(session: Session, members: Sequence[StudyRecord]) -> _Counts:
    """The rows are the budget, and those of an ended study that were never begun are gone."""
    planned = sa.func.sum(
        sa.case((TrialRecord.plan.is_not(None), sa.func.json_array_length(TrialRecord.plan["folds"])))
    )
    query = (
        sa.select(
            TrialRecord.study_id,
            TrialRecord.state.in_(OPEN_TRIAL),
            sa.func.count(),
            sa.func.count(TrialRecord.plan),
            sa.func.coalesce(planned, 0),
        )
        .where(TrialRecord.study_id.in_([member.id for member in members]))
        .group_by(TrialRecord.study_id, TrialRecord.state)
    )
    fits_of = {member.id: Resampling.model_validate(member.spec["resampling"]).fits for member in members}
    done, still = ({member.id: Work() for member in members} for _ in range(2))
    for study_id, is_open, trials, with_plan, plan_fits in session.execute(query):
        side = still if is_open else done
        side[study_id] += Work(trials, (trials - with_plan) * fits_of[study_id] + plan_fits)
    return {study_id: (done[study_id], still[study_id]) for study_id in done}


def _plans(session: Session, confirmations: Sequence[int]) -> dict[int, list[Mapping[str, Any]]]:
    query = sa.select(TrialRecord.study_id, TrialRecord.plan).where(TrialRecord.study_id.in_(confirmations))
    found: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for study_id, plan in session.execute(query):
        found[study_id].append(plan or {})
    return found


def _to_come(study: StudyRecord, plans: Sequence[Mapping[str, Any]]) -> Work:
    """What a confirmation will train beside what is planned: at most, for what surely loses is given no more folds."""
    asked = study.comparison
    if asked is None or not _confirms(study) or any(plan["test"] for plan in plans):
        return Work()
    repeats, folds, planned = asked["repeats"], asked["folds"], 0
    racing = names = set(asked["techniques"])
    if plans:
        last = max(max(plan["folds"]) for plan in plans)
        names = {plan["technique"] for plan in plans}
        racing = {plan["technique"] for plan in plans if last in plan["folds"]}
        planned = last // folds + 1
    rounds = Work((repeats - planned) * len(racing), (repeats - planned) * len(racing) * folds)
    return rounds + Work(len(names), len(names)) + _delivery(asked)


def _delivery(asked: Mapping[str, Any]) -> Work:
    fits = {"folds": _MOST_DELIVERED, "refit": 1, "split": 0}[asked["deliver"]]
    return Work(min(fits, 1), fits)


def _seconds_left(family: Sequence[StudyRecord], done: Work, left: Work, now: float) -> float | None:
    if not left.fits:
        return 0.0
    worked = _worked(family, now)
    return worked / done.fits * left.fits if done.fits and worked > 0 else None


def _worked(family: Iterable[StudyRecord], now: float) -> float:
    """Seconds in which any of these was worked at: a comparison may be asked for long after its study has ended."""
    begun = [member for member in family if member.started_at is not None]
    spans = sorted((member.started_at or 0.0, member.ended_at or now) for member in begun)
    seconds, until = 0.0, 0.0
    for start, end in spans:
        seconds += max(0.0, end - max(start, until))
        until = max(until, end)
    return seconds - max((_paused(member, now) for member in begun), default=0.0)


def _paused(member: StudyRecord, now: float) -> float:
    """Parts are paused with their study, so those of a family stand still at the same time."""
    stands = member.paused_at is not None and member.state in ACTIVE_STUDY
    return member.paused_seconds + (now - (member.paused_at or 0.0) if stands else 0.0)
