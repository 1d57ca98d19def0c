"""From the fits of every technique to the answer: which regularization, how much, and how sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean

from studies.analysis.candidates import parts_of
from studies.analysis.posterior import Posterior, posterior
from studies.analysis.recommendation import interval, recommend
from studies.analysis.results import Comparison, Difference, Fit, Fits, Interval, Rows, TechniqueResult
from studies.analysis.selection import SELECTING, select
from studies.analysis.statistics import Estimate, holm
from studies.objectives import OBJECTIVES, ObjectiveName, Task
from studies.spec.comparison import ComparisonSpec
from studies.spec.study import StudySpec

#: The metric of a task that people know, shown beside the loss.
TASK_METRIC: dict[Task, str] = {"binary": "accuracy", "multiclass": "accuracy", "regression": "r2"}
_ROPE = 0.01
_OF_THE_MEAN: tuple[ObjectiveName, ...] = ("val_mae", "epochs", "nonzero_weights")


def compare(
    spec: StudySpec, asked: ComparisonSpec, found: Sequence[Fits], rows: Rows, feature_names: Sequence[str]
) -> Comparison | None:
    """The comparison of the candidates that have results; None when fewer than two have, or have no folds in common."""
    objective = spec.objectives[0]
    usable = [fits for fits in found if fits.params is not None and len(_values(fits, objective)) > 1]
    common = _common_folds(usable, objective)
    if len(usable) < 2 or len(common) < 2:
        return None
    usable = [
        replace(fits, folds={fold: fits.folds[fold] for fold in sorted(common & set(fits.folds))}) for fits in usable
    ]
    share = rows.fold / rows.train
    values = {fits.technique: _values(fits, objective) for fits in usable}
    minimizes = _sign(objective) > 0
    known = posterior(values, share, minimizes=minimizes)
    average = posterior(values, share, minimizes=minimizes, folds_a_repeat=asked.folds)
    best = min(_sign(objective) * fmean(of_folds.values()) for of_folds in values.values())
    rope = asked.rope or _rope(objective, best)
    table = [_row(fits, objective, spec.task, share, known, average.within(fits.technique, rope)) for fits in usable]
    differences = _differences(values, objective, share, rope, known)
    selections = [
        select(fits.technique, [fit.features for fit in fits.folds.values()], feature_names)
        for fits in usable
        if feature_names and fits.technique in SELECTING
    ]
    compared = {fits.technique for fits in usable}
    missing = [fits.technique for fits in found if fits.technique not in compared]
    recommendation = recommend(objective, table, known, average, differences, rope, rows, selections, missing)
    return Comparison(
        objective=objective,
        direction=OBJECTIVES[objective].direction,
        task_metric=TASK_METRIC[spec.task],
        rope=rope,
        techniques=table,
        differences=differences,
        recommendation=recommendation,
        selections=selections,
    )


def _common_folds(usable: Sequence[Fits], objective: ObjectiveName) -> set[int]:
    """The folds of all that have not been raced out."""
    racing = [set(_values(fits, objective)) for fits in usable if not fits.raced_out]
    return set.intersection(*racing) if racing else set()


def _sign(objective: ObjectiveName) -> int:
    """1 where less is better."""
    return 1 if OBJECTIVES[objective].direction == "minimize" else -1


def _value(fit: Fit, objective: ObjectiveName) -> float | None:
    if objective == "epochs":
        return float(fit.epochs)
    return fit.weights["nonzero"] if objective == "nonzero_weights" else fit.metrics.get(objective)


def _values(fits: Fits, objective: ObjectiveName) -> dict[int, float]:
    """The objective's value by fold, where it is defined."""
    found = {fold: _value(fit, objective) for fold, fit in fits.folds.items()}
    return {fold: float(value) for fold, value in found.items() if value is not None}


def _row(
    fits: Fits, objective: ObjectiveName, task: Task, share: float, known: Posterior, keeps_up: float
) -> TechniqueResult:
    metric = TASK_METRIC[task]
    on_test = objective.replace("val_", "test_")
    measured = [float(v) for fit in fits.folds.values() if (v := fit.metrics.get(f"val_{metric}")) is not None]
    values = _values(fits, objective)
    draws, params = known.sign * known.of(fits.technique), fits.params or {}
    return TechniqueResult(
        technique=fits.technique,
        parts=parts_of(fits.technique, params),
        params=params,
        objective=_interval(list(values.values()), share),
        folds=values,
        expected=Interval(float(draws.mean()), *interval(draws)),
        probability_best=known.probability_best(fits.technique),
        keeps_up=keeps_up,
        regret=known.regret(fits.technique),
        raced_out=fits.raced_out,
        task_metric=_interval(measured, share) if len(measured) > 1 else None,
        test_objective=None if fits.test is None else fits.test.metrics.get(on_test),
        test_task_metric=None if fits.test is None else fits.test.metrics.get(f"test_{metric}"),
        gap=fmean(fit.metrics["gap"] or 0.0 for fit in fits.folds.values()),
        zero_share=fmean(fit.weights["zero_share"] for fit in fits.folds.values()),
        l2_norm=fmean(fit.weights["l2_norm"] for fit in fits.folds.values()),
        epochs=fmean(fit.epochs for fit in fits.folds.values()),
        seconds=fits.seconds,
        fits=len(fits.folds),
    )


def _interval(values: Sequence[float], share: float) -> Interval:
    estimate = Estimate.of(values, share)
    return Interval(estimate.mean, *estimate.interval())


def _rope(objective: ObjectiveName, best: float) -> float:
    return 0.01 * abs(best) if objective in _OF_THE_MEAN else _ROPE


def _differences(
    values: Mapping[str, Mapping[int, float]], objective: ObjectiveName, share: float, rope: float, known: Posterior
) -> list[Difference]:
    pairs = [pair for pair in combinations(values, 2) if len(_shared(values, *pair)) > 1]
    estimates = []
    for first, second in pairs:
        shared = _shared(values, first, second)
        apart = [_sign(objective) * (values[first][fold] - values[second][fold]) for fold in shared]
        estimates.append(Estimate.of(apart, share))
    p_values = [estimate.p_value() for estimate in estimates]
    adjusted = holm(p_values)
    differences = []
    for (first, second), estimate, p, p_holm in zip(pairs, estimates, p_values, adjusted, strict=True):
        low, high = estimate.interval()
        of_both = known.probabilities(first, second, rope)
        better = known.better(first, second)
        differences.append(Difference(first, second, estimate.mean, low, high, p, p_holm, *of_both, better))
    return differences


def _shared(values: Mapping[str, Mapping[int, float]], first: str, second: str) -> list[int]:
    return sorted(values[first].keys() & values[second].keys())
