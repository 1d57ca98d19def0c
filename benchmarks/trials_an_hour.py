"""Measures trials an hour of regsweep, end to end through REST, against the scripts that people write today.

`python -m benchmarks.trials_an_hour [--workload NAME …] [--trials N] [--way NAME …] [--alone]`: a workload's rows are
measured one after the other on the same machine, with the same data, space, epochs and number of trials; regsweep also
with many trials, for its rate ("at many"). regsweep's server is running when its clock starts; tracing its program, and
compiling it or loading what an earlier run has compiled, is inside the clock.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna

from benchmarks.server import regsweep, serving
from benchmarks.workloads import WORKLOADS

#: So many trials by default: about a minute of the script.
TRIALS = {
    "small table": 12,
    "breast_cancer": 8,
    "digits images": 4,
    "wide": 4,
    "diabetes": 8,
    "series": 4,
    "encoder": 4,
    "images 28x28x1": 4,
    "images 32x32x3": 4,
    "text": 4,
}
MANY = {
    "small table": 1000,
    "breast_cancer": 1000,
    "digits images": 100,
    "wide": 24,
    "diabetes": 1000,
    "series": 48,
    "encoder": 48,
    "images 28x28x1": 24,
    "images 32x32x3": 24,
    "text": 48,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", action="append", choices=list(WORKLOADS))
    parser.add_argument("--trials", type=int)
    parser.add_argument("--way", action="append", choices=list(_WAYS))
    parser.add_argument("--alone", action="store_true", help="measure regsweep only")
    arguments = parser.parse_args()
    print(
        f"{'workload':<14} {'way':<34} {'trials':>6} {'seconds':>8} {'an hour':>9} {'regsweep is':>12} {'at many':>8}"
    )
    for workload in arguments.workload or list(WORKLOADS):
        trials = arguments.trials or TRIALS[workload]
        # One study at a time has the machine: the server and its workers end before the others begin.
        with serving(workers=2) as client:
            many = MANY[workload] if not arguments.trials else arguments.trials
            rate = many / regsweep(client, workload, many)
            ours = regsweep(client, workload, trials)
        _print(workload, "regsweep, 2 workers, REST", many, many / rate, None, None)
        _print(workload, "regsweep, 2 workers, REST", trials, ours, None, None)
        for way in [] if arguments.alone else arguments.way or list(_WAYS):
            with tempfile.TemporaryDirectory() as folder:
                seconds = _WAYS[way](workload, trials, Path(folder))
            _print(workload, way, trials, seconds, seconds / ours, rate * seconds / trials)


def _print(workload: str, way: str, trials: int, seconds: float, paired: float | None, many: float | None) -> None:
    times = "".join(
        f"{'' if ratio is None else f'{ratio:.1f}×':>{width}}" for ratio, width in ((paired, 13), (many, 9))
    )
    print(f"{workload:<14} {way:<34} {trials:>6} {seconds:>8.1f} {3600 * trials / seconds:>9,.0f}{times}", flush=True)


def _baseline(way: str, processes: int, workload: str, trials: int, folder: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.baselines", way, workload]
    # Two processes that make Optuna's tables at once get in each other's way.
    optuna.storages.RDBStorage(f"sqlite:///{folder}/script.db").engine.dispose()
    start = time.perf_counter()
    running = [
        subprocess.Popen(
            [*command, str(trials // processes), str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(processes)
    ]
    if any(process.wait() for process in running):
        raise SystemExit(f"{way} failed on {workload}")
    return time.perf_counter() - start


_WAYS = {
    "Optuna script, 1 process": lambda w, n, f: _baseline("script", 1, w, n, f),
    "Optuna script, 2 processes": lambda w, n, f: _baseline("script", 2, w, n, f),
    "steps_per_execution, 1 process": lambda w, n, f: _baseline("epoch_script", 1, w, n, f),
    "steps_per_execution, 2 processes": lambda w, n, f: _baseline("epoch_script", 2, w, n, f),
    "KerasTuner": lambda w, n, f: _baseline("kerastuner", 1, w, n, f),
}


if __name__ == "__main__":
    main()
