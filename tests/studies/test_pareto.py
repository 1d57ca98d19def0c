"""The Pareto front against its definition, and against Optuna's."""

from __future__ import annotations

import optuna
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import create_trial

from studies.objectives import Direction
from studies.search import pareto

DIRECTIONS: st.SearchStrategy[list[Direction]] = st.lists(
    st.sampled_from(["minimize", "maximize"]), min_size=1, max_size=3
)
#: Small integers, so that equal values and equal points are common.
POINTS = DIRECTIONS.flatmap(
    lambda directions: st.tuples(
        st.just(directions),
        st.lists(
            st.lists(st.integers(0, 4).map(float), min_size=len(directions), max_size=len(directions)),
            max_size=12,
        ),
    )
)
Case = tuple[list[Direction], list[list[float]]]


def dominates(one: list[float], other: list[float], directions: list[Direction]) -> bool:
    better = [a < b if way == "minimize" else a > b for a, b, way in zip(one, other, directions, strict=True)]
    return any(better) and all(good or a == b for good, a, b in zip(better, one, other, strict=True))


@given(POINTS)
def test_the_front_holds_what_no_other_point_dominates(case: Case) -> None:
    directions, points = case
    expected = [
        position
        for position, point in enumerate(points)
        if not any(dominates(other, point, directions) for other in points)
    ]
    assert pareto.front(points, directions) == expected


@given(POINTS)
def test_the_front_is_the_one_optuna_finds(case: Case) -> None:
    directions, points = case
    study = optuna.create_study(directions=list(directions))
    study.add_trials([create_trial(values=point) for point in points])
    assert pareto.front(points, directions) == [trial.number for trial in study.best_trials]


def test_no_points_have_an_empty_front() -> None:
    assert pareto.front([], ["minimize", "maximize"]) == []


def test_equal_points_stand_on_the_front_together() -> None:
    assert pareto.front([[1.0, 2.0], [1.0, 2.0], [0.0, 3.0], [2.0, 2.0]], ["minimize", "minimize"]) == [0, 1, 2]


def test_one_objective_has_its_best_points_as_the_front() -> None:
    assert pareto.front([[1.0], [3.0], [3.0], [2.0]], ["maximize"]) == [1, 2]
