"""TPE over a view of the study: what Optuna's would ask while the study is small, and not slower when it is large."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from studies.search.mirror import Mirror
from studies.search.tpe import MAX_BEST, MAX_VIEWED, history_of
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


def test_of_a_large_study_the_best_and_an_even_choice_are_seen() -> None:
    mirror = told(study(sampler={"name": "random"}), 1000)
    asked = mirror.ask()
    trials = mirror.study.get_trials(deepcopy=False)
    seen = history_of(mirror.study).view(mirror.study, trials[asked.number])
    values = sorted(trial.values[0] for trial in trials if trial.state == TrialState.COMPLETE)
    assert len(seen) <= MAX_VIEWED
    assert {value for trial in seen if trial.values for value in trial.values} >= set(values[:MAX_BEST])
    numbers = [trial.number for trial in seen]
    assert numbers == sorted(set(numbers))
    assert max(later - earlier for earlier, later in pairwise(numbers)) < 12
    assert asked.number not in numbers


def test_trials_that_run_are_seen_and_a_trial_taken_back_is_not() -> None:
    mirror = told(study(sampler={"name": "random"}), 300)
    running, back = mirror.ask(), mirror.ask()
    mirror.unask(back)
    again = mirror.ask()
    history, trials = history_of(mirror.study), mirror.study.get_trials(deepcopy=False)
    assert running.number in {trial.number for trial in history.view(mirror.study, trials[again.number])}
    mirror.tell(running, TrialState.FAIL, None)
    last = mirror.ask()
    trials = mirror.study.get_trials(deepcopy=False)
    numbers = {trial.number for trial in history.view(mirror.study, trials[last.number])}
    assert running.number not in numbers  # a failed trial says nothing
    assert again.number in numbers
