"""Measures time to quality: how much sooner regsweep has a model as good as the best of an Optuna script.

`python -m benchmarks.time_to_quality [--workload NAME …] [--trials N] [--seeds N] [--many N] [--pruner NAME …]`: for
each seed (of the data's split) the script of `benchmarks.baselines` runs its trials, in two processes. Then regsweep,
through REST from a server that runs already, gets a study of many trials on the same data, split, space and epochs, and
is stopped as soon as a trial's val_loss is at most the script's best: the same loss on the same validation rows. Its
clock runs from the submission to the end of that trial; tracing and compiling its program is inside. The script's is
read when its best trial ended, and when all had: only then it is known which was the best. Each trial of the script
has seeds of its own, and the best is lucky too; regsweep runs with such seeds (own) and with its default (common).
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import Any, TypeAlias

from benchmarks.optuna_script import run_script
from benchmarks.server import serving
from benchmarks.workloads import WORKLOADS, document
from service.client import Client

_LOOK_SECONDS = 0.25
#: A pruner, and whether trials have their own or common seeds.
Variant: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Race:
    """regsweep on the script's data; infinite seconds where no trial was as good."""

    seconds: float
    trials: int  # that had ended by then
    best: float


def main() -> None:
    """Print a line a seed and a pruner, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", action="append", choices=list(WORKLOADS))
    parser.add_argument("--trials", type=int, default=60, help="of the script")
    parser.add_argument("--many", type=int, default=1000, help="trials that regsweep may use")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pruner", action="append", help="of regsweep's study; none when left out")
    parser.add_argument("--trial-seeds", action="append", choices=["own", "common"], help="both when left out")
    arguments = parser.parse_args()
    variants = list(product(arguments.pruner or ["none"], arguments.trial_seeds or ["own", "common"]))
    for workload in arguments.workload or ["small table"]:
        print(f"{workload}: seconds to the best loss of a script of {arguments.trials} trials", flush=True)
        ratios: dict[Variant, list[tuple[float, float]]] = {variant: [] for variant in variants}
        for seed in range(arguments.seeds):
            script = run_script(workload, arguments.trials, seed)
            print(f"  seed {seed}: script {script.best:.4f} in {script.seconds_to_best:.1f} s, ", end="")
            print(f"all its trials in {script.seconds:.1f} s", flush=True)
            for variant in variants:
                # One at a time has the machine, and no race finds a program that another has traced.
                with serving(workers=2) as client:
                    race = _race(client, document(workload, arguments.many, seed=seed), variant, script.best)
                ratios[variant].append((script.seconds_to_best / race.seconds, script.seconds / race.seconds))
                _print(variant, race, *ratios[variant][-1])
        for variant in variants:
            to_best, to_end = (median(column) for column in zip(*ratios[variant], strict=True))
            print(f"  median, {_words(variant)}: {to_best:.1f}× sooner than its best trial, {to_end:.1f}× than its end")


def _race(client: Client, study: dict[str, Any], variant: Variant, target: float) -> Race:
    """Let regsweep search until it has a trial as good as the target."""
    pruner, seeds = variant
    submitted = time.time()
    name = client.submit(study | {"pruner": pruner, "training": {"seeds": seeds}}).name
    while (seen := client.study(name)).active and (seen.best is None or seen.best.value > target):
        time.sleep(_LOOK_SECONDS)
    if seen.active:
        client.set_state(name, "stop")
    ended = [(t.ended_at.timestamp(), t) for t in client.trials(name) if t.ended_at is not None]
    values = [(end, trial.value) for end, trial in ended if trial.state == "COMPLETE" and trial.value is not None]
    reached = min((end for end, value in values if value <= target), default=math.inf)
    return Race(reached - submitted, sum(end <= reached for end, _ in ended), min(value for _, value in values))


def _words(variant: Variant) -> str:
    pruner, seeds = variant
    return f"regsweep, pruner {pruner}, {seeds} seeds"


def _print(variant: Variant, race: Race, to_best: float, to_end: float) -> None:
    if math.isinf(race.seconds):
        print(f"    {_words(variant)}: never, {race.best:.4f} after {race.trials} trials", flush=True)
        return
    took = f"{race.best:.4f} in {race.seconds:.1f} s, {race.trials} trials"
    print(f"    {_words(variant)}: {took}: {to_best:.1f}× and {to_end:.1f}× sooner", flush=True)


if __name__ == "__main__":
    main()
