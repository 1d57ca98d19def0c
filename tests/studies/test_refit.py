"""A training that is to end before the study's budget of epochs is one of the whole budget up to there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studies.datasets.preprocessing import prepare
from studies.training.engines import EngineChoice
from studies.training.result import Job
from tests.studies.documents import study
from tests.studies.engines import shared_engines
from tests.studies.test_lanes import Given

pytestmark = pytest.mark.slow
CHOICES = {
    "lanes": EngineChoice("lanes", 2, 3, xla=False, why="a test"),
    "fit": EngineChoice("fit", 1, 1, xla=False, why="a test"),
}


@pytest.mark.parametrize("engine", CHOICES)
def test_it_ends_earlier_and_its_schedule_is_the_studys(engine: str) -> None:
    spec = study(
        model={"kind": "mlp", "hidden_units": [4]},
        training={"optimizer": {"name": "sgd"}, "schedule": {"name": "cosine"}},
        budget={"trials": 1, "epochs": 9},
    )
    fixed = {"regularizer": "none", "lambda": 0.0, "dropout": 0.0, "patience": 1}
    hyper = replace(spec.space.hyperparameters(fixed), patience=None, learning_rate=0.1)
    whole = Job(0, spec, hyper, seed=5)
    given = Given([whole, replace(whole, number=1, epochs=4)])
    shared_engines().make(CHOICES[engine], spec)([prepare(spec.dataset, spec.seed)], given)
    long, short = (given.trained(number).result for number in (0, 1))
    assert (long.epochs, short.epochs, short.best_epoch, short.stopped_early) == (9, 4, 4, False)
    assert short.curve["val_loss"] == pytest.approx(long.curve["val_loss"][:4], rel=1e-6)
    assert short.metrics["val_loss"] == pytest.approx(long.curve["val_loss"][3], rel=1e-5)
