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
from sklearn.metrics import log_loss
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import ExtraTreeClassifier

from studies.analysis.comparison import compare
from studies.analysis.fits import Fit, Fits, RowCounts
from studies.analysis.statistics import Estimate, holm
from studies.spec.comparison import ComparisonSpec
from tests.studies.documents import study

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]  # (folds, rows)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=21)
FINITE = st.floats(-1e3, 1e3).map(lambda value: round(value, 6))
VALUES = st.lists(FINITE, min_size=2, max_size=60)


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


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.01, 0.0), (0.5, 0.0), (-0.5, 0.0)])
def test_folds_without_any_spread_leave_no_doubt(value: float, p: float) -> None:
    estimate = Estimate.of([value] * 5, 0.25)
    assert (estimate.error, estimate.degrees, estimate.interval()) == (0.0, 4, (value, value))
    assert estimate.p_value() == p


def _identical_trees(rng: np.random.Generator, x: Array, y: Array) -> list[float]:
    """The same technique twice, each training seeded anew, as those of a study are; differences of accuracy."""
    tree, inputs = ExtraTreeClassifier(max_depth=3), x.astype(np.float32)
    differences = []
    for test in _test_rows(rng, y):
        right = []
        for _ in range(2):
            tree.random_state = int(rng.integers(2**31))
            tree.fit(inputs[~test], y[~test], check_input=False)
            right.append(float(np.mean(tree.predict(inputs[test], check_input=False) == y[test])))
        differences.append(right[0] - right[1])
    return differences


def _identical_subspaces(rng: np.random.Generator, x: Array, y: Array) -> list[float]:
    """The same technique twice, seeded once for all folds: it draws half of the columns, which are all alike.

    On one data set one draw is luckier than the other in nearly every fold; differences of log-loss.
    """
    test = _test_rows(rng, y)
    one, other = (_naive_bayes_losses(x[:, columns], y, test) for columns in np.split(rng.permutation(x.shape[1]), 2))
    return [float(difference) for difference in one - other]


def _naive_bayes_losses(x: Array, y: Array, test: Mask) -> Array:
    """The log-loss of scikit-learn's GaussianNB on each fold, of all folds at once."""
    train = (~test).astype(np.float64)
    rows = train.sum(axis=1, keepdims=True)
    smoothing = 1e-9 * (train @ x**2 / rows - (train @ x / rows) ** 2).max(axis=1, keepdims=True)
    joint = []
    for label in (0, 1):
        of_class = train * (y == label)
        count = of_class.sum(axis=1, keepdims=True)
        mean = of_class @ x / count
        variance = of_class @ x**2 / count - mean**2 + smoothing
        density = np.log(2 * np.pi * variance)[:, None] + (x - mean[:, None]) ** 2 / variance[:, None]
        joint.append(np.log(count / rows) - density.sum(axis=2) / 2)
    p = 1 / (1 + np.exp(np.where(y == 1, joint[0] - joint[1], joint[1] - joint[0])))
    losses = -np.log(np.clip(p, 1e-7, 1))
    return np.asarray((losses * test).sum(axis=1) / test.sum(axis=1))


def _test_rows(rng: np.random.Generator, y: Array) -> Mask:
    """Which rows each of 10 × 5 folds judges by."""
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=10, random_state=int(rng.integers(2**31)))
    test = np.zeros((folds.get_n_splits(), len(y)), dtype=np.bool_)
    for row, (_, rows) in zip(test, folds.split(y, y), strict=True):
        row[rows] = True
    return test


def _draw(simulation: int) -> tuple[np.random.Generator, Array, Array]:
    """A data set of 60 rows and 12 columns, all of which its two classes depend on alike."""
    rng = np.random.default_rng([7, simulation])
    x = rng.normal(size=(60, 12))
    return rng, x, (x.sum(axis=1) + rng.normal(scale=2, size=60) > 0).astype(np.float64)


def test_the_simulated_naive_bayes_is_that_of_scikit_learn() -> None:
    rng, x, y = _draw(0)
    test = _test_rows(rng, y)
    losses = [
        log_loss(y[rows], np.clip(GaussianNB().fit(x[~rows], y[~rows]).predict_proba(x[rows]), 1e-7, 1))
        for rows in test
    ]
    assert _naive_bayes_losses(x, y, test) == pytest.approx(losses)


def _answer(differences: Sequence[float]) -> str:
    """The verdict on two techniques whose losses differ so from fold to fold."""
    fits = []
    for technique, apart in (("none", differences), ("l1", [0.0] * len(differences))):
        losses = [{"val_loss": 2 + difference, "gap": 0.0} for difference in apart]
        folds = {i: Fit(loss, {"zero_share": 0.0, "l2_norm": 1.0}, 1) for i, loss in enumerate(losses)}
        fits.append(Fits(technique, {}, folds, None, None))
    found = compare(study(), ComparisonSpec(), fits, RowCounts(fold=12, train=48, test=60), ())
    assert found is not None
    return found.recommendation.verdict


Technique = Callable[[np.random.Generator, Array, Array], list[float]]


# 12 of 200 are 6 %. None of 50 is more: at a rate of 6 % it would have a probability of 0.94^50 = 4.5 %.
@pytest.mark.parametrize(
    ("technique", "simulations", "most"), [(_identical_trees, 50, 0), (_identical_subspaces, 200, 12)]
)
def test_identical_techniques_are_seldom_found_to_differ(technique: Technique, simulations: int, most: int) -> None:
    alarms, alarms_of_the_plain_test, said_clear = 0, 0, 0
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        for simulation in range(simulations):
            differences = technique(*_draw(simulation))
            alarms += Estimate.of(differences, 1 / 4).p_value() < 0.05
            alarms_of_the_plain_test += Estimate.of(differences, 0).p_value() < 0.05
            said_clear += _answer(differences) == "clear"
    assert alarms <= most
    assert said_clear <= most
    if technique is _identical_subspaces:  # where the folds agree by chance, the correction is what keeps it quiet
        assert alarms_of_the_plain_test > 0.3 * simulations
