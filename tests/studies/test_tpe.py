"""TPE over a view of the study: what Optuna's would ask while the study is small, and not slower when it is large."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from studies.search.history import MAX_BEST, MAX_VIEWED, history_of
from studies.search.mirror import Mirror
from studies.seeds import ask_seed
from studies.spec.study import StudySpec
from tests.studies.documents import study


def told(spec: StudySpec, trials: int, seed: int = 1) -> Mirror:
    mirror, rng = Mirror(spec, []), np.random.default_rng(seed)
    for _ in range(trials):
        pruned = rng.random() < 0.2
        trial = mirror.ask()
        trial.report(rng.random(), 1)
        mirror.tell(trial, TrialState.PRUNED if pruned else TrialState.COMPLETE, None if pruned else [rng.random()])
    return mirror


@pytest.mark.parametrize("objective", ["val_loss", "val_accuracy"])
@pytest.mark.parametrize("options", [{}, {"multivariate": False}, {"constant_liar": False}], ids=str)
def test_a_small_study_is_asked_what_optunas_tpe_asks(objective: str, options: dict[str, Any]) -> None:
    spec = study(sampler={"name": "tpe", **options}, objectives=[objective])
    mirror = told(spec, 40)
    running = [mirror.ask().params for _ in range(3)]
    oracle = optuna.create_study(direction=spec.directions[0])
    for trial in mirror.study.get_trials():
        oracle.add_trial(trial)
    oracle.sampler = optuna.samplers.TPESampler(seed=ask_seed(spec.seed, 43), **options)
    assert len(running) == 3
    assert mirror.ask().params == oracle.ask(spec.space.distributions()).params


SPACES: dict[str, dict[str, Any]] = {
    "ranges of each kind": {
        "learning_rate": {"low": 1e-4, "high": 1},
        "batch_size": {"low": 8, "high": 99, "log": True},
    },
    "one range": {"regularizer": "l2", "dropout": 0.1, "patience": 9},
    "two ranges": {"regularizer": "l2", "patience": 9},
    "one whole number": {"regularizer": "none", "dropout": 0.1, "lambda": 0.1, "l1_ratio": 0.5},
    "choices alone": {"lambda": [0.1, 0.01], "l1_ratio": 0.5, "dropout": [0.0, 0.3], "patience": [3, 4, 5]},
    "many ranges": {"scope": "per_layer"},  # so many values that Optuna takes another approximation of erf
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_every_space_is_asked_what_optunas_tpe_asks(space: dict[str, Any]) -> None:
    hidden = [8] * 5 if "scope" in space else [8]
    spec = study(sampler={"name": "tpe"}, space=space, model={"kind": "mlp", "hidden_units": hidden})
    mirror = Mirror(spec, [])
    oracle = optuna.create_study(direction=spec.directions[0])
    rng = np.random.default_rng(3)
    for number in range(150):
        oracle.sampler = optuna.samplers.TPESampler(seed=ask_seed(spec.seed, number))
        trial = mirror.ask()
        assert trial.params == oracle.ask(spec.space.distributions()).params
        trial.report(loss := float(rng.integers(9)), 1)  # many trials are equally good
        state = TrialState(
            int(rng.choice([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL], p=[0.7, 0.2, 0.1]))
        )
        told = mirror.tell(trial, state, [loss] if state == TrialState.COMPLETE else None)
        oracle._storage.set_trial_intermediate_value(oracle.trials[number]._trial_id, 1, loss)
        oracle.tell(number, told.values if state == TrialState.COMPLETE else None, state=state)


def test_of_a_large_study_the_best_and_an_even_choice_are_seen() -> None:
    mirror = told(study(sampler={"name": "random"}), 1000)
    asked = mirror.ask()
    trials = mirror.study.get_trials(deepcopy=False)
    seen = history_of(mirror.study).view(mirror.study, trials[asked.number])
    values = sorted(trial.values[0] for trial in trials if trial.state == TrialState.COMPLETE)
    assert len(seen) <= MAX_VIEWED
    assert {known.cost for known in seen} >= set(values[:MAX_BEST])
    numbers = [known.number for known in seen]
    assert numbers == sorted(set(numbers))
    assert max(later - earlier for earlier, later in pairwise(numbers)) < 12
    assert asked.number not in numbers


def test_trials_that_run_are_seen_and_a_trial_taken_back_is_not() -> None:
    mirror = told(study(sampler={"name": "random"}), 300)
    running, back = mirror.ask(), mirror.ask()
    mirror.unask(back)
    again = mirror.ask()
    history, trials = history_of(mirror.study), mirror.study.get_trials(deepcopy=False)
    assert running.number in {known.number for known in history.view(mirror.study, trials[again.number])}
    mirror.tell(running, TrialState.FAIL, None)
    last = mirror.ask()
    trials = mirror.study.get_trials(deepcopy=False)
    numbers = {known.number for known in history.view(mirror.study, trials[last.number])}
    assert running.number not in numbers  # a failed trial says nothing
    assert again.number in numbers
