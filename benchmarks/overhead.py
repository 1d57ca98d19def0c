"""Measures the cost of a trial beside its training: sampler and storage, in milliseconds, as a study grows.

`python -m benchmarks.overhead [100 1000 10000 … | --copied 99000]`: one worker's sweep over SQLite with an engine that
trains nothing; each trial reports at the rungs of 50 epochs and leaves a learning curve of 50 entries. CPU is the
process' own time, which says more than the wall time on a machine that others use; the parts are of the CPU time. With
`--copied` the trials up to this number are copies of the first 1,000, and those that come after them are measured.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.copied_trials import copy_trials
from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.ledger import TrialLedger
from service.storage.store import Store
from studies.datasets.preprocessing import PreparedData, prepare
from studies.study_file import parse
from studies.sweep.ledger import Ledger
from studies.sweep.loop import sweep
from studies.sweep.pruning import is_rung
from studies.training.result import EpochReport, Job, Trained, TrialResult, Trials

LANES, EPOCHS, WINDOW, ORIGINALS = 16, 50, 50, 1_000
SIZES = (100, 1_000, 10_000)
#: The ledger's methods by the part of a trial they are; the rest is the sampler and the loop.
PARTS = {"claim": "claim", "open": "open", "report": "report", "close": "close"}


@dataclass(frozen=True)
class Moment:
    """The clocks when a trial was done, and the CPU time of each part so far."""

    wall: float
    cpu: float
    parts: Counter[str]


class TimedLedger:
    """A ledger that adds up the CPU time of its methods."""

    def __init__(self, ledger: TrialLedger) -> None:
        self._ledger = ledger
        self.seconds: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        return partial(self._timed, name, getattr(self._ledger, name))

    def _timed(self, name: str, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        began = time.process_time()
        try:
            return method(*arguments, **named)
        finally:
            self.seconds[PARTS.get(name, "other storage")] += time.process_time() - began  # type: ignore[assignment]


class Instant:
    """An engine that trains nothing and remembers the moments at which some trials were done."""

    def __init__(self, ledger: TimedLedger, sizes: Sequence[int], trials: int, done: int = 0) -> None:
        self._ledger, self._numbers = ledger, {*sizes, *(size - WINDOW for size in sizes)}
        self._left, self._done = trials - done, done
        self.moments: dict[int, Moment] = {}

    def __call__(self, _: Sequence[PreparedData], trials: Trials) -> None:
        """Keep some trials in flight; the oldest ends first, as in a lane that falls free."""
        running: list[Job] = []
        while True:
            begun = trials.next(min(LANES - len(running), self._left))
            running += begun
            self._left -= len(begun)
            if not running:
                return
            job = running.pop(0)
            loss = float(np.log10(max(job.hyperparameters.regularization.layers[0].kernel.lambda_, 1e-9)) ** 2)
            for epoch in filter(is_rung, range(1, EPOCHS + 1)):
                trials.epoch([EpochReport(job.number, epoch, {"val_loss": loss})])
            trials.done(job, Trained(_result(loss), _save))
            self._done += 1
            if self._done in self._numbers:
                self.moments[self._done] = Moment(
                    time.perf_counter(), time.process_time(), Counter(self._ledger.seconds)
                )
                _print(self._done, self.moments)


def _result(loss: float) -> TrialResult:
    columns = ("loss", "penalized_loss", "val_loss", "val_penalized_loss", "val_accuracy", "val_auc")
    curve = {name: [loss] * EPOCHS for name in columns} | {"epoch": [float(i + 1) for i in range(EPOCHS)]}
    metrics = {f"{part}_{name}": loss for part in ("train", "val") for name in ("loss", "accuracy", "auc")}
    return TrialResult(
        metrics, {"zero_share": 0.0}, {"layers": [{"zero_share": 0.0}]}, curve, EPOCHS, EPOCHS, stopped_early=False
    )


def _save(path: Path) -> None:
    path.write_bytes(b"a model")


def _print(around: int, moments: dict[int, Moment]) -> None:
    if around - WINDOW not in moments:
        return
    first, last = moments[around - WINDOW], moments[around]
    wall, cpu = 1000 * (last.wall - first.wall) / WINDOW, 1000 * (last.cpu - first.cpu) / WINDOW
    parts = {name: 1000 * (last.parts[name] - first.parts[name]) / WINDOW for name in last.parts}
    parts["sampler and loop"] = cpu - sum(parts.values())
    listed = ", ".join(f"{name} {ms:.2f}" for name, ms in sorted(parts.items(), key=lambda part: -part[1]))
    print(f"around trial {around:>7,}: {wall:5.1f} ms a trial, {cpu:5.2f} ms CPU: {listed}", flush=True)


def main() -> None:
    """Print milliseconds a trial around each number of trials."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("sizes", type=int, nargs="*", help=f"numbers of trials, at least {WINDOW + 1}")
    arguments.add_argument("--copied", type=int, help=f"copy trials up to this number, a multiple of {ORIGINALS}")
    parsed = arguments.parse_args()
    if parsed.copied is None:
        sizes = sorted(parsed.sizes or SIZES)
        measure(sizes, sizes[-1] + LANES)  # the last one looked at is still followed by others
    else:
        measure_copied(parsed.copied)


def measure(sizes: Sequence[int], trials: int) -> None:
    """Print milliseconds a trial around each of some numbers, in a study of so many trials."""
    with tempfile.TemporaryDirectory() as folder:
        store = _store(folder, trials)
        _sweep(store, folder, sizes, trials)
        store.close()


def measure_copied(copied: int) -> None:
    """Print milliseconds a trial after a number of trials, nearly all of them copied."""
    trials = copied + 2 * WINDOW + LANES
    with tempfile.TemporaryDirectory() as folder:
        store = _store(folder, trials)
        _sweep(store, folder, [], ORIGINALS)
        copy_trials(Path(folder, "regsweep.db"), ORIGINALS, copied // ORIGINALS - 1)
        _sweep(store, folder, [copied + 2 * WINDOW], trials, copied)
        store.close()


def _store(folder: str, trials: int) -> Store:
    store = Store(f"sqlite:///{folder}/regsweep.db")
    document = {"name": "overhead", "dataset": {"kind": "builtin", "name": "iris"}, "budget": {"trials": trials}}
    store.create_study(parse(document))
    return store


def _sweep(store: Store, folder: str, sizes: Sequence[int], trials: int, done: int = 0) -> None:
    study = store.study("overhead")
    ledger = TimedLedger(TrialLedger(store, Artifacts(f"file://{folder}"), study, Holder("bench", 60.0)))
    spec = study.parsed_spec
    sweep(spec, [prepare(spec.dataset, 0)], cast("Ledger", ledger), Instant(ledger, sizes, trials, done))


if __name__ == "__main__":
    main()
