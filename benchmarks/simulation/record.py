"""Records trainings for the simulation: `python -m benchmarks.simulation.record DATABASE STUDY`.

Of a study that has ended in SQLite, such as one of 96 trials of 60 epochs on digits.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from service.storage.pagination import Sort
from service.storage.records import TrialRecord
from service.storage.states import TrialState
from service.storage.store import Store

RECORDINGS = Path(__file__).with_name("recordings.jsonl")
COUNT, DIGITS = 16, 4


def main() -> None:
    """Write the first trials of a study beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", help="a file of SQLite")
    parser.add_argument("study")
    parsed = parser.parse_args()
    store = Store(f"sqlite:///{parsed.database}")
    trials = store.trials(parsed.study, [TrialState.COMPLETE], Sort.parse("number"), COUNT, None).items
    lines = [json.dumps(_rounded(_recording(store, trial))) + "\n" for trial in trials]
    RECORDINGS.write_text("".join(lines))
    store.close()


def _recording(store: Store, trial: TrialRecord) -> dict[str, Any]:
    detail = store.detail(trial) or {}
    params = trial.params or {}
    return {
        "params": {name: params[name] for name in ("regularizer", "lambda", "dropout")},
        "seconds": detail["seconds"][0],
        "metrics": trial.metrics,
        "weights": trial.weights,
        "best_epoch": trial.best_epoch,
        "stopped_early": trial.stopped_early,
        "curve": store.curve(trial),
        "detail": {name: value for name, value in detail.items() if name != "seconds"},
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
