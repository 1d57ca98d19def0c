"""Checks on the small table that speed costs no quality: `python -m benchmarks.quality [--seeds N] [--trials N] …`.

For each seed (of the data's split) the best validation loss of the Optuna script, of regsweep with the same number of
trials, and of regsweep with many, which takes it less time than the script's few. What regsweep says does not count:
its exported model is loaded by Keras and evaluated, and must give what is recorded. With --in-flight only what it costs
that many trials are asked before the first is told: regsweep one trial at a time against two workers with all lanes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.optuna_script import run_script
from benchmarks.server import run, serving
from benchmarks.workloads import document
from service.client import Client

WORKLOAD = "small table"


def main() -> None:
    """Print a row a seed, and the tests."""
    from scipy.stats import wilcoxon

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--many", type=int, default=500)
    parser.add_argument("--in-flight", type=int, metavar="TRIALS")
    arguments = parser.parse_args()
    if arguments.in_flight:
        _compare_in_flight(arguments.seeds, arguments.in_flight)
        return
    runs = [run_script(WORKLOAD, arguments.trials, seed) for seed in range(arguments.seeds)]
    scripts = [(script.best, script.seconds) for script in runs]
    with serving(workers=2) as client:
        same = [_regsweep(client, seed, arguments.trials) for seed in range(arguments.seeds)]
        many = [_regsweep(client, seed, arguments.many) for seed in range(arguments.seeds)]
    budgets = f"script {arguments.trials} trials, regsweep {arguments.trials}, regsweep {arguments.many}"
    print(f"best validation loss: {budgets}")
    for seed, row in enumerate(zip(scripts, same, many, strict=True)):
        print(f"  seed {seed}: " + "   ".join(f"{loss:.4f} in {seconds:5.1f} s" for loss, seconds in row))
    losses = [[loss for loss, _ in column] for column in (scripts, same, many)]
    worse = wilcoxon(losses[1], losses[0], alternative="greater").pvalue
    better = sum(ours < theirs for ours, theirs in zip(losses[2], losses[0], strict=True))
    print(f"at the same number of trials, regsweep worse than the script: p = {worse:.2f} (Wilcoxon, one-sided)")
    print(f"in less time, regsweep better than the script: {better} of {arguments.seeds}")


def _compare_in_flight(seeds: int, trials: int) -> None:
    from scipy.stats import wilcoxon

    with serving(workers=1) as client:
        alone = [_regsweep(client, seed, trials, training={"lanes": 1})[0] for seed in range(seeds)]
    with serving(workers=2) as client:
        many = [_regsweep(client, seed, trials)[0] for seed in range(seeds)]
    for seed, (one, other) in enumerate(zip(alone, many, strict=True)):
        print(f"  seed {seed}: one trial at a time {one:.4f}   all lanes {other:.4f}")
    worse = wilcoxon(many, alone, alternative="greater").pvalue
    print(f"{trials} trials, all lanes worse than one trial at a time: p = {worse:.2f} (Wilcoxon, one-sided)")


def _regsweep(client: Client, seed: int, trials: int, **changes: object) -> tuple[float, float]:
    import keras

    from studies.datasets.preprocessing import prepare
    from studies.study_file import parse

    study = document(WORKLOAD, trials, name=f"quality {seed} {trials}", seed=seed) | changes
    seconds = run(client, study)
    spec = parse(study)
    part = prepare(spec.dataset, spec.seed).validation
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(client.model(str(study["name"])))
        metrics = keras.models.load_model(path).evaluate(part.x, part.y, verbose=0, return_dict=True)
    loss = float(metrics["binary_crossentropy"])
    recorded = client.best(str(study["name"]))[0].value
    if recorded is None or abs(loss - recorded) > 1e-5:
        raise SystemExit(f"seed {seed}: the model evaluates to {loss} and {recorded} is recorded")
    return loss, seconds


if __name__ == "__main__":
    main()
