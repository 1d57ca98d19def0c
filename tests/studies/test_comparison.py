"""From made-up fits to the answer: the table, the differences, the recommendation, its warnings, the features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studies.analysis.comparison import compare
from studies.analysis.fits import Fit, Fits, RowCounts
from studies.analysis.results import Comparison, Difference
from studies.analysis.statistics import Estimate
from studies.objectives import ObjectiveName
from studies.spec.comparison import ComparisonSpec
from tests.studies.documents import study

FOLDS = 50
ROWS = RowCounts(fold=30, train=120, test=100)
DIABETES = {"kind": "builtin", "name": "diabetes"}


def fits(
    technique: str, values: Sequence[float], metric: str = "val_loss", features: Sequence[Sequence[int]] = ()
) -> Fits:
    """What a technique gave, a value a fold."""
    folds = {
        fold: Fit(
            metrics={"val_loss": 1.0, "val_accuracy": 0.5, "val_r2": 0.2, "gap": 0.25, metric: value},
            weights={"nonzero": 40.0, "zero_share": 0.5, "l2_norm": 2.0},
            epochs=8,
            features=features[fold] if features else (),
            seconds=0.5 if fold else None,  # a call that compiles is not measured
        )
        for fold, value in enumerate(values)
    }
    test = Fit({"test_loss": 0.7, "test_accuracy": 0.9, "gap": 0.2}, {"nonzero": 40.0}, 8)
    return Fits(technique, {"regularizer": technique, "lambda": 0.01, "dropout": 0.0}, folds, test, 1.5)


def around(mean: float, spread: float, seed: int = 0) -> list[float]:
    return [float(value) for value in mean + spread * np.random.default_rng(seed).standard_normal(FOLDS)]


def compared(
    *found: Fits, objective: ObjectiveName = "val_loss", rows: RowCounts = ROWS, names: Sequence[str] = (), **parts: Any
) -> Comparison:
    asked = ComparisonSpec(rope=parts.pop("rope", None))
    result = compare(study(objectives=[objective], **parts), asked, found, rows, names)
    assert result is not None
    return result


def pair(result: Comparison, first: str, second: str) -> Difference:
    [found] = [each for each in result.differences if (each.first, each.second) == (first, second)]
    return found


def test_the_least_expected_regret_decides_and_the_simpler_one_only_where_it_is_practically_the_same() -> None:
    means: dict[str, float] = {"combined": 0.299, "none": 0.5, "elastic_net": 0.3, "l2": 0.301, "dropout": 0.45}
    found = compared(*(fits(t, around(mean, 0.005, seed)) for seed, (t, mean) in enumerate(means.items())))
    answer = found.recommendation
    assert (answer.technique, answer.verdict, answer.params["lambda"]) == ("l2", "clear", 0.01)
    assert answer.lines[0].startswith("Use L2 (λ 0.01): clearly better than no regularization, and than every simpler")
    assert "; no regularization: 0." in answer.lines[1]
    assert "dropout, no regularization" in answer.evidence
    assert answer.probability >= 0.8
    assert (answer.warnings, answer.selected_features, len(found.differences)) == ([], None, 10)


def test_a_difference_that_is_not_detected_is_not_taken_for_none() -> None:
    # As README's example once was: better with a probability of about 95 %, and not detected after correction.
    none, l1 = around(0.5, 0.06, 1), around(0.44, 0.06, 2)
    rest = [fits(t, around(0.52, 0.06, seed)) for seed, t in enumerate(("l2", "elastic_net", "dropout"), 3)]
    found = compared(fits("none", none), fits("l1", l1), *rest)
    answer, difference = found.recommendation, pair(found, "none", "l1")
    assert not difference.detected
    assert 0.8 < difference.probability < 1
    assert (answer.technique, answer.verdict) == ("l1", "likely")
    assert (
        f"likely better than no regularization, with a probability of {difference.probability:.0%}" in answer.lines[0]
    )
    assert f"With a probability of {answer.probability:.0%} nothing that was tried" in answer.lines[2]
    assert min(answer.cost, answer.regret) > 0
    assert f"{answer.cost:.2g} val_loss on average" in answer.lines[2]
    assert "which is not to say that there is none" in answer.evidence


@pytest.mark.parametrize("seeds", [(0, 0, 0), (1, 2, 3)])
def test_where_all_are_practically_the_same_the_simplest_is_recommended(seeds: Sequence[int]) -> None:
    complex_one, sparse, simplest = (around(0.4, 0.005, seed) for seed in seeds)
    found = compared(fits("combined", complex_one), fits("l1", sparse), fits("none", simplest))
    answer = found.recommendation
    assert (answer.technique, answer.verdict, answer.warnings) == ("none", "practically the same", [])
    assert "practically the same on this data, and it is the simplest" in answer.lines[0]


def test_a_difference_within_the_region_of_practical_equivalence_does_not_matter() -> None:
    none, l1 = fits("none", around(0.5, 0.002)), fits("l1", around(0.496, 0.002, 1))
    answer, difference = compared(none, l1).recommendation, pair(compared(none, l1), "none", "l1")
    assert (answer.technique, answer.verdict) == ("none", "practically the same")
    assert difference.detected
    assert difference.equivalent > 0.95
    strict = compared(none, l1, rope=0.001)
    assert (strict.rope, strict.recommendation.technique, strict.recommendation.verdict) == (0.001, "l1", "clear")


def test_no_regularization_is_recommended_where_it_is_better_than_all_others() -> None:
    found = compared(fits("none", around(0.3, 0.005)), fits("l1", around(0.4, 0.005, 1)))
    assert (found.recommendation.technique, found.recommendation.verdict) == ("none", "clear")
    assert "clearly better than every other technique" in found.recommendation.lines[0]


def test_a_technique_that_overfits_badly_on_a_few_folds_does_not_drown_the_differences_of_others() -> None:
    heavy = [0.5 if fold % 10 else 20.0 for fold in range(FOLDS)]
    found = compared(fits("none", heavy), fits("l1", around(0.4, 0.01, 1)), fits("l2", around(0.44, 0.01, 2)))
    assert found.recommendation.technique == "l1"
    assert pair(found, "l1", "l2").probability < 0.01
    assert pair(found, "none", "l1").probability > 0.8


def test_a_cocktail_is_recommended_with_what_each_of_its_parts_is_worth() -> None:
    means = {"none": 0.6, "l1": 0.4, "dropout": 0.5, "l1+dropout": 0.3}
    found = compared(*(fits(t, around(mean, 0.01, seed)) for seed, (t, mean) in enumerate(means.items())))
    answer = found.recommendation
    assert (answer.technique, answer.verdict) == ("l1+dropout", "clear")
    assert answer.lines[0].startswith("Use L1 with dropout (λ 0.01")
    worth = {each.part: (each.without, each.worth) for each in answer.contributions}
    assert {part: without for part, (without, _) in worth.items()} == {"l1": "dropout", "dropout": "l1"}
    assert worth["l1"][1].mean == pytest.approx(0.2, abs=0.02)
    assert worth["dropout"][1].low < 0.1 < worth["dropout"][1].high
    assert all(each.probability > 0.99 for each in answer.contributions)
    assert "What each part is worth: L1 +0.19" in answer.lines[2]


def test_what_was_raced_out_is_compared_on_the_folds_it_has() -> None:
    whole = around(0.4, 0.01, 1)
    lost = replace(fits("none", [v + 0.3 for v in whole][:10]), raced_out=True)
    found = compared(lost, fits("l1", whole), fits("l2", around(0.42, 0.01, 2)))
    rows = {row.technique: row for row in found.techniques}
    assert [(row.technique, row.fits, row.raced_out) for row in found.techniques] == [
        ("none", 10, True), ("l1", FOLDS, False), ("l2", FOLDS, False),
    ]  # fmt: skip
    assert rows["none"].expected.mean == pytest.approx(0.7, abs=0.02)
    assert (rows["none"].probability_best, found.recommendation.technique) == (0, "l1")


def test_probabilities_of_being_best_add_up_and_regret_is_never_negative() -> None:
    found = compared(*(fits(t, around(0.4, 0.05, seed)) for seed, t in enumerate(("none", "l1", "l2", "dropout"))))
    assert sum(row.probability_best for row in found.techniques) == pytest.approx(1)
    assert all(row.regret >= 0 and 0 <= row.keeps_up <= 1 for row in found.techniques)
    assert all(row.expected.low < row.expected.mean < row.expected.high for row in found.techniques)
    chosen = next(row for row in found.techniques if row.technique == found.recommendation.technique)
    assert found.recommendation.probability == chosen.keeps_up >= max(row.probability_best for row in [chosen])


def test_folds_that_spread_widely_are_warned_of_as_too_little_data() -> None:
    # Every repeat shows the same folds, so it is the rows that differ and not single trainings.
    l2, l1 = (around(mean, 0.15, seed)[:5] * (FOLDS // 5) for seed, mean in enumerate((0.49, 0.5)))
    found = compared(fits("l2", l2), fits("l1", l1), rows=RowCounts(30, 120, 30))
    too_small, test_part = found.recommendation.warnings
    assert "The data is too small to be surer" in too_small
    assert "30 validation rows a fold" in too_small
    assert "The test part has 30 rows only" in test_part


def test_a_technique_that_failed_is_left_out_and_named() -> None:
    failed, once = Fits("l1", None, {}, None, None), fits("dropout", [0.4])
    found = compared(fits("none", around(0.5, 0.002)), failed, fits("l2", around(0.5, 0.002, 1)), once)
    assert [row.technique for row in found.techniques] == ["none", "l2"]
    assert [warning.partition(" could not")[0] for warning in found.recommendation.warnings] == ["L1", "dropout"]


def test_fewer_than_two_techniques_are_no_comparison() -> None:
    failed, once = Fits("l1", None, {}, None, None), fits("l2", [0.4])
    for found in ([], [fits("none", [0.5, 0.4])], [fits("none", [0.5, 0.4]), failed, once]):
        assert compare(study(), ComparisonSpec(), found, ROWS, ()) is None


@pytest.mark.parametrize("shared", [0, 1])
def test_techniques_that_share_too_few_folds_end_in_no_exception(shared: int) -> None:
    early, late = fits("none", [0.5, 0.4, 0.6]), fits("l1", [0.4, 0.3, 0.5])
    later = {fold + 3 - shared: fit for fold, fit in late.folds.items()}
    compare(study(), ComparisonSpec(), [early, Fits("l1", late.params, later, late.test, 1.0)], ROWS, ())


def test_more_is_better_where_the_objective_is_maximised() -> None:
    worse, better = around(0.8, 0.01), around(0.9, 0.01, 1)
    one, other = fits("none", worse, "val_accuracy"), fits("l1", better, "val_accuracy")
    found = compared(one, other, objective="val_accuracy")
    answer = found.recommendation
    assert (found.direction, answer.technique, answer.verdict) == ("maximize", "l1", "clear")
    assert "Expect val_accuracy 0.9" in answer.lines[1]
    assert [row.objective.mean for row in found.techniques] == pytest.approx([np.mean(worse), np.mean(better)])
    difference = pair(found, "none", "l1")
    assert difference.difference == pytest.approx(np.mean(worse) - np.mean(better))  # the first minus the second
    assert difference.low < difference.difference < difference.high < 0
    assert (difference.better, difference.loser) == ("l1", "none")
    assert (difference.first_better, difference.second_better) == pytest.approx((0, 1))


@pytest.mark.parametrize(
    ("objective", "low", "high"),
    [("val_accuracy", 0.0, 1.0), ("val_auc", 0.0, 1.0), ("val_r2", -np.inf, 1.0), ("val_loss", 0.0, np.inf)],
)
def test_no_figure_leaves_the_range_of_its_metric(objective: ObjectiveName, low: float, high: float) -> None:
    nearly = {"val_loss": [0.0, 0.0, 0.5, 0.0], "val_r2": [1.0, 1.0, 0.2, 0.9]}.get(objective, [1.0, 1.0, 0.7, 1.0])
    one, other = fits("none", nearly, objective), fits("l1", nearly[::-1], objective)
    dataset = DIABETES if objective == "val_r2" else {"kind": "builtin", "name": "breast_cancer"}
    found = compared(one, other, objective=objective, dataset=dataset)
    for row in found.techniques:
        for interval in (row.objective, row.expected):
            assert low <= interval.low <= interval.mean <= interval.high <= high
        assert low in (row.objective.low, row.expected.low) or high in (row.objective.high, row.expected.high)
    assert sum(row.probability_best for row in found.techniques) == pytest.approx(1)
    far = compared(
        fits("none", [1.0, 0.0, 1.0], "val_auc"), fits("l1", [0.0, 1.0, 0.0], "val_auc"), objective="val_auc"
    )
    assert (far.differences[0].low, far.differences[0].high) == (-1.0, 1.0)


def test_differences_are_taken_fold_by_fold_and_adjusted_for_the_number_of_pairs() -> None:
    hard = around(0.5, 0.2)
    eased = [value - 0.02 + noise for value, noise in zip(hard, around(0, 0.004, 2), strict=True)]
    found = compared(fits("none", hard), fits("l1", eased), fits("l2", around(0.5, 0.2, 3)))
    difference = pair(found, "none", "l1")
    estimate = Estimate.of([a - b for a, b in zip(hard, eased, strict=True)], 1 / 4)
    assert (difference.difference, difference.p) == pytest.approx((estimate.mean, estimate.p_value()))
    assert (difference.low, difference.high, difference.detected) == pytest.approx((*estimate.interval(), True))
    assert difference.p_holm == pytest.approx(3 * difference.p)


@pytest.mark.parametrize(
    ("objective", "values", "rope"),
    [("val_loss", 0.5, 0.01), ("val_r2", 0.5, 0.01), ("val_mae", 50.0, 0.5), ("epochs", 0.0, 0.08)],
)
def test_the_region_of_practical_equivalence_fits_the_objectives_unit(
    objective: ObjectiveName, values: float, rope: float
) -> None:
    one, other = (fits(t, around(values, 0), objective) for t in ("none", "l1"))
    assert compared(one, other, objective=objective, dataset=DIABETES).rope == pytest.approx(rope)


def test_a_row_of_the_table_holds_the_means_and_the_test_part() -> None:
    losses = around(0.5, 0.02)
    found = compared(fits("none", losses), fits("l1", losses))
    row = found.techniques[0]
    assert (row.objective.mean, row.objective.low, row.objective.high) == pytest.approx(
        (Estimate.of(losses, 0.25).mean, *Estimate.of(losses, 0.25).interval())
    )
    assert (row.test_objective, row.test_task_metric, found.task_metric) == (0.7, 0.9, "accuracy")
    assert (row.gap, row.zero_share, row.l2_norm, row.epochs, row.fits) == (0.25, 0.5, 2, 8, FOLDS)
    assert (row.seconds, row.training_seconds) == (1.5, 0.5)


def _orders(rng: np.random.Generator, always: Sequence[int], columns: int) -> list[Sequence[int]]:
    """Of each fit the columns by weight: some always first, the others by chance."""
    rest = [column for column in range(columns) if column not in always]
    return [[*rng.permutation(always).tolist(), *rng.permutation(rest).tolist()] for _ in range(FOLDS)]


def test_features_that_are_always_among_the_largest_are_selected_and_noise_is_not() -> None:
    names = [f"x{column}" for column in range(20)]
    orders = _orders(np.random.default_rng(5), [3, 7, 11], 20)
    found = compared(fits("none", around(0.5, 0.02)), fits("l1", around(0.3, 0.02), features=orders), names=names)
    [selection] = found.selections
    assert (selection.technique, selection.selected) == ("l1", ["x3", "x7", "x11"])
    assert found.recommendation.selected_features == ["x3", "x7", "x11"]
    assert "L1 selects 3 of 20 features" in found.recommendation.evidence
    # Meinshausen and Bühlmann's bound on the number selected wrongly is at most one, and the next q would break it.
    assert selection.most**2 / ((2 * selection.threshold - 1) * 20) <= 1 < (selection.most + 1) ** 2 / (0.8 * 20)
    assert set(selection.nonzero.values()) == {1.0}
    assert [name for name, share in selection.shares.items() if share >= selection.threshold] == ["x3", "x7", "x11"]


def test_pure_noise_selects_nothing_and_says_so() -> None:
    names = [f"x{column}" for column in range(20)]
    orders = _orders(np.random.default_rng(6), [], 20)
    found = compared(fits("none", around(0.5, 0.02)), fits("l1", around(0.3, 0.02), features=orders), names=names)
    assert found.selections[0].selected == []
    assert "L1 finds no feature that nearly all of its fits agree on." in found.recommendation.evidence
    assert compared(fits("l2", around(0.5, 0.02)), fits("l1", around(0.3, 0.02), features=orders)).selections == []


def test_on_few_rows_the_answer_leans_on_what_regularization_usually_does_and_on_many_it_does_not() -> None:
    # No regularization is a little better here; usually it is far worse.
    rough = compared(fits("none", around(0.37, 0.1)), fits("l1", around(0.4, 0.1, 1)))
    assert pair(rough, "none", "l1").difference < 0
    assert rough.recommendation.technique == "l1"
    sure = compared(fits("none", around(0.39, 0.002)), fits("l1", around(0.4, 0.002, 1)), rope=0.001)
    assert (sure.recommendation.technique, sure.recommendation.verdict) == ("none", "clear")


def test_a_score_that_is_maximised_has_no_prior_for_none_was_learned() -> None:
    same = around(0.8, 0.05)
    none, l1 = fits("none", same, "val_accuracy"), fits("l1", same[::-1], "val_accuracy")
    assert pair(compared(none, l1, objective="val_accuracy"), "none", "l1").probability == pytest.approx(0.5, abs=0.05)


def test_two_folds_give_wide_but_finite_figures() -> None:
    one, other = fits("none", [0.1, 0.9]), fits("l1", [0.8, 0.2])
    found = compared(one, other)
    assert all(np.isfinite([row.expected.mean, row.expected.high, row.regret]).all() for row in found.techniques)


def test_the_luck_of_single_trainings_averages_out_where_repeats_differ_as_much_as_folds_do() -> None:
    l1 = fits("l1", [0.198] * FOLDS)
    of_rows = [0.2 + apart for apart in (0.02, -0.02, 0.014, -0.014, 0.0)] * (FOLDS // 5)  # every repeat shows the same
    of_luck = [float(value) for value in np.random.default_rng(3).permutation(of_rows)]
    answer = compared(fits("none", of_luck), l1).recommendation
    assert (answer.technique, answer.verdict) == ("none", "practically the same")
    assert compared(fits("none", of_rows), l1).recommendation.verdict == "likely"
