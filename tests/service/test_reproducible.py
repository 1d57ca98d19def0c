"""A reproducible study has one table of trials, however many workers run it and in whatever order they do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from service.storage.pagination import Sort
from service.storage.store import Store
from tests.service.contenders import sweep_here
from tests.service.documents import study
from tests.service.ledgers import claimed, expire, ledger, run

NUMBERS = Sort.parse("number")
FINITE = {"regularizer": ["none", "l1", "l2"], "lambda": [0.1, 0.2], "dropout": [0.0, 0.5], "patience": [1, 2, 3]}


def table(folder: Path, workers: int, **changes: Any) -> list[Any]:
    """What each trial was and gave, by number, and at last what the repeats of the best gave."""
    store = Store(f"sqlite:///{folder / str(workers)}.db")
    spec = study(trials=24, reproducible=True, training={"lanes": 3}, **changes)
    store.create_study(spec)
    with ThreadPoolExecutor(workers) as pool:
        closed = list(pool.map(lambda worker: sweep_here(store, folder, "iris", worker), "abcd"[:workers]))
    assert sum(closed) == 24 + spec.repeats_of_best
    trials = store.trials("iris", (), NUMBERS, 1000, None).items
    best = store.best(store.study("iris"))[0]
    repeats = store.repeat_values(store.study("iris"), best.number)
    store.close()
    assert len(repeats) == spec.repeats_of_best
    return [(trial.number, trial.params, trial.state, trial.values, trial.epochs) for trial in trials] + [repeats]


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "nsga2", "cmaes", "grid", "brute_force"])
def test_one_worker_and_four_have_the_same_table(tmp_path: Path, sampler: str) -> None:
    space = {"space": FINITE} if sampler in ("grid", "brute_force") else {}
    one, four = (table(tmp_path, workers, sampler={"name": sampler}, **space) for workers in (1, 4))
    assert one == four
    if space:
        assert len({str(params) for _, params, *_ in one[:-1]}) > 12


def test_one_worker_two_and_four_have_the_same_table_where_four_have_work(tmp_path: Path) -> None:
    one, two, four = (table(tmp_path, workers, sampler={"name": "tpe"}, max_workers=4) for workers in (1, 2, 4))
    assert one == two == four


def test_the_workers_that_a_study_may_have_all_fill_their_lanes(store: Store, folder: Path) -> None:
    store.create_study(study(trials=40, reproducible=True, training={"lanes": 3}, max_workers=4))
    claims = [ledger(store, folder, "iris", worker).claim(3) for worker in "abcde"]
    assert [[claim.slot for claim in each] for each in claims] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11], []]


@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband"])
def test_what_is_pruned_is_the_same(tmp_path: Path, pruner: str) -> None:
    one, four = (table(tmp_path, workers, sampler={"name": "tpe"}, pruner={"name": pruner}) for workers in (1, 4))
    assert one == four
    assert "COMPLETE" in {state for _, _, state, *_ in one[:-1]}


def test_a_generation_waits_for_the_one_before(store: Store, folder: Path) -> None:
    spec = study(trials=5, reproducible=True, training={"lanes": 1})
    store.create_study(spec)
    book, other = ledger(store, folder, "iris", "a"), ledger(store, folder, "iris", "b")
    first = claimed(book)
    [second] = other.claim(9)
    assert [first.slot, second.slot] == [0, 1]
    assert other.claim(9) == []
    assert other.is_blocked()
    expire(store)
    assert [claim.slot for claim in other.claim(9)] == [0, 1]  # lost trials are of the generation as well


def test_a_study_that_is_not_reproducible_is_never_blocked(store: Store, folder: Path) -> None:
    spec = study(trials=3)
    store.create_study(spec)
    book = ledger(store, folder, "iris", "a")
    run(book, spec)
    assert len(book.claim(9)) == 2
    assert not book.is_blocked()
