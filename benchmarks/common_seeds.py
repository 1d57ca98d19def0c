"""Measures whether trials should share their seeds: `python -m benchmarks.common_seeds [--tables NAME …]`.

PARAMS params drawn from the default space are each trained under the same SEEDS seeds on 400 rows of a real table. A
study of common seeds is a column of that matrix, one of own seeds takes another column for each trial. The truth of a
trial's params is their mean over all columns that the study does not show of them. Printed are, as means over such
studies, the rank correlation of values with the truth, the regret of the best trial's params (how much worse their
truth is than the best truth), and by how much its value flatters them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence, Set
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.judging import Judge
from studies.datasets.preprocessing import PreparedData, prepare_folds
from studies.datasets.profile import profile
from studies.datasets.tables import read
from studies.seeds import trial_seed
from studies.spec.dataset import UploadedDataset
from studies.spec.study import StudySpec
from studies.spec.table import TableOptions
from studies.training.engines import Engines
from studies.training.result import EpochReport, Job, Trained

Matrix = npt.NDArray[np.float64]
TABLES = ("email", "hotel", "monica", "charity", "interest", "pitches", "beps")
ROWS, PARAMS, SEEDS, STUDIES = 400, 24, 10, 200
EPOCHS = (5, 40)


class _Grid:
    """Gives an engine a job for each params and seed, and keeps the losses; studies.training.result.Trials."""

    def __init__(self, spec: StudySpec) -> None:
        from optuna.samplers import RandomSampler
        from optuna.study import create_study

        study = create_study(sampler=RandomSampler(seed=0))
        asked = [study.ask(spec.space.distributions()).params for _ in range(PARAMS)]
        self._jobs = [
            Job(index * SEEDS + seed, spec, spec.space.hyperparameters(params), trial_seed(1, seed))
            for index, params in enumerate(asked)
            for seed in range(SEEDS)
        ]
        self.losses: Matrix = np.full((PARAMS, SEEDS), np.nan)

    def next(self, free: int) -> list[Job]:
        given, self._jobs = self._jobs[:free], self._jobs[free:]
        return given

    def epoch(self, reports: Sequence[EpochReport]) -> Set[int]:  # noqa: ARG002  # none is pruned
        return frozenset()

    def done(self, job: Job, outcome: Trained | Exception) -> None:
        if isinstance(outcome, Exception):
            raise outcome
        self.losses[divmod(job.number, SEEDS)] = outcome.result.metrics["val_loss"]


def losses(engines: Engines, table: str, epochs: int) -> Matrix:
    """The validation loss of each params, by seed."""
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge.of(table, 0, ROWS, 10, Path(folder))
        spec, data = _study(judge, epochs)
    grid = _Grid(spec)
    engines.make(engines.choose(spec, data), spec)(data, grid)
    return grid.losses


def _study(judge: Judge, epochs: int) -> tuple[StudySpec, tuple[PreparedData, ...]]:
    digest, options = sha256(judge.shown.read_bytes()).hexdigest(), TableOptions(target=judge.target)
    facts = profile(read(judge.shown, "csv", options)).facts
    dataset = UploadedDataset(
        kind="uploaded", name=judge.name, digest=digest, format="csv", options=options, known=facts
    )
    spec = StudySpec.model_validate({"dataset": dataset, "budget": {"trials": PARAMS * SEEDS, "epochs": epochs}})
    return spec, prepare_folds(dataset, spec.seed, spec.resampling, {digest: judge.shown}.__getitem__)


def judged(matrix: Matrix, *, common: bool) -> tuple[float, float, float]:
    """Mean rank correlation, regret and flattery of studies whose trials have common or own seeds."""
    from scipy.stats import spearmanr

    rng, figures, rows = np.random.default_rng(0), [], np.arange(len(matrix))
    for study in range(STUDIES):
        shown = np.full(len(rows), study % SEEDS) if common else rng.integers(0, SEEDS, len(rows))
        values = matrix[rows, shown]
        truth = (matrix.sum(axis=1) - values) / (SEEDS - 1)
        best = int(values.argmin())
        figures.append(
            (spearmanr(values, truth).statistic, truth[best] / truth.min() - 1, 1 - values[best] / truth[best])
        )
    return tuple(np.mean(figures, axis=0).tolist())


def main() -> None:
    """Print two lines a table and number of epochs, then the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="*", default=TABLES)
    parser.add_argument("--epochs", nargs="*", type=int, default=EPOCHS)
    arguments = parser.parse_args()
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}  # as a worker has them
    engines, found = Engines(None, 0.2, None), []
    print(f"{'table':10} {'epochs':>6} {'seeds':6} {'rank corr.':>10} {'regret':>8} {'flattery':>8}")
    for epochs in arguments.epochs:
        for table in arguments.tables:
            matrix = losses(engines, table, epochs)
            for common in (False, True):
                figures = judged(matrix, common=common)
                found.append((epochs, common, figures))
                _print(table, epochs, common, figures)
        for common in (False, True):
            means = np.mean([f for e, c, f in found if (e, c) == (epochs, common)], axis=0).tolist()
            _print("mean", epochs, common, means)


def _print(table: str, epochs: int, common: bool, figures: Sequence[float]) -> None:
    correlation, regret, flattery = figures
    name = "common" if common else "own"
    print(f"{table:10} {epochs:6} {name:6} {correlation:10.2f} {regret:8.2%} {flattery:8.2%}", flush=True)


if __name__ == "__main__":
    main()
