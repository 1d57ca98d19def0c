"""Ten sweeps of W&B, written as people write them, become studies that train, or are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studies import study_file
from studies.datasets.preprocessing import prepare_folds
from studies.errors import InvalidSpecError
from studies.imports.imported import NO_CHOICES, Choices, Imported
from studies.imports.wandb_sweep import import_sweep, read_sweep
from studies.sweep.loop import sweep
from studies.training.engines import EngineChoice
from tests.studies.engines import shared_engines
from tests.studies.imports.offers import accept_offers
from tests.studies.ledger import MemoryLedger
from tests.studies.wandb_sweeps import CASES, SWEEPS


def imported(name: str, choices: Choices) -> Imported:
    return import_sweep(read_sweep(SWEEPS / f"{name}.yaml"), CASES[name].dataset, choices)


def at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document[name]
    return document


def test_there_are_ten_sweeps() -> None:
    assert {file.stem for file in SWEEPS.glob("*.yaml")} == CASES.keys()
    assert len(CASES) >= 10


@pytest.mark.parametrize("name", CASES)
def test_a_sweep_is_imported_or_each_part_without_a_meaning_is_refused_with_its_reason(name: str) -> None:
    case = CASES[name]
    if not case.refused:
        imported(name, NO_CHOICES)
        return
    with pytest.raises(InvalidSpecError) as refusal:
        imported(name, NO_CHOICES)
    errors = {error.field: error.message for error in refusal.value.errors}
    assert errors.keys() == case.refused
    assert all(len(message) > 20 for message in errors.values())


@pytest.mark.parametrize("name", CASES)
def test_what_a_user_says_makes_a_study_of_a_sweep_that_searches_the_same(name: str) -> None:
    case = CASES[name]
    made = imported(name, case.choices)
    for path, value in case.expected.items():
        assert at(made.study, path) == value, path
    assert {each.name for each in made.left_out} == case.choices.leave_out


@pytest.mark.parametrize("name", CASES)
def test_what_the_refusals_of_a_sweep_offer_makes_a_study(name: str) -> None:
    accept_offers(lambda choices: imported(name, choices))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_study_of_a_sweep_trains(name: str) -> None:
    document = imported(name, CASES[name].choices).study
    budget = {**document["budget"], "trials": 2, "epochs": 2, "best_seeds": 0}
    spec = study_file.parse({**document, "budget": budget})
    ledger, data = _AnyModel(budget=2), prepare_folds(spec.dataset, spec.seed, spec.resampling)
    engine = shared_engines().make(EngineChoice("fit", 1, 1, xla=False, why="a test"), spec)
    assert sweep(spec, data, ledger, engine) == 2
    assert all(trial.values for trial in ledger.record)


class _AnyModel(MemoryLedger):
    """Takes models that are no text."""

    def keep_model(self, claim: Any, number: int, model: Path) -> None:
        self._check(claim)
        self.models[number] = model.name
