"""Plans the rounds of a comparison's confirmation, and reads their result.

A round begins in the transaction that ends the last one. A candidate that has surely lost gets no more folds, and after
the first round cocktails join and catch up on the folds they missed. The last round trains every candidate for the test
part, and the recommended one for delivery.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
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
#: A complete planned trial: its plan, and its TrialResult.detail.
Planned = tuple[Plan, Mapping[str, Any]]


def first_round(comparison: ComparisonSpec, params: Mapping[str, Params]) -> list[Plan]:
    """Plan the first round, from the best parameters of each technique."""
    return _plans(comparison, params, list(params), [(name, rounds(comparison.repeats)[0]) for name in params])


def next_round(session: Session, study: StudyRecord, confirmation: StudyRecord) -> list[Plan]:
    """Plan the round after one whose trials have all ended; none after the last.

    `study` is the one whose comparison this is, `confirmation` the part that trains the plans.
    """
    plans = _all_plans(session, confirmation)
    if not plans or any(plan.test for plan in plans):
        return []
    comparison = study.parsed_comparison
    params = {plan.technique: plan.params for plan in plans}
    so_far = result(session, study, confirmation)
    repeats_done = 1 + max(fold for plan in plans for fold in plan.folds) // comparison.folds
    next_repeats = next((repeats for repeats in rounds(comparison.repeats) if repeats.start == repeats_done), None)
    if next_repeats is None or so_far is None:
        return _last_round(session, comparison, params, so_far, confirmation)
    racing: Sequence[str] = plans[-1].racing
    joining: dict[str, dict[str, Any]] = {}
    if comparison.cocktails and repeats_done == rounds(comparison.repeats)[0].stop:
        joining = cocktails(params, [row.technique for row in so_far.ranked])
    keeps_up = {row.technique: row.keeps_up for row in so_far.techniques if row.technique in racing}
    racing = [*(survivors(keeps_up) if comparison.racing else keeps_up), *joining]
    missed = [(name, range(next_repeats.start)) for name in joining]
    return _plans(comparison, {**params, **joining}, racing, [*missed, *((name, next_repeats) for name in racing)])


def _plans(
    comparison: ComparisonSpec,
    params: Mapping[str, Params],
    racing: Sequence[str],
    repeats_of: Iterable[tuple[str, range]],
) -> list[Plan]:
    """One plan a candidate and repeat, in the order of repeats: a stopped comparison has results of all candidates."""
    # Optuna wants the choices of a param to be the same in all trials, so every plan lists all candidates.
    pairs = sorted(((repeat, name) for name, repeats in repeats_of for repeat in repeats), key=lambda pair: pair[0])
    folds = comparison.folds
    return [
        Plan(name, CANDIDATES, params[name], range(repeat * folds, (repeat + 1) * folds), racing=racing)
        for repeat, name in pairs
    ]


def _last_round(
    session: Session,
    comparison: ComparisonSpec,
    params: Mapping[str, Params],
    so_far: Comparison | None,
    confirmation: StudyRecord,
) -> list[Plan]:
    """Plan every candidate on the test part, and the recommended one for delivery."""
    # The order of datasets.preprocessing.divide: the folds, the full split, all rows, the delivery's folds.
    full_split = comparison.repeats * comparison.folds
    all_rows, first_delivery_fold = full_split + 1, full_split + 2
    plans = [Plan(name, CANDIDATES, params[name], [full_split], test=True) for name in params]
    if so_far is None or comparison.deliver == "split":
        return plans
    recommended = so_far.recommendation.technique
    best_params = params[recommended]
    if comparison.deliver == "folds":
        folds = range(first_delivery_fold, first_delivery_fold + (confirmation.facts or {})["delivery_folds"])
        return [*plans, Plan(recommended, CANDIDATES, best_params, folds, deliver="folds", prepared_by=all_rows)]
    epochs = _mean_epochs(planned(session, confirmation), recommended) if best_params["patience"] is not None else None
    refit_params = {**best_params, "patience": None}
    return [*plans, Plan(recommended, CANDIDATES, refit_params, [all_rows], deliver="refit", epochs=epochs)]


def _mean_epochs(complete: Sequence[Planned], technique: str) -> int:
    """The mean of the epochs whose weights were kept on the folds."""
    epochs = [
        fold["best_epoch"]
        for plan, detail in complete
        if plan.technique == technique
        for fold in detail.get("folds", [])
    ]
    return max(1, round(fmean(epochs)))


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


def result(session: Session, study: StudyRecord, confirmation: StudyRecord) -> Comparison | None:
    """The comparison by the trials that are complete so far; None when they are too few."""
    if confirmation.facts is None:
        return None
    comparison = study.parsed_comparison
    complete = planned(session, confirmation)
    racing = next((plan.racing for plan in reversed(_all_plans(session, confirmation)) if plan.racing), ())
    names = dict.fromkeys([*(comparison.techniques or ()), *(plan.technique for plan, _ in complete)])
    seconds = _mean_search_seconds(session, study)
    fits = [_fits(name, complete, seconds.get(name), raced_out=bool(racing) and name not in racing) for name in names]
    counts = confirmation.facts["rows"]
    rows = RowCounts(fold=counts["validation"], train=counts["train"], test=counts["test"])
    return compare(study.parsed_spec, comparison, fits, rows, confirmation.facts["feature_names"])


def _fits(name: str, complete: Sequence[Planned], seconds: float | None, *, raced_out: bool) -> Fits:
    """One candidate's fits by fold, and its fit for the test part."""
    folds: dict[int, Fit] = {}
    test, params = None, None
    for plan, detail in complete:
        if plan.technique != name or plan.deliver is not None:
            continue
        params = plan.params
        fits = [
            Fit(fold["metrics"], fold["weights"], fold["epochs"], fold.get("features", ()), seconds_of_fold)
            for fold, seconds_of_fold in zip_longest(detail.get("folds", []), detail.get("seconds", []))
        ]
        if plan.test:
            test = fits[0]
        else:
            folds |= dict(zip(plan.folds, fits, strict=True))
    return Fits(name, params, folds, test, seconds, raced_out=raced_out)


def _mean_search_seconds(session: Session, study: StudyRecord) -> dict[str, float]:
    """The mean seconds of a trial in each technique's search."""
    mean_seconds = sa.func.avg(TrialRecord.ended_at - TrialRecord.started_at)
    query = (
        sa.select(StudyRecord.technique, mean_seconds)
        .join(TrialRecord, TrialRecord.study_id == StudyRecord.id)
        .where(StudyRecord.parent_id == study.id, StudyRecord.technique.is_not(None))
        .group_by(StudyRecord.technique)
    )
    return {row[0]: row[1] for row in session.execute(query) if row[1] is not None}
