"""Measures how long a large study takes to be exported: `python -m benchmarks.trackers [--trials N]`.

Rows are inserted as a worker writes them, nothing is trained: 10,000 trials of 50 epochs with two metrics. Each export
is the command that a user types, with Python's start; the second time it finds all of it there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from benchmarks.ended_trials import end_trials
from service.storage.records import StudyRecord
from service.storage.states import StudyState
from service.storage.store import Store
from studies.study_file import parse

_NAME = "large"


def main() -> None:
    """Fill a database, and print a line for each kind of export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    trials = parser.parse_args().trials
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _fill(f"sqlite:///{place}/regsweep.db", trials)
        print(f"| {trials:,} trials to | s | again, s |\n|---|---|---|")
        _print("TensorBoard", place, "tensorboard", _NAME, "-o", f"{place}/runs")
        _print("MLflow, SQLite", place, "mlflow", _NAME, "--tracking-uri", f"sqlite:///{place}/mlflow.db")
        _print("Optuna, SQLite", place, "optuna", _NAME, "-o", f"{place}/optuna.db", again=False)
        _print("Parquet", place, "trials", _NAME, "-o", f"{place}/trials.parquet", again=False)


def _fill(url: str, trials: int) -> None:
    store = Store(url)
    dataset = {"kind": "builtin", "name": "digits"}
    store.create_study(parse({"name": _NAME, "dataset": dataset, "budget": {"trials": trials}}))
    with store.writing() as session:
        ended = {"state": StudyState.COMPLETED, "started_at": 1e9, "ended_at": 1e9 + 60, "published": True}
        session.execute(sa.update(StudyRecord).values(ended))
        end_trials(session, session.scalars(sa.select(StudyRecord.id)).one())
    store.close()


def _print(what: str, place: Path, *command: str, again: bool = True) -> None:
    first = _seconds(place, *command)
    print(f"| {what} | {first:.1f} | {f'{_seconds(place, *command):.1f}' if again else '–'} |", flush=True)


def _seconds(place: Path, *command: str) -> float:
    options = ("--database-url", f"sqlite:///{place}/regsweep.db", "--artifacts-url", f"{place}/artifacts")
    start = time.perf_counter()
    exporting = [sys.executable, "-m", "service.cli.main", "export", *command, *options]
    subprocess.run(exporting, check=True, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
