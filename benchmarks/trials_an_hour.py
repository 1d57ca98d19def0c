"""Trials an hour of regsweep, end to end through REST, against what people write today.

`python -m benchmarks.trials_an_hour [--workload NAME …] [--trials N]`; each row is measured in the same run, with the
same data, space, epochs and number of trials. regsweep's server is running when its clock starts; compiling its program
is inside the clock.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna

from benchmarks.workloads import WORKLOADS, document
from service.client import Client
from service.demo import free_port

#: So many trials by default: about five minutes of the script each.
TRIALS = {"small table": 60, "breast_cancer": 60, "digits images": 12, "wide": 12, "diabetes": 60}


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--workload", action="append", choices=list(WORKLOADS))
    arguments.add_argument("--trials", type=int)
    arguments.add_argument("--way", action="append", choices=list(_WAYS))
    arguments.add_argument("--alone", action="store_true", help="measure regsweep only")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, _serving(Path(folder)) as client:
        print(f"{'workload':<14} {'way':<34} {'trials':>6} {'seconds':>8} {'trials an hour':>14} {'regsweep is':>12}")
        for workload in given.workload or list(WORKLOADS):
            trials = given.trials or TRIALS[workload]
            ours = _regsweep(client, workload, trials)
            _print(workload, "regsweep, 2 workers, REST", trials, ours, ours)
            for way in [] if given.alone else given.way or list(_WAYS):
                with tempfile.TemporaryDirectory() as own:
                    seconds = _WAYS[way](workload, trials, Path(own))
                _print(workload, way, trials, seconds, ours)


def _print(workload: str, way: str, trials: int, seconds: float, ours: float) -> None:
    hourly = 3600 * trials / seconds
    print(f"{workload:<14} {way:<34} {trials:>6} {seconds:>8.1f} {hourly:>14,.0f} {seconds / ours:>11.1f}×", flush=True)


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
    "the same, steps_per_execution": lambda w, n, f: _baseline("epoch_script", 1, w, n, f),
    "KerasTuner": lambda w, n, f: _baseline("kerastuner", 1, w, n, f),
}


@contextmanager
def _serving(folder: Path) -> Iterator[Client]:
    port = free_port()
    environment = os.environ | {
        "REGSWEEP_DATABASE_URL": f"sqlite:///{folder}/regsweep.db",
        "REGSWEEP_ARTIFACTS_URL": f"file://{folder}/artifacts",
        "REGSWEEP_LOG_LEVEL": "error",
    }
    command = [sys.executable, "-m", "service.cli", "serve", "--port", str(port), "--workers", "2"]
    server = subprocess.Popen(command, env=environment)
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            while not client.healthy():
                time.sleep(0.05)
            # Until both workers have loaded TensorFlow and trained something.
            iris = {"dataset": {"kind": "builtin", "name": "iris"}, "budget": {"trials": 8, "epochs": 2}}
            _run(client, iris | {"name": "first"})
            time.sleep(5)
            _run(client, iris | {"name": "second"})
            yield client
    finally:
        server.terminate()
        server.wait()


def _regsweep(client: Client, workload: str, trials: int) -> float:
    return _run(client, document(workload, trials, name=f"{workload} {trials} {time.time():.0f}"))


def _run(client: Client, study: dict[str, object]) -> float:
    start = time.perf_counter()
    name = client.submit(study).name
    while (seen := client.study(name)).state in ("queued", "running"):
        time.sleep(0.05)
    if seen.progress.complete != seen.progress.trials:
        raise SystemExit(f"{name} ended with {seen.progress}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
