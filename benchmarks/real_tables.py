"""Judges the advice on real tables: `python -m benchmarks.real_tables [--seeds N] [--tables NAME …]`.

400 rows of each table go in by upload; the comparison recommends; rows that nothing has seen judge the exported model
of every candidate by log loss, or by the squared error over the variance. Regret is the loss of a rule's choice
over the best candidate's, minus 1. The script is the best of 60 trials with everything free: Optuna's TPE around
training, in lanes, or with --script fit around keras.Model.fit itself.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.judging import Judge, divides, judged
from benchmarks.regret import summary
from benchmarks.server import serving
from benchmarks.tables import HELD_BACK
from service.client import Client
from studies.analysis.results import Comparison

#: Of the tables that were tuned on, a few beside those that are held back.
OTHERS = frozenset({"beps", "charity", "email", "hotel", "interest", "monica", "pitches"})
ROWS, MOST_JUDGES = 400, 4000
COMPARISON = {"trials_per_technique": 20, "repeats": 5, "folds": 5}
BUDGET = {"trials": 60, "epochs": 60}


@dataclass(frozen=True)
class Outcome:
    """The outcome of one table and seed."""

    table: str
    seed: int
    held_back: bool
    seconds: float  # of the comparison with the study's own search
    losses: Mapping[str, float]  # of each candidate's model on the study's own split
    delivered: float
    script: float
    result: Comparison


def main() -> None:
    """Compare, judge, print a line a table and then the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tables", nargs="*", default=None)
    parser.add_argument("--held-back", action="store_true", help="only the tables that nothing was tuned on")
    parser.add_argument("--script", choices=["auto", "fit"], default="auto")
    parser.add_argument("--keep", type=Path, help="a JSON-lines file that every outcome is added to")
    arguments = parser.parse_args()
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}  # as a worker has them
    names = arguments.tables or sorted(HELD_BACK if arguments.held_back else HELD_BACK | OTHERS)
    outcomes = []
    for outcome in _outcomes(names, arguments.seeds, arguments.script):
        outcomes.append(outcome)
        _print(outcome)
        if arguments.keep is not None:
            with arguments.keep.open("a") as file:
                file.write(json.dumps(asdict(outcome), default=float) + "\n")
    print(summary([asdict(outcome) for outcome in outcomes]))


def _outcomes(names: Sequence[str], seeds: int, script: str) -> Iterator[Outcome]:
    cases = [(name, seed) for name in names for seed in range(seeds) if divides(name, seed, ROWS)]
    with tempfile.TemporaryDirectory() as folder, serving(workers=2) as client:
        running = None
        for case in [*cases, None]:
            # The next is compared while the last is judged.
            begun = (
                None if case is None else _submitted(client, Judge.of(*case, ROWS, MOST_JUDGES, Path(folder)), script)
            )
            if running is not None:
                yield _outcome(client, *running)
            running = begun


def _submitted(client: Client, judge: Judge, script: str) -> tuple[Judge, float]:
    client.add_dataset(judge.shown, judge.target, name=judge.name, task=judge.task, format="csv")
    study = {
        "name": judge.name,
        "dataset": {"kind": "uploaded", "name": judge.name},
        "budget": BUDGET,
        "comparison": COMPARISON,
        "training": {"engine": script},
        "seed": judge.seed,
    }
    client.submit(study)
    return judge, time.perf_counter()


def _outcome(client: Client, judge: Judge, begun: float) -> Outcome:
    while (seen := client.comparison(judge.name)).state in ("searching", "confirming"):
        time.sleep(0.25)
    while client.study(judge.name).state in ("queued", "running"):
        time.sleep(0.25)
    seconds, result = time.perf_counter() - begun, seen.result
    if result is None:
        raise SystemExit(f"{judge.name}: {seen.state} without a result")
    exports = {row.technique: client.export(judge.name, row.technique) for row in result.techniques}
    losses = {technique: judged(judge, content) for technique, content in exports.items()}
    delivered, script = (judged(judge, client.export(judge.name, which)) for which in ("recommended", None))
    held_back = judge.table in HELD_BACK
    return Outcome(judge.table, judge.seed, held_back, seconds, losses, delivered, script, result)


def _print(outcome: Outcome) -> None:
    answer, losses = outcome.result.recommendation, outcome.losses
    best = min(losses, key=losses.__getitem__)
    print(
        f"{outcome.table} {outcome.seed}: {answer.verdict}, {answer.technique} {losses[answer.technique]:.3f}; best "
        f"{best} {losses[best]:.3f}; none {losses['none']:.3f}; delivered {outcome.delivered:.3f}; script "
        f"{outcome.script:.3f}; {outcome.seconds:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
