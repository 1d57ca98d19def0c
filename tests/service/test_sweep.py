"""The one loop on the real ledger: exactly the budget, shared by any number of workers, the same in both books."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from service.storage import states
from service.storage.artifacts import Artifacts
from service.storage.pagination import Sort
from service.storage.store import Store
from studies.datasets.preprocessing import PreparedData, prepare
from studies.errors import DivergedError
from studies.sweep.loop import sweep
from studies.training.result import Job, OnEpoch, Trained
from studies.training.sequential import sequential
from tests.service.contenders import processes, sweep_here, sweep_study
from tests.service.documents import study
from tests.service.ledgers import ledger, shown

NUMBERS = Sort.parse("number")


def _run_exactly(store: Store, trials: int) -> None:
    """Every trial of the budget once, complete, numbered without a gap, and alike in both books."""
    ours = store.trials("iris", (), NUMBERS, 1000, None).items
    theirs = shown(store)
    assert [trial.number for trial in ours] == [trial.number for trial in theirs] == list(range(trials))
    assert {trial.state for trial in ours} == {"COMPLETE"}
    assert [trial.values for trial in ours] == [trial.values for trial in theirs]
    assert store.study("iris").state == "completed"


def test_a_sweep_runs_exactly_the_budget(store: Store, folder: Path) -> None:
    store.create_study(study(trials=7))
    assert sweep_here(store, folder, "iris") == 7
    _run_exactly(store, 7)


def test_two_threads_share_a_study(store: Store, folder: Path) -> None:
    store.create_study(study(trials=20))
    with ThreadPoolExecutor(2) as pool:
        closed = list(pool.map(lambda worker: sweep_here(store, folder, "iris", worker), "ab"))
    assert sum(closed) == 20 + study(trials=20).repeats_of_best
    _run_exactly(store, 20)


def test_three_processes_share_a_study(store: Store, folder: Path) -> None:
    store.create_study(study(trials=30, sampler={"name": "tpe"}))
    with processes(3) as pool:
        futures = [pool.submit(sweep_study, store.url, folder, "iris", worker) for worker in "abc"]
        assert sum(future.result() for future in futures) == 30 + study(trials=30).repeats_of_best
    _run_exactly(store, 30)


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc", "nsga2", "cmaes"])
def test_the_same_seed_asks_for_the_same_trials(tmp_path: Path, sampler: str) -> None:
    asked = []
    for run in ("first", "second"):
        store = Store(f"sqlite:///{tmp_path / run}.db")
        store.create_study(study(trials=12, sampler={"name": sampler}))
        sweep_here(store, tmp_path / run, "iris")
        asked.append([trial.params for trial in store.trials("iris", (), NUMBERS, 1000, None).items])
        store.close()
    assert asked[0] == asked[1]


def test_the_pareto_front_is_optunas(store: Store, folder: Path) -> None:
    store.create_study(study(trials=25, objectives=["val_loss", "epochs"]))
    sweep_here(store, folder, "iris")
    front = [trial.number for trial in store.best(store.study("iris"))]
    theirs = optuna.load_study(study_name="iris", storage=store.optuna).best_trials
    assert 1 < len(front) < 25
    assert set(front) == {trial.number for trial in theirs}


@pytest.mark.parametrize("objective", ["val_loss", "val_accuracy"])
def test_the_best_trial_is_optunas_and_its_model_is_kept(store: Store, folder: Path, objective: str) -> None:
    store.create_study(study(trials=15, objectives=[objective]))
    sweep_here(store, folder, "iris")
    [best] = store.best(store.study("iris"))
    theirs = optuna.load_study(study_name="iris", storage=store.optuna).best_trial
    assert (best.value, best.number) == (theirs.value, theirs.number)
    assert best.model is not None
    assert Artifacts(f"file://{folder}").read(best.model) == b"weights"


def test_a_training_that_raises_is_a_failed_trial_with_its_reason(store: Store, folder: Path) -> None:
    def broken(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        on_epoch(1, {"val_loss": 1.0})
        raise MemoryError("no room for the weights")

    spec = study(trials=2)
    store.create_study(spec)
    sweep(spec, [prepare(spec.dataset, 0)], ledger(store, folder, "iris"), sequential(broken))
    trials = store.trials("iris", (), NUMBERS, 10, None).items
    why = "MemoryError: no room for the weights"
    assert [trial.reason for trial in trials] == [f"given up after 3 attempts; the last was out of memory: {why}"] * 2
    assert [(trial.state, trial.attempt) for trial in trials] == [("FAIL", 3)] * 2
    assert store.study("iris").state == "failed"


def test_a_training_that_diverges_fails_at_its_first_attempt(store: Store, folder: Path) -> None:
    def diverging(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        raise DivergedError.of("val_loss", math.nan, 1)

    spec = study(trials=1)
    store.create_study(spec)
    sweep(spec, [prepare(spec.dataset, 0)], ledger(store, folder, "iris"), sequential(diverging))
    [trial] = store.trials("iris", (), NUMBERS, 10, None).items
    assert (trial.state, trial.attempt) == ("FAIL", 1)
    assert trial.reason == "DivergedError: val_loss became nan in epoch 1; a smaller learning rate or λ may help"


def test_a_hopeless_trial_is_pruned_by_the_studys_pruner(store: Store, folder: Path) -> None:
    spec = study(trials=6, pruner={"name": "threshold", "upper": 0.0, "n_warmup_steps": 1})
    store.create_study(spec)
    sweep_here(store, folder, "iris")
    pruned = store.trials("iris", [states.TrialState.PRUNED], NUMBERS, 10, None).items
    assert pruned
    assert {trial.reason for trial in pruned} == {"pruned by threshold after epoch 1"}
    shown_states = [trial.state for trial in shown(store)]
    assert shown_states.count(TrialState.PRUNED) == len(pruned)
