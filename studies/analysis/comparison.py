"""Compares candidates by their fits: which regularization, how much, and how sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean
from typing import Literal

from studies.analysis.candidates import parts_of
from studies.analysis.fits import Fit, Fits, RowCounts
from studies.analysis.posterior import Posterior, estimate_posterior, interval
from studies.analysis.recommendation import recommend
from studies.analysis.results import Comparison, Difference, Interval, TechniqueResult
from studies.analysis.selection import SELECTING, select
from studies.analysis.statistics import Estimate, holm
from studies.objectives import OBJECTIVES, ObjectiveName, Task, cost_sign
from studies.spec.comparison import ComparisonSpec
from studies.spec.study import StudySpec

#: The metric of a task that people know, shown beside the loss.
TASK_METRIC: dict[Task, Literal["accuracy", "r2"]] = {
    "binary": "accuracy",
    "multiclass": "accuracy",
    "regression": "r2",
}
_ROPE = 0.01
_ROPE_IS_RELATIVE: tuple[ObjectiveName, ...] = ("val_mae", "epochs", "nonzero_weights")

#: Values of the objective by candidate and fold.
Values = Mapping[str, Mapping[int, float]]


def compare(
    spec: StudySpec,
    comparison: ComparisonSpec,
    candidates: Sequence[Fits],
    rows: RowCounts,
    feature_names: Sequence[str],
) -> Comparison | None:
    """Compare the candidates that have results; None when fewer than two have, or when they share fewer than two folds.

    `feature_names` is empty where inputs are not features.
    """
    objective = spec.objectives[0]
    usable = [fits for fits in candidates if fits.params is not None and len(_values(fits, objective)) > 1]
    common = _common_folds(usable, objective)
    if len(usable) < 2 or len(common) < 2:
        return None
    usable = [
        replace(fits, folds={fold: fits.folds[fold] for fold in sorted(common & set(fits.folds))}) for fits in usable
    ]
    share = rows.fold / rows.train
    values = {fits.technique: _values(fits, objective) for fits in usable}
    posterior = estimate_posterior(values, share, objective=objective)
    average = estimate_posterior(values, share, objective=objective, folds_per_repeat=comparison.folds)
    rope = comparison.rope or _default_rope(objective, values)
    table = [
        _row(fits, objective, spec.task, share, posterior, average.probability_within(fits.technique, rope))
        for fits in usable
    ]
    differences = _differences(values, objective, share, rope, posterior)
    selections = [
        select(fits.technique, [fit.features for fit in fits.folds.values()], feature_names)
        for fits in usable
        if feature_names and fits.technique in SELECTING
    ]
    missing = [fits.technique for fits in candidates if fits.technique not in values]
    recommendation = recommend(objective, table, posterior, average, differences, rope, rows, selections, missing)
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
    """The folds on which every candidate that was not raced out has a value."""
    racing = [set(_values(fits, objective)) for fits in usable if not fits.raced_out]
    return set.intersection(*racing) if racing else set()


def _value(fit: Fit, objective: ObjectiveName) -> float | None:
    if objective == "epochs":
        return float(fit.epochs)
    return fit.weights["nonzero"] if objective == "nonzero_weights" else fit.metrics.get(objective)


def _values(fits: Fits, objective: ObjectiveName) -> dict[int, float]:
    """The objective's value by fold, where it is defined."""
    values = {fold: _value(fit, objective) for fold, fit in fits.folds.items()}
    return {fold: float(value) for fold, value in values.items() if value is not None}


def _row(
    fits: Fits, objective: ObjectiveName, task: Task, share: float, posterior: Posterior, keeps_up: float
) -> TechniqueResult:
    metric = TASK_METRIC[task]
    metric_name: ObjectiveName = "val_accuracy" if metric == "accuracy" else "val_r2"
    task_metric = [float(v) for fit in fits.folds.values() if (v := fit.metrics.get(metric_name)) is not None]
    seconds = [fit.seconds for fit in fits.folds.values() if fit.seconds is not None]
    values, params = _values(fits, objective), fits.params or {}
    return TechniqueResult(
        technique=fits.technique,
        parts=parts_of(fits.technique, params),
        params=params,
        objective=_interval(list(values.values()), share, objective),
        folds=values,
        expected=interval(posterior.sign * posterior.of(fits.technique)),
        probability_best=posterior.probability_best(fits.technique),
        keeps_up=keeps_up,
        regret=posterior.regret(fits.technique),
        raced_out=fits.raced_out,
        task_metric=_interval(task_metric, share, metric_name) if len(task_metric) > 1 else None,
        test_objective=None if fits.test is None else fits.test.metrics.get(objective.replace("val_", "test_")),
        test_task_metric=None if fits.test is None else fits.test.metrics.get(f"test_{metric}"),
        gap=fmean(fit.metrics["gap"] or 0.0 for fit in fits.folds.values()),
        zero_share=fmean(fit.weights["zero_share"] for fit in fits.folds.values()),
        l2_norm=fmean(fit.weights["l2_norm"] for fit in fits.folds.values()),
        epochs=fmean(fit.epochs for fit in fits.folds.values()),
        seconds=fits.seconds,
        training_seconds=fmean(seconds) if seconds else None,
        fits=len(fits.folds),
    )


def _interval(values: Sequence[float], share: float, quantity: ObjectiveName) -> Interval:
    estimate = Estimate.of(values, share)
    return Interval(estimate.mean, *estimate.interval()).within(OBJECTIVES[quantity])


def _default_rope(objective: ObjectiveName, values: Values) -> float:
    """0.01, or a hundredth of the best candidate's mean where the objective has a unit of its own."""
    sign = cost_sign(OBJECTIVES[objective].direction)
    best = min(sign * fmean(by_fold.values()) for by_fold in values.values())
    return 0.01 * abs(best) if objective in _ROPE_IS_RELATIVE else _ROPE


def _differences(
    values: Values, objective: ObjectiveName, share: float, rope: float, posterior: Posterior
) -> list[Difference]:
    """Compare each pair of candidates that share at least two folds."""
    pairs = [pair for pair in combinations(values, 2) if len(_shared_folds(values, *pair)) > 1]
    estimates = []
    quantity = OBJECTIVES[objective]
    widest = quantity.high - quantity.low
    for first, second in pairs:
        by_fold = [values[first][fold] - values[second][fold] for fold in _shared_folds(values, first, second)]
        estimates.append(Estimate.of(by_fold, share))
    p_values = [estimate.p_value() for estimate in estimates]
    differences = []
    for (first, second), estimate, p, p_holm in zip(pairs, estimates, p_values, holm(p_values), strict=True):
        low, high = estimate.interval()
        first_better, equivalent, second_better = posterior.probabilities(first, second, rope)
        difference = Difference(
            first=first,
            second=second,
            better=_better(first, second, cost_sign(quantity.direction) * estimate.mean),
            difference=estimate.mean,
            low=max(low, -widest),
            high=min(high, widest),
            p=p,
            p_holm=p_holm,
            first_better=first_better,
            equivalent=equivalent,
            second_better=second_better,
            probability=posterior.probability_better(second, than=first),
        )
        differences.append(difference)
    return differences


def _better(first: str, second: str, cost: float) -> str | None:
    """The candidate of less cost, by what the first costs more."""
    return None if cost == 0 else second if cost > 0 else first


def _shared_folds(values: Values, first: str, second: str) -> list[int]:
    return sorted(values[first].keys() & values[second].keys())
