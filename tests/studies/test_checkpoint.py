"""A trial that goes on from its checkpoint ends with the same result as if nothing had happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState

from studies.datasets.preprocessing import prepare_folds
from studies.spec.study import StudySpec
from studies.sweep.ledger import Claim, Order, Outcome
from studies.sweep.loop import sweep
from studies.training.engines import EngineChoice, Engines
from tests.studies.documents import study
from tests.studies.engines import shared_engines
from tests.studies.ledger import MemoryLedger

pytestmark = pytest.mark.slow
EPOCHS = 12
CHOICES = {
    "lanes": EngineChoice("lanes", 4, 4, xla=False, why="a test"),
    "fit": EngineChoice("fit", 1, 1, xla=False, why="a test"),
}


@dataclass
class Interrupted(MemoryLedger):
    """Tells a worker to hand its trials back with the report of this number; they wait for the next."""

    at: int = 1
    reports: int = 0
    numbers: dict[int, int] = field(default_factory=dict)  # by claim

    def order(self) -> Order:
        self.reports += 1
        return Order.HAND_BACK if self.reports == self.at else Order.GO_ON

    def open(self, claim: Claim, template: FrozenTrial | None, params: Mapping[str, Any]) -> None:
        super().open(claim, template, params)
        assert template is not None
        self.numbers[claim.trial_id] = template.number

    def keep_model(self, claim: Claim, number: int, model: Path) -> None:
        self._check(claim)
        self.models[number] = model.name

    def hand_back(self, claim: Claim) -> None:
        super().hand_back(claim)
        self.waiting.append(self.numbers[claim.trial_id] if claim.number is None else claim.number)


@pytest.fixture(scope="module")
def engines() -> Engines:
    return shared_engines()


def spec_of(**changes: object) -> StudySpec:
    plain: dict[str, object] = {
        "dataset": {"kind": "builtin", "name": "iris"},
        "model": {"kind": "mlp", "hidden_units": [8], "batch_norm": True},
        "space": {"dropout": {"low": 0.2, "high": 0.4}, "patience": {"low": 3, "high": 30}},
        "budget": {"trials": 2, "epochs": EPOCHS},
        "sampler": {"name": "random"},
        "seed": 5,
    }
    return study(**(plain | changes))


def swept(spec: StudySpec, engines: Engines, engine: str, ledger: MemoryLedger, every: float = np.inf) -> MemoryLedger:
    data = prepare_folds(spec.dataset, spec.seed, spec.resampling)
    run = engines.make(CHOICES[engine], spec)
    while sweep(spec, data, ledger, run, report_seconds=0.0, checkpoint_seconds=every) or ledger.waiting:
        pass
    return ledger


def same(ledger: MemoryLedger, other: MemoryLedger) -> None:
    """Every number of every trial, to the last bit."""
    assert ledger.outcomes.keys() == other.outcomes.keys()
    for number, outcome in ledger.outcomes.items():
        assert repr(outcome.result) == repr(other.outcomes[number].result)
        assert outcome.values == other.outcomes[number].values
    assert [trial.intermediate_values for trial in ledger.record] == [t.intermediate_values for t in other.record]


FORMS: dict[str, dict[str, object]] = {
    "holdout": {},
    "folds": {"resampling": {"kind": "kfold", "folds": 3}},
    "two folds": {"resampling": {"kind": "kfold", "folds": 2}},
    "nested folds": {"resampling": {"kind": "nested_kfold", "folds": 2, "repeats": 1}},
    "pruned": {"pruner": {"name": "median", "n_startup_trials": 1, "n_warmup_steps": 1}},
    "last weights": {"early_stopping": {"restore_best_weights": False}},
    "scheduled sgd": {"training": {"optimizer": {"name": "sgd", "momentum": 0.9}, "schedule": {"name": "cosine"}}},
}


@pytest.mark.parametrize(
    ("engine", "form"),
    [*(("lanes", form) for form in FORMS if form != "two folds"), ("fit", "holdout"), ("fit", "two folds")],
)
def test_a_trial_that_is_handed_back_ends_as_if_nothing_had_happened(engines: Engines, engine: str, form: str) -> None:
    spec = spec_of(**FORMS[form])
    undisturbed = swept(spec, engines, engine, Interrupted(budget=2, at=0))
    disturbed = swept(spec, engines, engine, Interrupted(budget=2, at=2))
    assert disturbed.handed_back
    assert disturbed.checkpoints
    same(disturbed, undisturbed)


class KilledError(Exception):
    """The worker dies."""


@dataclass
class Dying(Interrupted):
    """Kills its worker with the report of this number; what was kept before stays."""

    def order(self) -> Order:
        self.reports += 1
        if self.reports == self.at:
            raise KilledError
        return Order.GO_ON


@pytest.mark.parametrize(("engine", "form"), [("lanes", "holdout"), ("lanes", "folds"), ("fit", "holdout")])
def test_a_trial_whose_worker_dies_goes_on_from_its_last_checkpoint(engines: Engines, engine: str, form: str) -> None:
    spec = spec_of(**FORMS[form])
    undisturbed = swept(spec, engines, engine, Interrupted(budget=2, at=0))
    ledger = Dying(budget=2, at=5)
    with pytest.raises(KilledError):
        swept(spec, engines, engine, ledger, every=0.0)
    held = sorted(ledger.checkpoints.keys() - ledger.outcomes.keys())
    assert held
    ledger.waiting, ledger.held = list(held), set()
    before = ledger.reports
    swept(spec, engines, engine, ledger)
    assert ledger.reports > before
    for number, outcome in ledger.outcomes.items():
        assert outcome.state == TrialState.COMPLETE
        assert repr(outcome.result) == repr(undisturbed.outcomes[number].result)


def test_the_state_of_another_engine_is_left_aside(engines: Engines) -> None:
    spec = spec_of()
    undisturbed = swept(spec, engines, "lanes", Interrupted(budget=2, at=0))
    ledger = Dying(budget=2, at=3)
    with pytest.raises(KilledError):
        swept(spec, engines, "fit", ledger, every=0.0)
    ledger.waiting, ledger.held = (
        [number for number in range(len(ledger.record)) if number not in ledger.outcomes],
        set(),
    )
    done = set(ledger.outcomes)
    swept(spec, engines, "lanes", ledger)
    for number in ledger.outcomes.keys() - done:
        assert repr(ledger.outcomes[number].result) == repr(undisturbed.outcomes[number].result)


@dataclass
class DyingAtTheEnd(Interrupted):
    """Kills its worker when the first trial is to be told."""

    def close(self, claim: Claim, number: int, outcome: Outcome) -> None:
        self.at -= 1
        if self.at == 0:
            raise KilledError
        super().close(claim, number, outcome)


@pytest.mark.parametrize("engine", CHOICES)
def test_a_training_that_had_ended_is_not_trained_any_further(engines: Engines, engine: str) -> None:
    spec = spec_of()
    undisturbed = swept(spec, engines, engine, Interrupted(budget=2, at=0))
    ledger = DyingAtTheEnd(budget=2, at=1)
    with pytest.raises(KilledError):
        swept(spec, engines, engine, ledger, every=0.0)
    ledger.waiting, ledger.held = list(range(len(ledger.record))), set()
    swept(spec, engines, engine, ledger)
    same(ledger, undisturbed)
