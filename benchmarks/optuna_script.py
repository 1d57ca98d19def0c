"""Runs the Optuna script of `benchmarks.baselines` in processes that share its study."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """What the script found, and when."""

    best: float
    seconds_to_best: float  # from the start of its processes until the best trial had ended
    seconds: float  # until all trials had ended


def run_script(workload: str, trials: int, seed: int, processes: int = 2) -> ScriptRun:
    """Run the script on a workload; the seed is the data split's.

    Raises SystemExit when a process failed.
    """
    import optuna

    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/script.db"
        # Two processes that make Optuna's tables at once get in each other's way.
        optuna.storages.RDBStorage(storage).engine.dispose()
        command = [sys.executable, "-m", "benchmarks.baselines", "script", workload]
        command += [str(trials // processes), folder, str(seed)]
        begun, start = datetime.now(), time.perf_counter()
        running = [
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(processes)
        ]
        if any(process.wait() for process in running):
            raise SystemExit("the script failed")
        seconds = time.perf_counter() - start
        best = optuna.load_study(study_name="script", storage=storage).best_trial
    ended = best.datetime_complete or datetime.now()
    return ScriptRun(float(best.value or 0.0), (ended - begun).total_seconds(), seconds)
