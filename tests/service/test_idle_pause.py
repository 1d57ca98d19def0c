"""Idle workers ask the database for work less and less often, where there may be many of them."""

from __future__ import annotations

import itertools
import random

import pytest

from service.storage.states import FleetKind
from service.worker.idle_pause import MAX_SECONDS, IdlePause


def pauses(count: int, pause: IdlePause) -> list[float]:
    return [pause.next() for _ in range(count)]


@pytest.mark.parametrize("fleet", [FleetKind.OWN, FleetKind.RAY, None])
def test_a_pause_grows_to_five_seconds_and_begins_anew_after_work(fleet: FleetKind | None) -> None:
    pause = IdlePause(0.2, "postgresql", fleet, chance=lambda: 1.0)
    assert pauses(4, pause) == pytest.approx([0.2, 0.3, 0.45, 0.675])
    assert pauses(8, pause)[-3:] == [MAX_SECONDS] * 3
    pause.reset()
    assert pauses(2, pause) == pytest.approx([0.2, 0.3])


def test_workers_that_were_woken_together_soon_look_at_different_times() -> None:
    chances = [random.Random(seed).random for seed in range(100)]  # noqa: S311  # no secret
    looks = [pauses(20, IdlePause(0.2, "postgresql", FleetKind.RAY, chance)) for chance in chances]
    assert all(MAX_SECONDS / 2 <= last <= MAX_SECONDS for *_, last in looks)
    times = sorted(sum(look) for look in looks)
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < MAX_SECONDS
    assert times[-1] - times[0] > MAX_SECONDS


@pytest.mark.parametrize(("dialect", "fleet"), [("sqlite", FleetKind.OWN), ("postgresql", FleetKind.LOCAL)])
def test_a_pause_stays_short_where_workers_are_few(dialect: str, fleet: FleetKind) -> None:
    assert pauses(20, IdlePause(0.2, dialect, fleet)) == [0.2] * 20


def test_a_pause_that_is_set_longer_than_five_seconds_stays_as_long() -> None:
    assert pauses(3, IdlePause(60.0, "postgresql", None, chance=lambda: 1.0)) == [60.0] * 3
