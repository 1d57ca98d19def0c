"""Racing: rounds cover all repeats once, and only what has surely lost is given no more folds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.analysis.racing import rounds, survivors

CHANCES = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0, 1), min_size=1)


@given(st.integers(1, 200))
def test_the_rounds_are_every_repeat_once_and_in_order(repeats: int) -> None:
    found = rounds(repeats)
    assert [repeat for part in found for repeat in part] == list(range(repeats))
    assert all(len(part) > 0 for part in found)
    assert len(found) <= 3


@pytest.mark.parametrize(
    ("repeats", "ends"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (5, [1, 2, 5]), (10, [2, 5, 10]), (20, [4, 10, 20])]
)
def test_a_fifth_of_the_repeats_comes_first_and_then_half(repeats: int, ends: list[int]) -> None:
    assert [part.stop for part in rounds(repeats)] == ends


@given(CHANCES)
def test_the_two_best_always_go_on_and_whoever_may_still_keep_up(chances: dict[str, float]) -> None:
    left = survivors(chances)
    assert left == [name for name in chances if name in left]  # in their order
    assert len(left) >= min(2, len(chances))
    gone = set(chances) - set(left)
    assert all(chances[name] < 0.01 for name in gone)
    assert all(name in left for name, chance in chances.items() if chance >= 0.01)
    assert all(chances[name] >= max((chances[lost] for lost in gone), default=0.0) for name in left)


def test_one_in_a_hundred_is_a_chance_and_less_is_none() -> None:
    assert survivors({"lost": 0.009, "best": 0.9, "second": 0.5, "may": 0.01}) == ["best", "second", "may"]
    assert survivors({"lost": 0.0, "far": 0.001, "best": 1.0}) == ["far", "best"]
