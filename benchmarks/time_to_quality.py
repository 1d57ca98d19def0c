"""Measures time to quality: how much sooner regsweep has a model as good as the best of an Optuna script.

`python -m benchmarks.time_to_quality [--workload NAME …] [--trials N] [--seeds N] [--many N] [--pruner NAME …]`: for
each seed (of the data's split) the script of `benchmarks.baselines` runs its trials, in two processes. Then regsweep,
through REST from a server that runs already, gets a study of many trials on the same data, split, space and epochs, and
is stopped as soon as a trial's val_loss is at most the script's best: the same loss on the same validation rows. Its
clock runs from the submission to the end of that trial; tracing and compiling its program is inside. The script's is
read when its best trial ended, and when all had: only then it is known which was the best.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from statistics import median

from benchmarks.optuna_script import ScriptRun, run_script
from benchmarks.serving import serving
from benchmarks.workloads import WORKLOADS, document
from service.client import Client

_LOOK_SECONDS = 0.25


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
    parser.add_argument("--pruner", action="append", help="of regsweep's study; auto when left out")
    arguments = parser.parse_args()
    pruners: list[str] = arguments.pruner or ["auto"]
    for workload in arguments.workload or ["small table"]:
        print(f"{workload}: seconds to the best loss of a script of {arguments.trials} trials", flush=True)
        ratios: dict[str, list[tuple[float, float]]] = {pruner: [] for pruner in pruners}
        for seed in range(arguments.seeds):
            script = run_script(workload, arguments.trials, seed)
            for pruner in pruners:
                # One at a time has the machine, and no race finds a program that another has traced.
                with serving(workers=2) as client:
                    race = _race(client, workload, arguments.many, seed, script.best, pruner)
                ratios[pruner].append((script.seconds_to_best / race.seconds, script.seconds / race.seconds))
                _print(seed, pruner, script, race)
        for pruner in pruners:
            to_best, to_end = (median(column) for column in zip(*ratios[pruner], strict=True))
            print(f"  median, pruner {pruner}: {to_best:.1f}× sooner than its best trial, {to_end:.1f}× than its end")


def _race(client: Client, workload: str, many: int, seed: int, target: float, pruner: str) -> Race:
    """Let regsweep search until it has a trial as good as the target."""
    name = f"{workload} {seed} {pruner}"
    submitted = time.time()
    client.submit(document(workload, many, name=name, seed=seed) | {"pruner": pruner})
    while (seen := client.study(name)).active and (seen.best is None or seen.best.value > target):
        time.sleep(_LOOK_SECONDS)
    if seen.active:
        client.set_state(name, "stop")
        while client.study(name).active:
            time.sleep(_LOOK_SECONDS)
    trials = [trial for trial in client.trials(name) if trial.ended_at is not None]
    ends = {trial.number: trial.ended_at.timestamp() for trial in trials if trial.ended_at is not None}
    complete = {t.number: t.value for t in trials if t.state == "COMPLETE" and t.value is not None}
    reached = min((ends[n] for n, value in complete.items() if value <= target), default=math.inf)
    ended = sum(end <= reached for end in ends.values())
    return Race(reached - submitted, ended, min(complete.values()))


def _print(seed: int, pruner: str, script: ScriptRun, race: Race) -> None:
    took = f"script {script.best:.4f} in {script.seconds_to_best:.1f} s, all trials in {script.seconds:.1f} s"
    ours = (
        f"in {race.seconds:.1f} s, {race.trials} trials" if math.isfinite(race.seconds) else f"never: {race.best:.4f}"
    )
    ratios = f"{script.seconds_to_best / race.seconds:.1f}× and {script.seconds / race.seconds:.1f}× sooner"
    print(f"  seed {seed}: {took}; regsweep, pruner {pruner}, {ours}: {ratios}", flush=True)


if __name__ == "__main__":
    main()
