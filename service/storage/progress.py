"""Counts the trials and trainings of studies with their comparisons, done and to come, and estimates the time left.

A confirmation plans its trainings round by round, so until its last round what is to come is an estimate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.clock import unix_now
from service.storage.records import StudyRecord, TrialRecord, in_budget
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY, OPEN_TRIAL, TrialState
from studies.spec.comparison import MAX_DELIVERED
from studies.spec.resampling import Resampling


@dataclass(frozen=True, slots=True)
class Progress:
    """The number of a study's trials in each state; `trials` is the budget."""

    trials: int
    complete: int = 0
    pruned: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0


#: The field of Progress that counts trials of a state.
_COUNTED = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True, slots=True)
class Work:
    """A number of trials, and of the trainings that they consist of."""

    trials: int = 0
    fits: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.trials + other.trials, self.fits + other.fits)


@dataclass(frozen=True, slots=True)
class Overall:
    """The work of a study and its comparison, and how much of it is done."""

    trials: int
    done: int
    fits: int
    fits_done: int
    seconds_left: float | None  # None while nothing is done


#: Of each study or part, by its id: the work done, and the work that waits or runs.
_Counts = Mapping[int, tuple[Work, Work]]


def count_trials(session: Session, studies: Sequence[StudyRecord]) -> dict[int, Progress]:
    """Count the trials of each study by their state, by the study's id."""
    query = (
        sa.select(TrialRecord.study_id, TrialRecord.state, sa.func.count())
        .where(TrialRecord.study_id.in_([study.id for study in studies]), in_budget(studies))
        .group_by(TrialRecord.study_id, TrialRecord.state)
    )
    counts: dict[int, dict[str, int]] = {study.id: {} for study in studies}
    for study_id, state, count in session.execute(query):
        counts[study_id][_COUNTED[state]] = count
    return {study.id: Progress(study.spec["budget"]["trials"], **counts[study.id]) for study in studies}


def count_with_comparisons(session: Session, studies: Sequence[StudyRecord]) -> dict[int, Overall]:
    """The progress of each study with its comparison, by its id; the number of queries does not grow with them."""
    return _overall(session, studies, include_study=True)


def count_comparison(session: Session, study: StudyRecord) -> Overall:
    """The progress of a study's comparison, without the study's own trials."""
    return _overall(session, [study], include_study=False)[study.id]


def _overall(session: Session, studies: Sequence[StudyRecord], *, include_study: bool) -> dict[int, Overall]:
    parts: dict[int, list[StudyRecord]] = defaultdict(list)
    compared = [study.id for study in studies if study.comparison is not None]
    for part in session.scalars(sa.select(StudyRecord).where(StudyRecord.parent_id.in_(compared))):
        parts[part.parent_id or 0].append(part)
    members = {study.id: [study] * include_study + parts[study.id] for study in studies}
    counts = _counts(session, [record for records in members.values() for record in records])
    confirmations = {part.parent_id or 0: part.id for each in parts.values() for part in each if not part.technique}
    plans = _plans(session, [confirmations[s.id] for s in studies if _is_active(s) and s.id in confirmations])
    now = session.scalar(sa.select(unix_now())) or 0.0
    overall = {}
    for study in studies:
        records = members[study.id]
        done = sum((counts[record.id][0] for record in records), Work())
        to_plan = _work_to_plan(study, plans.get(confirmations.get(study.id, 0), ()))
        if include_study and study.state in ACTIVE_STUDY:
            to_plan += _repeats_to_plan(study, sum((counts[study.id][0], counts[study.id][1]), Work()))
        left = sum((counts[record.id][1] for record in records), to_plan)
        seconds = _seconds_left(records, done, left, now)
        overall[study.id] = Overall(done.trials + left.trials, done.trials, done.fits + left.fits, done.fits, seconds)
    return overall


def _is_active(study: StudyRecord) -> bool:
    return study.comparison_state in ACTIVE_COMPARISON


def _counts(session: Session, records: Sequence[StudyRecord]) -> _Counts:
    """Count the rows, which are the budget; an ended study has none for trials that were never begun."""
    ids = [record.id for record in records]
    state, count, of_records = TrialRecord.state, sa.func.count(), TrialRecord.study_id.in_(ids)
    grouped = TrialRecord.study_id, state
    all_trials = sa.select(*grouped, count).where(of_records).group_by(*grouped)
    plan_fits = sa.func.sum(sa.func.json_array_length(TrialRecord.plan["folds"]))
    of_plans = sa.select(*grouped, count, plan_fits).where(of_records, TrialRecord.plan.is_not(None)).group_by(*grouped)
    planned = {(row[0], row[1]): (row[2], row[3]) for row in session.execute(of_plans)}
    # The parts' specs are not validated whole: a listing needs nothing else of them.
    fits_of = {record.id: Resampling.model_validate(record.spec["resampling"]).fits for record in records}
    done, left = ({record.id: Work() for record in records} for _ in range(2))
    for study_id, trial_state, trials in session.execute(all_trials):
        with_plan, fits = planned.get((study_id, trial_state), (0, 0))
        counted = left if trial_state in OPEN_TRIAL else done
        counted[study_id] += Work(trials, (trials - with_plan) * fits_of[study_id] + fits)
    return {study_id: (done[study_id], left[study_id]) for study_id in done}


def _plans(session: Session, confirmations: Sequence[int]) -> dict[int, list[Mapping[str, Any]]]:
    query = sa.select(TrialRecord.study_id, TrialRecord.plan).where(TrialRecord.study_id.in_(confirmations))
    plans: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for study_id, plan in session.execute(query):
        plans[study_id].append(plan or {})
    return plans


def _work_to_plan(study: StudyRecord, plans: Sequence[Mapping[str, Any]]) -> Work:
    """The work that a confirmation has yet to plan; an upper bound, for a candidate that lost gets no more folds."""
    comparison = study.comparison
    if comparison is None or not _is_active(study) or any(plan["test"] for plan in plans):
        return Work()
    repeats, folds, planned = comparison["repeats"], comparison["folds"], 0
    racing = names = set(comparison["techniques"])
    if plans:
        last_fold = max(max(plan["folds"]) for plan in plans)
        names = {plan["technique"] for plan in plans}
        racing = {plan["technique"] for plan in plans if last_fold in plan["folds"]}
        planned = last_fold // folds + 1
    rounds = Work((repeats - planned) * len(racing), (repeats - planned) * len(racing) * folds)
    return rounds + Work(len(names), len(names)) + _delivery(comparison)


def _repeats_to_plan(study: StudyRecord, so_far: Work) -> Work:
    """The repeats of the best trial, until they are planned."""
    spec = study.parsed_spec
    repeats = 0 if so_far.trials > spec.budget.trials else spec.repeats_of_best
    return Work(repeats, repeats * spec.resampling.fits)


def _delivery(comparison: Mapping[str, Any]) -> Work:
    fits = MAX_DELIVERED[comparison["deliver"]]
    return Work(min(fits, 1), fits)


def _seconds_left(records: Sequence[StudyRecord], done: Work, left: Work, now: float) -> float | None:
    if not left.fits:
        return 0.0
    seconds = _seconds_worked(records, now)
    return seconds / done.fits * left.fits if done.fits and seconds > 0 else None


def _seconds_worked(records: Iterable[StudyRecord], now: float) -> float:
    """Seconds in which any of these studies ran: a comparison may begin long after its study has ended.

    A pause counts as if it came first: parts are paused with their study, so that they still overlap.
    """
    begun = [record for record in records if record.started_at is not None]
    spans = sorted(
        ((record.started_at or 0.0) + _seconds_paused(record, now), record.ended_at or now) for record in begun
    )
    seconds, until = 0.0, 0.0
    for start, end in spans:
        seconds += max(0.0, end - max(start, until))
        until = max(until, end)
    return seconds


def _seconds_paused(record: StudyRecord, now: float) -> float:
    """Seconds in which a study was paused, or had ended before it was extended."""
    is_paused = record.paused_at is not None and record.state in ACTIVE_STUDY
    return record.paused_seconds + (now - (record.paused_at or 0.0) if is_paused else 0.0)
