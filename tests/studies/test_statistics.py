"""The statistics against their published formulas, a textbook example, random draws, and how often they cry wolf."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np
import numpy.typing as npt
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import ExtraTreeClassifier

from studies.analysis.comparison import compare
from studies.analysis.results import Fit, Fits, Rows
from studies.analysis.statistics import Estimate, holm
from studies.spec.comparison import ComparisonSpec
from tests.studies.documents import study

Array = npt.NDArray[np.float64]
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=21)
FINITE = st.floats(-1e3, 1e3).map(lambda value: round(value, 6))
VALUES = st.lists(FINITE, min_size=2, max_size=60)
SIMULATED = 200


@pytest.mark.parametrize("test_to_train", [0.0, 1 / 9, 0.25, 1.0])
@pytest.mark.parametrize("folds", [2, 5, 50])
def test_the_t_test_is_the_one_of_nadeau_and_bengio(folds: int, test_to_train: float) -> None:
    values = np.random.default_rng([folds, 1]).normal(0.1, 0.3, folds)
    estimate = Estimate.of(list(values), test_to_train)
    # Nadeau and Bengio 2003, equation 9: the variance of the mean is (1/J + n2/n1) times the sample variance.
    variance = (1 / folds + test_to_train) * np.sum((values - values.mean()) ** 2) / (folds - 1)
    statistic = values.mean() / np.sqrt(variance)
    assert estimate.mean == pytest.approx(values.mean())
    assert estimate.error == pytest.approx(np.sqrt(variance))
    assert estimate.p_value() == pytest.approx(2 * stats.t(folds - 1).cdf(-abs(statistic)))
    low, high = stats.t.interval(0.95, folds - 1, loc=values.mean(), scale=np.sqrt(variance))
    assert estimate.interval() == pytest.approx((low, high))


@given(VALUES.filter(lambda values: len(set(values)) > 1))
def test_without_shared_rows_it_is_the_plain_t_test(values: list[float]) -> None:
    plain = stats.ttest_1samp(values, 0.0)
    estimate = Estimate.of(values, 0.0)
    assert estimate.p_value() == pytest.approx(float(plain.pvalue), abs=1e-9)
    ours, theirs = estimate.interval(0.9), plain.confidence_interval(0.9)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(VALUES.filter(lambda values: len(set(values)) > 1), st.floats(0.01, 1))
def test_shared_rows_only_ever_make_it_less_sure(values: list[float], test_to_train: float) -> None:
    plain, corrected = Estimate.of(values, 0.0), Estimate.of(values, test_to_train)
    assert corrected.mean == plain.mean
    assert corrected.error > plain.error
    assert corrected.p_value() >= plain.p_value()


def test_a_mean_on_the_edge_of_its_interval_is_just_significant() -> None:
    values = np.random.default_rng(4).normal(0, 1, 50)
    low, high = Estimate.of(list(values), 0.25).interval()
    for edge in (low, high):
        assert Estimate.of(list(values - edge), 0.25).p_value() == pytest.approx(0.05)


def test_holm_reproduces_a_published_example() -> None:
    # Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006, section 3.2.2: variants of
    # C4.5 by their mean ranks on 14 data sets; the first and the second differ from C4.5, the third does not.
    ranks = {"m_cf": 1.964, "m": 2.000, "cf": 2.893}
    error = sqrt(4 * 5 / (6 * 14))
    p_values = [float(2 * stats.norm.sf((3.143 - rank) / error)) for rank in ranks.values()]
    assert p_values == pytest.approx([0.016, 0.019, 0.607], abs=0.0015)
    adjusted = holm(p_values)
    assert adjusted == pytest.approx([3 * p_values[0], 3 * p_values[0], p_values[2]])  # 2 · p of the second is less
    assert [p < 0.05 for p in adjusted] == [True, True, False]


def test_holm_counts_down_and_never_falls_back() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert (holm([]), holm([0.03])) == ([], [0.03])


@given(P_VALUES)
def test_holm_only_raises_keeps_the_order_and_stays_below_one(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= raised <= 1 for p, raised in zip(p_values, adjusted, strict=True))
    assert min(adjusted) == min(1.0, len(p_values) * min(p_values))
    by_raw = sorted(zip(p_values, adjusted, strict=True))
    assert [raised for _, raised in by_raw] == sorted(adjusted)


@given(P_VALUES.flatmap(lambda p_values: st.tuples(st.just(p_values), st.permutations(range(len(p_values))))))
def test_holm_does_not_care_in_which_order_the_tests_are_listed(case: tuple[list[float], list[int]]) -> None:
    p_values, order = case
    adjusted = holm(p_values)
    assert holm([p_values[index] for index in order]) == [adjusted[index] for index in order]


@given(VALUES, st.floats(0, 1), st.floats(1e-3, 10))
def test_the_posterior_probabilities_are_shares_of_one(values: list[float], share: float, rope: float) -> None:
    estimate = Estimate.of(values, share)
    found = estimate.probabilities(rope)
    assert all(-1e-12 <= probability <= 1 for probability in found)
    assert sum(found) == pytest.approx(1)
    mirrored = Estimate.of([-value for value in values], share).probabilities(rope)
    assert mirrored == pytest.approx(found[::-1], abs=1e-9)


@pytest.mark.parametrize(("mean", "rope"), [(0.0, 0.01), (0.02, 0.01), (-0.05, 0.03), (0.01, 0.2)])
def test_the_posterior_is_the_students_t_that_random_draws_give(mean: float, rope: float) -> None:
    values = np.random.default_rng(8).normal(mean, 0.05, 10)
    estimate = Estimate.of(list(values), 0.25)
    # Corani and Benavoli 2015: a Student t with n − 1 degrees around the mean, scaled by the corrected error.
    draws = values.mean() + sqrt((1 / 10 + 0.25) * values.var(ddof=1)) * np.random.default_rng(9).standard_t(9, 400_000)
    shares = (draws < -rope).mean(), (abs(draws) <= rope).mean(), (draws > rope).mean()
    assert estimate.probabilities(rope) == pytest.approx(shares, abs=0.004)


@pytest.mark.parametrize(
    ("value", "p", "probabilities"),
    [
        (0.0, 1.0, (0.0, 1.0, 0.0)),
        (0.01, 0.0, (0.0, 1.0, 0.0)),
        (0.5, 0.0, (0.0, 0.0, 1.0)),
        (-0.5, 0.0, (1.0, 0.0, 0.0)),
    ],
)
def test_folds_without_any_spread_leave_no_doubt(
    value: float, p: float, probabilities: tuple[float, float, float]
) -> None:
    estimate = Estimate.of([value] * 5, 0.25)
    assert (estimate.error, estimate.degrees, estimate.interval()) == (0.0, 4, (value, value))
    assert (estimate.p_value(), estimate.probabilities(0.01)) == (p, probabilities)


def _identical_trees(rng: np.random.Generator, x: Array, y: Array) -> list[float]:
    """The same technique twice, each training seeded anew, as those of a study are; differences of accuracy."""
    tree = ExtraTreeClassifier(max_depth=3)
    differences = []
    for train, test in _folds(rng, y):
        right = []
        for _ in range(2):
            tree.random_state = int(rng.integers(2**31))
            right.append(float(np.mean(tree.fit(x[train], y[train]).predict(x[test]) == y[test])))
        differences.append(right[0] - right[1])
    return differences


def _identical_subspaces(rng: np.random.Generator, x: Array, y: Array) -> list[float]:
    """The same technique twice, seeded once for all folds: it draws half of the columns, which are all alike.

    On one data set one draw is luckier than the other in nearly every fold; differences of log-loss.
    """
    folds, losses = _folds(rng, y), []
    for columns in np.split(rng.permutation(x.shape[1]), 2):
        half, model = x[:, columns], GaussianNB()
        found = [model.fit(half[train], y[train]).predict_proba(half[test])[:, 1] for train, test in folds]
        of_folds = [np.where(y[test] == 1, p, 1 - p) for p, (_, test) in zip(found, folds, strict=True)]
        losses.append([-float(np.mean(np.log(np.clip(p, 1e-7, 1)))) for p in of_folds])
    return [one - other for one, other in zip(*losses, strict=True)]


def _folds(rng: np.random.Generator, y: Array) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    division = RepeatedStratifiedKFold(n_splits=5, n_repeats=10, random_state=int(rng.integers(2**31)))
    return list(division.split(y, y))


def _answer(differences: Sequence[float]) -> str:
    """The verdict on two techniques whose losses differ so from fold to fold."""
    fits = []
    for technique, apart in (("none", differences), ("l1", [0.0] * len(differences))):
        losses = [{"val_loss": 2 + difference, "gap": 0.0} for difference in apart]
        folds = {i: Fit(loss, {"zero_share": 0.0, "l2_norm": 1.0}, 1) for i, loss in enumerate(losses)}
        fits.append(Fits(technique, {}, folds, None, None))
    found = compare(study(), ComparisonSpec(), fits, Rows(fold=12, train=48, test=60), ())
    assert found is not None
    return found.recommendation.verdict


@pytest.mark.parametrize("compared", [_identical_trees, _identical_subspaces])
def test_identical_techniques_are_seldom_found_to_differ(
    compared: Callable[[np.random.Generator, Array, Array], list[float]],
) -> None:
    alarms, alarms_of_the_plain_test, said_clear = 0, 0, 0
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        for simulation in range(SIMULATED):
            rng = np.random.default_rng([7, simulation])
            x = rng.normal(size=(60, 12))
            y = (x.sum(axis=1) + rng.normal(scale=2, size=60) > 0).astype(np.float64)
            differences = compared(rng, x, y)
            alarms += Estimate.of(differences, 1 / 4).p_value() < 0.05
            alarms_of_the_plain_test += Estimate.of(differences, 0).p_value() < 0.05
            said_clear += _answer(differences) == "clear"
    assert alarms <= 0.06 * SIMULATED
    assert said_clear <= 0.06 * SIMULATED
    if compared is _identical_subspaces:  # where the folds agree by chance, the correction is what keeps it quiet
        assert alarms_of_the_plain_test > 0.3 * SIMULATED
