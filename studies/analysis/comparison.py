"""From the fits of every technique to the answer: which regularization, how much, and how sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean

from studies.analysis.recommendation import recommend
from studies.analysis.results import Comparison, Difference, Fit, Fits, Interval, Rows, TechniqueResult
from studies.analysis.selection import SELECTING, select
from studies.analysis.statistics import Estimate, holm
from studies.objectives import OBJECTIVES, ObjectiveName, Task
from studies.spec import ComparisonSpec, StudySpec

#: The metric of a task that people know, shown beside the loss.
TASK_METRIC: dict[Task, str] = {"binary": "accuracy", "multiclass": "accuracy", "regression": "r2"}
_ROPE = 0.01
_OF_THE_MEAN: tuple[ObjectiveName, ...] = ("val_mae", "epochs", "nonzero_weights")


def compare(
    spec: StudySpec, asked: ComparisonSpec, found: Sequence[Fits], rows: Rows, feature_names: Sequence[str]
) -> Comparison | None:
    """The comparison of the techniques that have results; None when fewer than two have, or have no folds in common."""
    objective = spec.objectives[0]
    usable = [fits for fits in found if fits.params is not None and len(_values(fits, objective)) > 1]
    common = set.intersection(*(set(_values(fits, objective)) for fits in usable)) if usable else set()
    if len(usable) < 2 or len(common) < 2:
        return None
    usable = [replace(fits, folds={fold: fits.folds[fold] for fold in sorted(common)}) for fits in usable]
    share = rows.fold / rows.train
    table = [_row(fits, objective, spec.task, share) for fits in usable]
    best = min(table, key=lambda row: _sign(objective) * row.objective.mean)
    rope = asked.rope or _rope(objective, best.objective.mean)
    differences = _differences(usable, objective, share, rope)
    selections = [
        select(fits.technique, [fit.features for fit in fits.folds.values()], feature_names)
        for fits in usable
        if feature_names and fits.technique in SELECTING
    ]
    compared = {fits.technique for fits in usable}
    missing = [fits.technique for fits in found if fits.technique not in compared]
    recommendation = recommend(objective, table, best, differences, rope, rows, selections, missing)
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


def _row(fits: Fits, objective: ObjectiveName, task: Task, share: float) -> TechniqueResult:
    metric = TASK_METRIC[task]
    on_test = objective.replace("val_", "test_")
    known = [float(value) for fit in fits.folds.values() if (value := fit.metrics.get(f"val_{metric}")) is not None]
    return TechniqueResult(
        technique=fits.technique,
        params=fits.params or {},
        objective=_interval(list(_values(fits, objective).values()), share),
        task_metric=_interval(known, share) if len(known) > 1 else None,
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


def _differences(found: Sequence[Fits], objective: ObjectiveName, share: float, rope: float) -> list[Difference]:
    pairs = list(combinations(found, 2))
    estimates = []
    for first, second in pairs:
        one, other = _values(first, objective), _values(second, objective)
        estimates.append(Estimate.of([_sign(objective) * (one[fold] - other[fold]) for fold in one], share))
    p_values = [estimate.p_value() for estimate in estimates]
    adjusted = holm(p_values)
    differences = []
    for (first, second), estimate, p, p_holm in zip(pairs, estimates, p_values, adjusted, strict=True):
        better, equivalent, worse = estimate.probabilities(rope)
        low, high = estimate.interval()
        found_one = first.technique, second.technique, estimate.mean, low, high
        differences.append(Difference(*found_one, p, p_holm, better, equivalent, worse))
    return differences
