"""The confirmation of a comparison: rounds of planned trials, what they have found, and what the next round is.

A round begins in the transaction that ends the last. What has surely lost is given no more folds, and after the first
round cocktails join, with the folds that they have missed. At last every candidate is trained for the test part, and
the recommended one for delivery.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.records import CurveRecord, StudyRecord, TrialRecord
from service.storage.states import TrialState
from studies.analysis.candidates import CANDIDATES
from studies.analysis.cocktails import cocktails
from studies.analysis.comparison import compare
from studies.analysis.fits import Fit, Fits, RowCounts
from studies.analysis.racing import rounds, survivors
from studies.analysis.results import Comparison
from studies.plan import Plan
from studies.spec.comparison import ComparisonSpec

Params = Mapping[str, Any]
#: A complete planned trial: its plan, and what it gave in detail.
Planned = tuple[Plan, Mapping[str, Any]]


def first_round(comparison: ComparisonSpec, params: Mapping[str, Params]) -> list[Plan]:
    """The plans that a confirmation begins with, from the best parameters of each technique."""
    return _plans(comparison, params, list(params), [(name, rounds(comparison.repeats)[0]) for name in params])


def next_round(session: Session, whole: StudyRecord, confirmation: StudyRecord) -> list[Plan]:
    """What follows when everything planned has ended; nothing after the last round."""
    plans = _all_plans(session, confirmation)
    if not plans or any(plan.test for plan in plans):
        return []
    asked = whole.parsed_comparison
    params = {plan.technique: plan.params for plan in plans}
    found = result(session, whole, confirmation)
    ended = 1 + max(fold for plan in plans for fold in plan.folds) // asked.folds
    following = next((repeats for repeats in rounds(asked.repeats) if repeats.start == ended), None)
    if following is None or found is None:
        return _last(session, asked, params, found, confirmation)
    racing: Sequence[str] = plans[-1].racing
    fresh: dict[str, dict[str, Any]] = {}
    if asked.cocktails and ended == rounds(asked.repeats)[0].stop:
        best_first = sorted(found.techniques, key=lambda row: row.regret)
        fresh = cocktails(params, [row.technique for row in best_first])
    keeps_up = {row.technique: row.keeps_up for row in found.techniques if row.technique in racing}
    racing = [*(survivors(keeps_up) if asked.racing else keeps_up), *fresh]
    caught_up = [(name, range(following.start)) for name in fresh]
    return _plans(asked, {**params, **fresh}, racing, [*caught_up, *((name, following) for name in racing)])


def _plans(
    asked: ComparisonSpec, params: Mapping[str, Params], racing: Sequence[str], repeats: Iterable[tuple[str, range]]
) -> list[Plan]:
    """A plan a candidate and repeat, repeat by repeat, so that what a stopped comparison has is of all of them."""
    # Optuna wants the choices of a param to be the same in all trials, so every plan lists all candidates.
    each = sorted(((repeat, name) for name, these in repeats for repeat in these), key=lambda pair: pair[0])
    return [
        Plan(name, CANDIDATES, params[name], range(repeat * asked.folds, (repeat + 1) * asked.folds), racing=racing)
        for repeat, name in each
    ]


def _last(
    session: Session,
    asked: ComparisonSpec,
    params: Mapping[str, Params],
    found: Comparison | None,
    confirmation: StudyRecord,
) -> list[Plan]:
    """Every candidate on the test part, and the recommended one for delivery."""
    # Behind the folds stand the whole, all rows, and the folds of a delivery: datasets.preprocessing.prepare_folds.
    whole = asked.repeats * asked.folds
    plans = [Plan(name, CANDIDATES, params[name], [whole], test=True) for name in params]
    if found is None or asked.deliver == "split":
        return plans
    chosen = found.recommendation.technique
    if asked.deliver == "folds":
        folds = range(whole + 2, whole + 2 + (confirmation.facts or {})["delivery_folds"])
        return [*plans, Plan(chosen, CANDIDATES, params[chosen], folds, deliver="folds", prepared_by=whole + 1)]
    settled = {**params[chosen], "patience": None}
    epochs = _epochs(planned(session, confirmation), chosen) if params[chosen]["patience"] is not None else None
    return [*plans, Plan(chosen, CANDIDATES, settled, [whole + 1], deliver="refit", epochs=epochs)]


def _epochs(found: Sequence[Planned], name: str) -> int:
    """The mean of the epochs whose weights were kept on the folds."""
    kept = [fold["best_epoch"] for plan, detail in found if plan.technique == name for fold in detail.get("folds", [])]
    return max(1, round(fmean(kept)))


def _all_plans(session: Session, confirmation: StudyRecord) -> list[Plan]:
    query = sa.select(TrialRecord.plan).where(TrialRecord.study_id == confirmation.id).order_by(TrialRecord.slot)
    return [Plan.read(plan) for plan in session.scalars(query) if plan is not None]


def planned(session: Session, confirmation: StudyRecord) -> list[Planned]:
    """The complete trials of a confirmation, in the order they were planned."""
    query = (
        sa.select(TrialRecord.plan, CurveRecord.detail)
        .join(CurveRecord, CurveRecord.trial_id == TrialRecord.id)
        .where(TrialRecord.study_id == confirmation.id, TrialRecord.state == TrialState.COMPLETE)
        .order_by(TrialRecord.slot)
    )
    return [(Plan.read(plan or {}), detail or {}) for plan, detail in session.execute(query)]


def result(session: Session, whole: StudyRecord, confirmation: StudyRecord) -> Comparison | None:
    """The comparison of what has been confirmed so far; None where that is too little."""
    if confirmation.facts is None:
        return None
    spec, asked = whole.parsed_spec, whole.parsed_comparison
    complete = planned(session, confirmation)
    racing = next((plan.racing for plan in reversed(_all_plans(session, confirmation)) if plan.racing), ())
    names = dict.fromkeys([*(asked.techniques or ()), *(plan.technique for plan, _ in complete)])
    seconds = _seconds(session, whole)
    found = [_fits(name, complete, seconds.get(name), lost=bool(racing) and name not in racing) for name in names]
    counts = confirmation.facts["rows"]
    rows = RowCounts(fold=counts["validation"], train=counts["train"], test=counts["test"])
    return compare(spec, asked, found, rows, confirmation.facts["feature_names"])


def _fits(name: str, complete: Sequence[Planned], seconds: float | None, *, lost: bool) -> Fits:
    folds: dict[int, Fit] = {}
    test, params = None, None
    for plan, detail in complete:
        if plan.technique != name or plan.deliver is not None:
            continue
        params = plan.params
        fits = [Fit(f["metrics"], f["weights"], f["epochs"], f.get("features", ())) for f in detail.get("folds", [])]
        if plan.test:
            test = fits[0]
        else:
            folds |= dict(zip(plan.folds, fits, strict=True))
    return Fits(name, params, folds, test, seconds, raced_out=lost)


def _seconds(session: Session, whole: StudyRecord) -> dict[str, float]:
    """What a trial of each technique's search took on average."""
    lasted = sa.func.avg(TrialRecord.ended_at - TrialRecord.started_at)
    query = (
        sa.select(StudyRecord.technique, lasted)
        .join(TrialRecord, TrialRecord.study_id == StudyRecord.id)
        .where(StudyRecord.parent_id == whole.id, StudyRecord.technique.is_not(None))
        .group_by(StudyRecord.technique)
    )
    return {row[0]: row[1] for row in session.execute(query) if row[1] is not None}
