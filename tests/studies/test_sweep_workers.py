"""The one loop of a study among other workers: leases, trials handed over, numbers taken, a shared budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState

from studies.datasets.preprocessing import PreparedData, prepare_folds
from studies.errors import LeaseLostError
from studies.search.mirror import Mirror, as_template
from studies.spec.study import StudySpec
from studies.sweep.ledger import Claim, Order, Report, Standing
from studies.sweep.loop import sweep
from studies.training.result import EpochReport, Job, OnEpoch, Trained, TrialResult, Trials
from studies.training.sequential import sequential
from tests.studies.documents import FINITE, study
from tests.studies.ledger import MemoryLedger
from tests.studies.trainings import dropout, formula, random_study, sequence, states, swept


class VerdictLedger(MemoryLedger):
    """Answers the third report, or a later one, with the given order."""

    third = Order.GO_ON
    at = 3
    answers = 0

    def order(self) -> Order:
        self.answers += 1
        return self.third if self.answers == self.at else Order.GO_ON


def test_a_trial_that_a_studys_end_cuts_is_complete_with_what_it_has_and_its_model() -> None:
    ledger = VerdictLedger(budget=1)
    ledger.third = Order.END
    assert swept(random_study(), ledger, formula(sequence([0.5]))) == 1
    outcome = ledger.outcomes[0]
    assert (outcome.state, outcome.values) == (TrialState.COMPLETE, [0.5])
    assert outcome.reason == "cut after 3 epochs, when the study ended"
    assert outcome.result is not None
    assert outcome.result.epochs == 3
    assert ledger.models == {0: "model of loss 0.5"}


def test_a_trial_that_is_cut_has_no_value_where_few_epochs_are_good() -> None:
    ledger = VerdictLedger(budget=1)
    ledger.third = Order.END
    assert swept(random_study(objectives=["val_loss", "epochs"]), ledger, formula(sequence([0.5]))) == 1
    outcome = ledger.outcomes[0]
    assert (outcome.state, outcome.values) == (TrialState.PRUNED, None)
    assert outcome.reason == "the study ended while the trial ran"


@pytest.mark.parametrize(
    ("folds", "at", "reason"),
    [
        (2, 3, "cut after 3 epochs, when the study ended"),
        (1, 3, "cut after 3 epochs on 1 of 2 folds, when the study ended"),
        (1, 10, None),  # the trial before is whole
    ],
)
def test_a_trial_that_is_cut_has_a_value_if_each_of_its_folds_has_one_or_there_is_no_other(
    folds: int, at: int, reason: str | None
) -> None:
    ledger = VerdictLedger(budget=2)
    ledger.third, ledger.at = Order.END, at

    def at_once(data: Sequence[PreparedData], trials: Trials) -> None:
        """Trains so many folds side by side, an epoch after the other, as lanes do."""
        while jobs := trials.next(folds):
            ending, epoch = set[int](), 0
            while not ending and epoch < 4:
                epoch += 1
                reports = [EpochReport(job.number, epoch, {"val_loss": 0.5}, job.fold) for job in jobs]
                ending |= trials.epoch(reports)
            for job in jobs:
                result = TrialResult({"val_loss": 0.5}, {}, {}, {}, epoch, best_epoch=1, stopped_early=False)
                trials.done(job, Trained(result, lambda path: path.touch()))

    spec = random_study(resampling={"kind": "kfold", "folds": 2}, budget={"trials": 2, "epochs": 4})
    sweep(spec, prepare_folds(spec.dataset, spec.seed, spec.resampling), ledger, at_once, report_seconds=0.0)
    cut = ledger.outcomes[max(ledger.outcomes)]
    if reason is None:
        assert ledger.outcomes[0].state == TrialState.COMPLETE
        assert (cut.state, cut.reason) == (TrialState.PRUNED, "the study ended while the trial ran")
    else:
        assert (cut.state, cut.values, cut.reason) == (TrialState.COMPLETE, [0.5], reason)
    assert 0 in ledger.models


def test_a_trial_that_is_handed_back_is_not_told_and_ends_the_sweep() -> None:
    ledger = VerdictLedger(budget=5)
    ledger.third = Order.HAND_BACK
    assert swept(random_study(), ledger, formula(dropout)) == 0
    assert [claim.trial_id for claim in ledger.handed_back] == [1]
    assert (ledger.outcomes, ledger.models, ledger.places) == ({}, {}, 1)
    assert ledger.record[0].state == TrialState.RUNNING


def test_a_trial_that_was_handed_back_is_run_by_the_next_sweep_with_its_params_and_seed() -> None:
    spec, jobs = random_study(), list[Job]()
    ledger = VerdictLedger(budget=2)
    ledger.third = Order.HAND_BACK
    swept(spec, ledger, formula(dropout, jobs))
    ledger.waiting = [0]
    assert swept(spec, ledger, formula(dropout, jobs)) == 2
    assert (jobs[1].hyperparameters, jobs[1].seed) == (jobs[0].hyperparameters, jobs[0].seed)
    assert states(ledger) == [TrialState.COMPLETE] * 2


def test_a_resumed_trial_is_pruned_where_its_own_epochs_are_hopeless_and_not_before() -> None:
    spec = random_study(pruner={"name": "median", "n_startup_trials": 1, "n_warmup_steps": 3})
    loss = sequence([0.9, 0.5, 0.9])
    ledger = VerdictLedger(budget=1)
    ledger.third = Order.HAND_BACK
    swept(spec, ledger, formula(loss))  # reports three epochs and leaves
    ledger.waiting = [None, 0]
    swept(spec, ledger, formula(loss))  # a good trial, then the first one again
    assert ledger.outcomes[0].reason == "pruned by median after epoch 3"


def finite() -> StudySpec:
    return study(space=FINITE, sampler={"name": "brute_force"}, budget={"trials": 12})


class RacedLedger(MemoryLedger):
    """Another worker opens trial 0 just before this one does."""

    def open(self, claim: Claim, template: FrozenTrial | None, params: Mapping[str, Any]) -> None:
        if not self.record:
            mirror = Mirror(finite(), [])
            mirror.ask()
            taken = as_template(mirror.ask())  # the very point that this worker would ask second
            taken.number = 0
            self.record.append(taken)
        super().open(claim, template, params)


def test_a_number_that_is_taken_leads_to_asking_again() -> None:
    ledger, jobs = RacedLedger(budget=1), list[Job]()
    assert swept(finite(), ledger, formula(dropout, jobs)) == 1
    assert (list(ledger.outcomes), ledger.refused) == ([1], 1)
    asked = Mirror(finite(), ledger.trials()[:1]).ask().params
    assert ledger.record[1].params == asked != ledger.record[0].params
    assert jobs[0].number == 1


class LostLedger(MemoryLedger):
    """Loses its lease while a trial trains."""

    def report(self, reports: Sequence[Report]) -> Standing:
        super().report(reports)
        raise LeaseLostError("another worker has it")


def test_what_a_report_raises_ends_the_sweep_and_is_not_the_trials_fault() -> None:
    ledger = LostLedger(budget=3)
    with pytest.raises(LeaseLostError, match="another worker has it"):
        swept(random_study(), ledger, formula(dropout))
    assert ledger.outcomes == {}
    assert len(ledger.record) == 1


def test_two_workers_share_one_budget() -> None:
    spec, ledger = random_study(), MemoryLedger(budget=6)
    inner: list[int] = []

    def train(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        if not inner:  # in the midst of the first trial another worker runs two of the budget's places
            inner.append(0)
            ledger.budget = 3
            inner.append(sweep(spec, [data], ledger, sequential(formula(dropout)), report_seconds=0.0))
            ledger.budget = 6
        return formula(dropout)(job, data, on_epoch)

    assert (swept(spec, ledger, train), inner[1]) == (4, 2)
    assert states(ledger) == [TrialState.COMPLETE] * 6
    assert ledger.refused == 0  # each looks at what the other opened before it asks
    asked = [tuple(trial.params.items()) for trial in ledger.record]
    assert len(set(asked)) == 6
