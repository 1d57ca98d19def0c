"""Trials that share their seeds differ by their params alone, in both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studies.datasets.preprocessing import prepare_folds
from studies.spec.study import StudySpec
from studies.sweep.loop import sweep
from studies.training.engines import EngineChoice
from tests.studies.documents import study
from tests.studies.engines import shared_engines
from tests.studies.ledger import MemoryLedger

pytestmark = pytest.mark.slow
#: One point that differs by nothing but a choice of two rates of dropout.
SPACE = {"regularizer": "l2", "lambda": 0.01, "dropout": [0.2, 0.4], "patience": 3}
CHOICES = {
    "lanes": EngineChoice("lanes", 2, 1, xla=False, why="a test"),
    "fit": EngineChoice("fit", 1, 1, xla=False, why="a test"),
}


class AnyModel(MemoryLedger):
    """Takes models that are no text."""

    def keep_model(self, claim: Any, number: int, model: Path) -> None:
        self._check(claim)
        self.models[number] = model.name


def values_of(engine: str, seeds: str) -> dict[float, set[float]]:
    """The values that each rate of dropout gave in the trials of a study."""
    spec: StudySpec = study(
        dataset={"kind": "builtin", "name": "iris"}, model={"kind": "mlp", "hidden_units": [8]}, space=SPACE,
        sampler={"name": "random"}, budget={"trials": 5, "epochs": 4}, training={"seeds": seeds}, seed=5,
    )  # fmt: skip
    ledger, data = AnyModel(budget=5), prepare_folds(spec.dataset, spec.seed, spec.resampling)
    assert sweep(spec, data, ledger, shared_engines().make(CHOICES[engine], spec)) == 5
    values: dict[float, set[float]] = {}
    for trial in ledger.record:
        values.setdefault(trial.params["dropout"], set()).update(trial.values)
    return values


@pytest.mark.parametrize("engine", ["lanes", "fit"])
def test_the_same_params_give_the_same_value_unless_each_trial_has_seeds_of_its_own(engine: str) -> None:
    common, own = values_of(engine, "common"), values_of(engine, "own")
    assert {rate: len(found) for rate, found in common.items()} == {0.2: 1, 0.4: 1}
    assert common[0.2] != common[0.4]
    assert sum(map(len, own.values())) == 5
