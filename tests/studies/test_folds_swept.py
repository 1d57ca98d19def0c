"""A sweep over folds, with trainings that are formulas: what is told, what the pruner sees, how a trial ends."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from optuna.trial import TrialState

from studies.datasets.preprocessing import PreparedData
from studies.errors import DivergedError
from studies.seeds import common_seed, trial_seed
from studies.spec.study import StudySpec
from studies.sweep.ledger import Claim
from studies.sweep.running_trial import RunningTrial
from studies.training import checkpoint
from studies.training.result import Job, OnEpoch, Trained, TrialResult
from tests.studies.ledger import MemoryLedger
from tests.studies.trainings import formula, random_study, sequence, states, swept

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
LOSSES = [[0.5, 0.3, 0.4], [0.6, 0.9, 0.3], [0.2, 0.1, 0.3]]  # by trial and fold


def by_fold(job: Job) -> float:
    return LOSSES[job.number][job.fold]


def over_folds(**parts: Any) -> StudySpec:
    return random_study(**{"resampling": {"kind": "kfold", "folds": 3}, **parts})


def test_a_trial_is_trained_on_every_fold_and_tells_the_mean() -> None:
    ledger, jobs = MemoryLedger(budget=3), list[Job]()
    assert swept(over_folds(), ledger, formula(by_fold, jobs)) == 3
    assert states(ledger) == [COMPLETE] * 3
    assert [(job.number, job.fold) for job in jobs] == [(number, fold) for number in range(3) for fold in range(3)]
    assert [job.seed for job in jobs] == [common_seed(job.spec.seed, job.fold) for job in jobs]
    assert len({job.seed for job in jobs}) == 3
    assert not any(job.measures_test for job in jobs)
    for number, (trial, losses) in enumerate(zip(ledger.record, LOSSES, strict=True)):
        assert trial.values == pytest.approx([fmean(losses)])
        means = {count: fmean(losses[:count]) for count in range(1, len(losses) + 1)}
        assert trial.intermediate_values == pytest.approx(means)
        result = ledger.outcomes[number].result
        assert result is not None
        assert result.metrics["val_loss_deviation"] == pytest.approx(stdev(losses))
        assert [entry["metrics"]["val_loss"] for entry in result.detail["folds"]] == losses
        assert len({job.hyperparameters for job in jobs if job.number == number}) == 1


def test_each_training_has_a_seed_of_its_own_where_trials_do_not_share_theirs() -> None:
    ledger, jobs = MemoryLedger(budget=3), list[Job]()
    assert swept(over_folds(training={"seeds": "own"}), ledger, formula(by_fold, jobs)) == 3
    assert [job.seed for job in jobs] == [trial_seed(job.spec.seed, job.number, job.fold) for job in jobs]
    assert len({job.seed for job in jobs}) == len(jobs)


def test_the_best_trial_is_the_one_of_the_best_mean_and_its_first_folds_model_is_kept() -> None:
    ledger = MemoryLedger(budget=3)
    swept(over_folds(), ledger, formula(by_fold))
    # The second trial has the best single fold up to then, and not the best mean.
    assert ledger.models == {0: "model of loss 0.5", 2: "model of loss 0.2"}


def test_a_checkpoint_without_the_kept_folds_model_has_that_fold_trained_again(tmp_path: Path) -> None:
    # As earlier versions wrote it, which kept the first fold's model where rows are divided by time as well.
    results = {fold: TrialResult({"val_loss": 0.5}, {}, {}, {}, 1, best_epoch=1, stopped_early=True) for fold in (0, 1)}
    ended = {fold: Trained(result, lambda path: path.touch()) for fold, result in results.items()}
    checkpoint.write(checkpoint.Checkpoint(ended, models=[0]), tmp_path / "checkpoint")
    hyperparameters = random_study().space.hyperparameters(
        {"regularizer": "none", "lambda": 0.1, "l1_ratio": 0.5, "dropout": 0.1, "patience": 3}
    )
    for kept, trained in ((0, [2]), (1, [1, 2])):
        trial = RunningTrial(Claim(1, 0, "token", 0), 0, None, set(), hyperparameters, range(3), 4, kept)
        trial.restore(checkpoint.read((tmp_path / "checkpoint").read_bytes()))
        assert [fold for fold in trial.folds if fold not in trial.trained] == trained
        assert trial.outstanding == len(trained)


def test_a_bad_trial_is_pruned_before_all_its_folds_are_trained() -> None:
    ledger, jobs = MemoryLedger(budget=3), list[Job]()
    swept(over_folds(pruner={"name": "threshold", "upper": 0.7}), ledger, formula(by_fold, jobs))
    assert states(ledger) == [COMPLETE, PRUNED, COMPLETE]
    assert [job.fold for job in jobs if job.number == 1] == [0, 1]
    outcome = ledger.outcomes[1]
    assert outcome.reason == "pruned by threshold after 2 of 3 folds"
    assert outcome.result is not None
    assert outcome.result.metrics["val_loss"] == pytest.approx(0.75)
    assert len(outcome.result.detail["folds"]) == 2
    assert ledger.record[1].intermediate_values == pytest.approx({1: 0.6, 2: 0.75})
    assert 1 not in ledger.models


def test_a_pruner_compares_the_folds_so_far_with_as_many_of_other_trials() -> None:
    spec = over_folds(pruner={"name": "median", "n_startup_trials": 2})
    # The last fold is hard for every trial: the third trial is bad at the first, the fourth at none.
    losses = [0.2, 0.2, 0.9, 0.3, 0.3, 0.8, 0.4, 0.2, 0.1, 0.9]
    ledger, jobs = MemoryLedger(budget=4), list[Job]()
    swept(spec, ledger, formula(sequence(losses), jobs))
    assert states(ledger) == [COMPLETE, COMPLETE, PRUNED, COMPLETE]
    assert [job.number for job in jobs] == [0, 0, 0, 1, 1, 1, 2, 3, 3, 3]


def test_the_wilcoxon_pruner_sees_each_fold_under_its_own_number() -> None:
    ledger = MemoryLedger(budget=2)
    swept(over_folds(pruner={"name": "wilcoxon"}), ledger, formula(by_fold))
    assert ledger.record[0].intermediate_values == pytest.approx(dict(enumerate(LOSSES[0], 1)))


def test_a_fold_that_diverges_fails_its_trial_and_spares_it_the_rest() -> None:
    def diverge(job: Job) -> float:
        if (job.number, job.fold) == (1, 1):
            raise DivergedError("val_loss became nan")
        return by_fold(job)

    ledger, jobs = MemoryLedger(budget=3), list[Job]()
    swept(over_folds(), ledger, formula(diverge, jobs))
    assert states(ledger) == [COMPLETE, FAIL, COMPLETE]
    assert ledger.outcomes[1].reason == "DivergedError: val_loss became nan"
    assert [job.fold for job in jobs if job.number == 1] == [0, 1]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_fold_whose_objective_is_not_finite_fails_its_trial_and_names_it(value: float) -> None:
    ledger = MemoryLedger(budget=3)
    swept(over_folds(), ledger, formula(lambda job: value if (job.number, job.fold) == (1, 1) else by_fold(job)))
    assert states(ledger) == [COMPLETE, FAIL, COMPLETE]
    assert "val_loss has no finite value" in str(ledger.outcomes[1].reason)
    result = ledger.outcomes[1].result
    assert result is not None
    assert [entry["metrics"]["val_loss"] for entry in result.detail["folds"]] == [0.6, None, 0.3]


def test_with_several_objectives_each_is_told_as_its_mean() -> None:
    ledger = MemoryLedger(budget=1)
    swept(over_folds(objectives=["val_accuracy", "val_loss"]), ledger, formula(by_fold))
    assert ledger.record[0].values == pytest.approx([0.6, 0.4])
    assert ledger.record[0].intermediate_values == {}  # Optuna takes reports of one objective only


def test_of_a_nested_resampling_the_fold_is_told_and_not_what_stopped_the_training() -> None:
    def train(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        assert job.measures_test
        on_epoch(1, {"val_loss": 0.1})
        metrics = {"train_loss": 0.2, "val_loss": 0.1, "gap": -0.1, "test_loss": 0.5 + job.fold / 10}
        result = TrialResult(metrics, {}, {}, {"epoch": [1.0]}, epochs=1, best_epoch=1, stopped_early=False)
        return Trained(result, lambda path: _write(path, job.fold))

    spec = over_folds(resampling={"kind": "nested_kfold", "folds": 2, "repeats": 2})
    ledger = MemoryLedger(budget=1)
    swept(spec, ledger, train)
    told = ledger.outcomes[0].result
    assert told is not None
    assert ledger.record[0].values == pytest.approx([0.65])
    assert ledger.record[0].intermediate_values == pytest.approx({1: 0.5, 2: 0.55, 3: 0.6, 4: 0.65})
    expected = {"train_loss": 0.2, "stopping_loss": 0.1, "val_loss": 0.65, "gap": 0.45}
    assert {name: told.metrics[name] for name in expected} == pytest.approx(expected)
    assert "test_loss" not in told.metrics
    assert ledger.models == {0: "fold 0"}


def _write(path: Path, fold: int) -> None:
    path.write_text(f"fold {fold}", encoding="utf-8")
