"""Profiles a worker's time: `python -m benchmarks.profile [--workload NAME] [--trials N] [--beside]`.

A worker in this process, on one thread, over SQLite; milliseconds a trial by what they were spent on, each without what
it calls of the others. With --beside a second worker, in a process of its own, takes its share of the same study.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from benchmarks.workloads import WORKLOADS, prepared
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.ledger import TrialLedger
from service.storage.store import Store
from service.worker.keras_engines import keras_engines
from studies.sweep.loop import sweep

if TYPE_CHECKING:
    from studies.training.program import Program
    from studies.training.program_key import ProgramKey


class Stopwatch:
    """Seconds by name, each without those of the names inside it."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._inner = [0.0]

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap the function so that its seconds are counted."""

        @wraps(function)
        def measured(*arguments: Any, **options: Any) -> Any:
            self._inner.append(0.0)
            start = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                spent = time.perf_counter() - start
                self.seconds[name] += spent - self._inner.pop()
                self.calls[name] += 1
                self._inner[-1] += spent

        return measured

    def watch(self, owner: Any, method: str, name: str) -> None:
        """Measure a method of a class."""
        setattr(owner, method, self.around(name, getattr(owner, method)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", choices=list(WORKLOADS), default="small table")
    parser.add_argument("--trials", type=int, default=128)
    parser.add_argument("--beside", action="store_true", help="let a second worker take its share")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database_url=f"sqlite:///{folder}/regsweep.db", artifacts_url=f"file://{folder}")
        engine_of = keras_engines(settings)
        spec, one = prepared(arguments.workload, arguments.trials)
        data = [one]
        store = Store(settings.database_url)
        study = store.create_study(spec)
        ledger = TrialLedger(store, Artifacts(settings.artifacts_url), study, Holder("bench", 60.0))
        watch = Stopwatch()
        _watch_all(watch)
        other = _beside(settings) if arguments.beside else None
        start = time.perf_counter()
        engine, shown = watch.around("engine: choose", engine_of)(spec, data)
        trials = watch.around("everything else", sweep)(spec, data, ledger, engine)
        total = time.perf_counter() - start
        if other is not None:
            other.terminate()
            other.wait()
        store.close()
    print(f"{arguments.workload}, {trials} of {arguments.trials} trials in {total:.1f} s; {shown['why']}")
    for name, seconds in sorted(watch.seconds.items(), key=lambda item: -item[1]):
        print(f"  {name:<44} {1000 * seconds / trials:7.1f} ms a trial  {watch.calls[name]:>6,} calls")


def _beside(settings: Settings) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "REGSWEEP_DATABASE_URL": settings.database_url,
        "REGSWEEP_ARTIFACTS_URL": settings.artifacts_url,
        "REGSWEEP_LOG_LEVEL": "error",
    }
    return subprocess.Popen([sys.executable, "-m", "service.cli.main", "worker"], env=environment)


def _watch_all(watch: Stopwatch) -> None:
    from studies.search.mirror import Mirror
    from studies.training.lane_group import LaneGroup
    from studies.training.lane_metrics import LaneMetrics

    watch.watch(Mirror, "ask", "sampler: ask")
    watch.watch(Mirror, "tell", "sampler: tell")
    watch.watch(TrialLedger, "claim", "database: claim")
    watch.watch(TrialLedger, "open", "database: open")
    watch.watch(TrialLedger, "report", "database: report")
    watch.watch(TrialLedger, "close", "database: close")
    watch.watch(TrialLedger, "changed_trials", "database: look at other workers' trials")
    watch.watch(TrialLedger, "keep_model", "models: keep")
    watch.watch(LaneGroup, "_save", "models: write")
    watch.watch(LaneGroup, "_finish", "engine: a trial's final metrics")
    watch.watch(LaneMetrics, "entries", "engine: an epoch's metrics")
    watch.watch(LaneGroup, "start", "engine: start trials")
    watch.watch(LaneGroup, "train", "engine: order of rows, early stopping")
    _watch_programs(watch)


def _watch_programs(watch: Stopwatch) -> None:
    """Measure each program's calls, the first apart, for it compiles."""
    from studies.training.engines import Engines

    made, watched = Engines._program, set[int]()

    def program_of(engines: Engines, key: ProgramKey) -> Program:
        program = made(engines, key)
        if id(program) not in watched:
            watched.add(id(program))
            program.train = _watched(watch, program.train)  # type: ignore[assignment]
        return program

    Engines._program = program_of  # type: ignore[method-assign,assignment]


def _watched(watch: Stopwatch, train: Callable[..., Any]) -> Callable[..., Any]:
    compiled = watch.around("engine: the program", _to_its_end(train))
    first = watch.around("engine: compile, and the first call", _to_its_end(train))
    calls = itertools.chain([first], itertools.repeat(compiled))

    def measured(*arguments: Any) -> Any:
        return next(calls)(*arguments)

    return measured


def _to_its_end(train: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        result = train(*arguments)
        result[1].data_loss.numpy()
        return result

    return run


if __name__ == "__main__":
    main()
