"""The one loop of a study, with a ledger in memory and trainings that are formulas: how each trial ends."""

from __future__ import annotations

import math

import pytest
from optuna.trial import TrialState

from studies.errors import DivergedError
from studies.seeds import common_seed, trial_seed
from studies.training.result import Job
from tests.studies.documents import FINITE, study
from tests.studies.ledger import MemoryLedger
from tests.studies.trainings import EPOCHS, dropout, formula, random_study, sequence, states, swept


@pytest.mark.parametrize("seeds", ["common", "own"])
def test_exactly_the_budget_is_run_and_recorded(seeds: str) -> None:
    ledger, jobs = MemoryLedger(budget=7), list[Job]()
    assert swept(random_study(training={"seeds": seeds}), ledger, formula(dropout, jobs)) == 7
    assert states(ledger) == [TrialState.COMPLETE] * 7
    assert len(jobs) == 7
    for number, (job, trial) in enumerate(zip(jobs, ledger.record, strict=True)):
        assert job.seed == (trial_seed(job.spec.seed, number) if seeds == "own" else common_seed(job.spec.seed))
        assert job.hyperparameters == job.spec.space.hyperparameters(trial.params)
        assert trial.values == [dropout(job)]
        assert trial.intermediate_values == dict.fromkeys(range(1, EPOCHS + 1), dropout(job))


def test_a_study_with_nothing_to_claim_is_left_alone() -> None:
    assert swept(random_study(), MemoryLedger(budget=0), formula(dropout)) == 0


@pytest.mark.parametrize("sampler", ["grid", "brute_force"])
def test_a_finite_space_is_swept_to_its_last_point(sampler: str) -> None:
    ledger = MemoryLedger(budget=12)
    assert swept(study(space=FINITE, sampler={"name": sampler}, budget={"trials": 12}), ledger, formula(dropout)) == 12
    assert len({tuple(trial.params.items()) for trial in ledger.record}) == 12


def test_what_a_training_raises_fails_its_trial_and_not_the_sweep() -> None:
    def diverge(job: Job) -> float:
        raise DivergedError("val_loss became nan")

    ledger = MemoryLedger(budget=2)
    assert swept(random_study(), ledger, formula(diverge)) == 2
    assert states(ledger) == [TrialState.FAIL] * 2
    assert ledger.outcomes[0].reason == "DivergedError: val_loss became nan"
    assert (ledger.outcomes[0].values, ledger.outcomes[0].result, ledger.models) == (None, None, {})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_objective_that_is_not_finite_fails_its_trial_and_names_it(value: float) -> None:
    ledger = MemoryLedger(budget=3)
    swept(random_study(), ledger, formula(sequence([0.5, value, 0.4])))
    assert states(ledger) == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert "val_loss has no finite value" in str(ledger.outcomes[1].reason)
    assert ledger.outcomes[1].result is not None


def test_a_pruner_cuts_a_trial_and_says_so() -> None:
    spec = random_study(pruner={"name": "median", "n_startup_trials": 2, "n_warmup_steps": 2})
    ledger = MemoryLedger(budget=4)
    swept(spec, ledger, formula(sequence([0.2, 0.3, 0.9, 0.1])))
    assert states(ledger) == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE]
    assert ledger.outcomes[2].reason == "pruned by median after epoch 2"
    assert ledger.outcomes[2].values == [0.9]
    assert ledger.outcomes[2].result is not None
    assert ledger.outcomes[2].result.epochs == 2


def test_the_model_of_every_best_so_far_trial_is_kept() -> None:
    ledger = MemoryLedger(budget=5)
    swept(random_study(), ledger, formula(sequence([0.5, 0.7, 0.4, 0.45, 0.1])))
    assert ledger.models == {0: "model of loss 0.5", 2: "model of loss 0.4", 4: "model of loss 0.1"}


def test_with_several_objectives_the_models_of_the_front_are_kept() -> None:
    ledger = MemoryLedger(budget=4)
    swept(random_study(objectives=["val_loss", "epochs"]), ledger, formula(sequence([0.5, 0.6, 0.4, 0.4])))
    assert list(ledger.models) == [0, 2, 3]  # all cost the same epochs, and the last two are equal
    assert ledger.record[2].values == [0.4, EPOCHS]
    assert ledger.record[2].intermediate_values == {}  # Optuna takes reports of one objective only
