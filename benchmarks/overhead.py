"""Measures the cost of a trial beside its training: sampler and storage, in milliseconds, as a study grows.

`python -m benchmarks.overhead [--trials N]`: one worker's sweep over SQLite with an engine that trains nothing; each
trial reports at the rungs of 50 epochs and leaves a learning curve of 50 entries.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.ledger import TrialLedger
from service.storage.store import Store
from studies.datasets.preprocessing import PreparedData, prepare
from studies.study_file import parse
from studies.sweep.loop import sweep
from studies.sweep.pruning import is_rung
from studies.training.result import EpochReport, Job, Trained, TrialResult, Trials

LANES, EPOCHS, WINDOW = 16, 50, 50


class Instant:
    """An engine that trains nothing and remembers when each trial was done."""

    def __init__(self) -> None:
        self.done_at: list[float] = []

    def __call__(self, _: Sequence[PreparedData], trials: Trials) -> None:
        """Keep some trials in flight; the oldest ends first, as in a lane that falls free."""
        running: list[Job] = []
        while True:
            running += trials.next(LANES - len(running))
            if not running:
                return
            job = running.pop(0)
            loss = float(np.log10(max(job.hyperparameters.regularization.layers[0].kernel.lambda_, 1e-9)) ** 2)
            for epoch in filter(is_rung, range(1, EPOCHS + 1)):
                trials.epoch([EpochReport(job.number, epoch, {"val_loss": loss})])
            trials.done(job, Trained(_result(loss), _save))
            self.done_at.append(time.perf_counter())


def _result(loss: float) -> TrialResult:
    columns = ("loss", "penalized_loss", "val_loss", "val_penalized_loss", "val_accuracy", "val_auc")
    curve = {name: [loss] * EPOCHS for name in columns} | {"epoch": [float(i + 1) for i in range(EPOCHS)]}
    metrics = {f"{part}_{name}": loss for part in ("train", "val") for name in ("loss", "accuracy", "auc")}
    return TrialResult(
        metrics, {"zero_share": 0.0}, {"layers": [{"zero_share": 0.0}]}, curve, EPOCHS, EPOCHS, stopped_early=False
    )


def _save(path: Path) -> None:
    path.write_bytes(b"a model")


def main() -> None:
    """Print milliseconds a trial around 100, 1,000 and 10,000 trials."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--trials", type=int, default=10_000)
    trials = arguments.parse_args().trials
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/regsweep.db")
        document = {"name": "overhead", "dataset": {"kind": "builtin", "name": "iris"}, "budget": {"trials": trials}}
        spec = parse(document)
        study = store.create_study(spec)
        ledger = TrialLedger(store, Artifacts(f"file://{folder}"), study, Holder("bench", 60.0))
        engine = Instant()
        sweep(spec, [prepare(spec.dataset, 0)], ledger, engine)
        store.close()
    for around in (100, 1_000, 10_000):
        if around <= trials:
            milliseconds = _milliseconds(engine.done_at, around)
            print(f"sampler and storage around trial {around:>6,}: {milliseconds:6.1f} ms a trial")


def _milliseconds(done_at: Sequence[float], around: int) -> float:
    window = done_at[around - WINDOW : around]
    return 1000 * (window[-1] - window[0]) / (len(window) - 1)


if __name__ == "__main__":
    main()
