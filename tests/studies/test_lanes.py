"""The lane engine as a whole: a trial's result is its own, whoever sits beside it."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.datasets.preprocessing import PreparedData, prepare, prepare_folds
from studies.errors import DivergedError
from studies.spec.study import StudySpec
from studies.study_file import parse
from studies.training.result import EpochReport, Job, Trained, TrialResult
from tests.studies.engines import shared_engines
from tests.studies.laning import program_of, train

pytestmark = pytest.mark.slow

TABLE = {"kind": "synthetic", "name": "noisy_labels", "rows": 90, "features": 6, "informative": 3}
KINDS = ("none", "l1", "l2", "elastic_net")


def spec_of(**changes: Any) -> StudySpec:
    plain = {
        "name": "x",
        "dataset": TABLE,
        "model": {"kind": "mlp", "hidden_units": [8], "batch_norm": True},
        "budget": {"trials": 8, "epochs": 6},
    }
    return parse(plain | changes)


def job(spec: StudySpec, number: int, **params: Any) -> Job:
    values = {"regularizer": KINDS[number % 4], "lambda": 0.01, "l1_ratio": 0.5, "dropout": 0.3, "patience": 2}
    return Job(number, spec, spec.space.hyperparameters(values | params), 100 + number)


class Given:
    """studies.training.result.Trials over a list of jobs."""

    def __init__(self, jobs: Sequence[Job], cut: Set[int] = frozenset()) -> None:
        self._jobs, self._cut = list(jobs), cut
        self.outcomes: dict[int, Trained | Exception] = {}
        self.most_free = 0

    def next(self, free: int) -> list[Job]:
        given, self._jobs = self._jobs[:free], self._jobs[free:]
        self.most_free = max(self.most_free, free)
        return given

    def epoch(self, reports: Sequence[EpochReport]) -> Set[int]:
        return {report.number for report in reports if report.number in self._cut and report.epoch == 2}

    def done(self, job: Job, outcome: Trained | Exception) -> None:
        assert job.number not in self.outcomes
        self.outcomes[job.number] = outcome

    def trained(self, number: int) -> Trained:
        outcome = self.outcomes[number]
        assert isinstance(outcome, Trained), outcome
        return outcome


def run(spec: StudySpec, jobs: Sequence[Job], lanes: int, cut: Set[int] = frozenset(), epochs: int = 4) -> Given:
    from studies.training.engines import EngineChoice

    data = prepare_folds(spec.dataset, spec.seed, spec.resampling)
    given = Given(jobs, cut)
    # Without XLA a program compiles in a second; with it the arithmetic is reordered.
    choice = EngineChoice("lanes", lanes, epochs, xla=False, why="a test")
    shared_engines().make(choice, spec)(data, given)
    return given


def assert_same_up_to_rounding(one: TrialResult, other: TrialResult) -> None:
    for field in ("epochs", "best_epoch", "stopped_early"):
        assert getattr(one, field) == getattr(other, field)
    for name, value in one.metrics.items():
        assert other.metrics[name] == pytest.approx(value, rel=1e-4, abs=1e-5)
    for name, column in one.curve.items():
        assert other.curve[name] == pytest.approx(column, rel=1e-4, abs=1e-5)


def test_every_trial_is_trained_once_and_free_lanes_are_filled_again() -> None:
    spec = spec_of()
    given = run(spec, [job(spec, number) for number in range(8)], lanes=3)
    assert sorted(given.outcomes) == list(range(8))
    assert given.most_free == 3
    assert {given.trained(number).result.epochs for number in range(8)} <= set(range(3, 7))


def test_a_trial_has_the_same_result_with_other_neighbours_in_another_lane() -> None:
    spec = spec_of()
    first = run(spec, [job(spec, number) for number in range(8)], lanes=3)
    other = run(spec, [job(spec, number) for number in reversed(range(8))], lanes=3)
    for number in range(8):
        assert first.trained(number).result == other.trained(number).result


def test_a_trial_has_the_same_result_alone_up_to_rounding() -> None:
    spec = spec_of()
    together = run(spec, [job(spec, number) for number in range(4)], lanes=4)
    for number in range(4):
        alone = run(spec, [job(spec, number)], lanes=1)
        assert_same_up_to_rounding(alone.trained(number).result, together.trained(number).result)


@pytest.mark.parametrize("stopping", [{}, {"restore_best_weights": False}, {"monitor": "val_auc"}], ids=str)
def test_a_trial_has_the_same_result_however_many_epochs_a_call_has(stopping: dict[str, Any]) -> None:
    spec = spec_of(early_stopping=stopping, budget={"trials": 8, "epochs": 12}, space={"learning_rate": [0.05]})
    jobs = [job(spec, number, patience=3, learning_rate=0.05) for number in range(8)]
    one, many = (run(spec, jobs, lanes=3, cut={2}, epochs=epochs) for epochs in (1, 4))
    for number in range(8):
        assert_same_up_to_rounding(one.trained(number).result, many.trained(number).result)
    if spec.early_stopping.restore_best_weights:
        # Of some trial the best epoch lies in a call before its last, within that call and not at its start.
        results = [many.trained(number).result for number in range(8)]
        assert any(r.best_epoch <= (r.epochs - 1) // 4 * 4 and r.best_epoch % 4 != 1 for r in results)


@pytest.mark.parametrize("stopping", [{}, {"restore_best_weights": False}, {"monitor": "val_auc"}], ids=str)
def test_the_exported_model_gives_the_recorded_values(stopping: dict[str, Any], tmp_path: Path) -> None:
    import keras

    spec = spec_of(early_stopping=stopping)
    data = prepare(spec.dataset, spec.seed)
    given = run(spec, [job(spec, number, patience=1) for number in range(4)], lanes=4)
    for number in range(4):
        trained = given.trained(number)
        trained.save(tmp_path / "model.keras")
        model = keras.models.load_model(tmp_path / "model.keras")
        result = trained.result
        for part, prefix in ((data.train, "train"), (data.validation, "val")):
            measured = model.evaluate(part.x, part.y, verbose=0, return_dict=True)
            assert measured["binary_crossentropy"] == pytest.approx(result.metrics[f"{prefix}_loss"], abs=1e-5)
            assert measured["loss"] == pytest.approx(result.metrics[f"{prefix}_penalized_loss"], abs=1e-5)
        assert result.curve["val_loss"][result.best_epoch - 1] == pytest.approx(result.metrics["val_loss"], abs=1e-5)


def test_a_trial_that_is_cut_leaves_its_lane_to_the_next() -> None:
    spec = spec_of(space={"patience": 6})
    given = run(spec, [job(spec, number, patience=6) for number in range(6)], lanes=2, cut={0, 3})
    assert [given.trained(number).result.epochs for number in range(6)] == [2, 6, 6, 2, 6, 6]


def test_a_lane_that_diverges_fails_alone() -> None:
    spec = spec_of(model={"kind": "mlp", "hidden_units": [8]}, space={"learning_rate": [0.001, 1.0]})
    given = run(spec, [job(spec, n, learning_rate=1e30 if n == 1 else 0.001) for n in range(3)], lanes=3)
    assert isinstance(given.outcomes[1], DivergedError)
    alone = run(spec, [job(spec, n, learning_rate=0.001) for n in (0, 2)], lanes=3)
    for number in (0, 2):
        assert given.trained(number).result == alone.trained(number).result


def test_each_batch_size_has_its_own_program() -> None:
    spec = spec_of(space={"batch_size": [16, 20]})
    given = run(spec, [job(spec, number, batch_size=(16, 20)[number % 2]) for number in range(5)], lanes=2)
    assert sorted(given.outcomes) == list(range(5))
    for number in (0, 1):
        size = (16, 20)[number]
        alone = run(spec, [job(spec, number, batch_size=size)], lanes=2).trained(number).result
        assert given.trained(number).result == alone


def sized(data: PreparedData, train: int, validation: int) -> PreparedData:
    return replace(
        data, rows=replace(data.rows, train=data.rows.train[:train], validation=data.rows.validation[:validation])
    )


@pytest.mark.parametrize(("batch_size", "rows"), [(16, (54, 40)), (40, (54, 53)), (60, (54, 50))])
def test_another_number_of_rows_takes_the_same_program_and_gives_what_its_own_gives(
    batch_size: int, rows: tuple[int, int]
) -> None:
    spec = spec_of(space={"batch_size": batch_size}, dataset=TABLE | {"rows": 150})
    jobs, given = [job(spec, 0)], prepare(spec.dataset, spec.seed)
    many, few = (sized(given, count, count // 2) for count in rows)
    program = program_of(jobs, many, 3)
    rng, drawn = np.random.default_rng(0), [program.initial(5)]
    for data in (many, few, many):
        order = np.stack([[rng.permutation(data.train_rows)] for _ in range(3)])
        assert program_of(jobs, data, 3).key == program.key
        carry, epochs = train(program, jobs, data, drawn, order)
        own_carry, own_epochs = train(program_of(jobs, data, 3), jobs, data, drawn, order)
        for mine, own in zip(carry.lanes.model.weights, own_carry.lanes.model.weights, strict=True):
            np.testing.assert_array_equal(mine, own)
        np.testing.assert_array_equal(epochs.validation_loss, own_epochs.validation_loss)
    assert program.traced.graphs == 1


def test_with_dropout_a_lane_and_fit_give_losses_of_one_distribution() -> None:
    from scipy.stats import mannwhitneyu

    from studies.training.fit import train

    spec = spec_of(model={"kind": "mlp", "hidden_units": [8]}, space={"patience": 6})
    data = prepare(spec.dataset, spec.seed)
    jobs = [job(spec, number, regularizer="l2", dropout=0.5, patience=6) for number in range(16)]
    laned = run(spec, jobs, lanes=8)
    mine = [laned.trained(number).result.metrics["val_loss"] for number in range(16)]
    theirs = [train(one, data, lambda *_: True).result.metrics["val_loss"] for one in jobs]
    assert mannwhitneyu(mine, theirs).pvalue > 0.01
