"""Measures what pruners save and cost: `python -m benchmarks.pruners [--workload NAME …] [--pruner NAME …] …`.

For each seed a study is swept with each pruner, from the same first trials, with as many trials at once as two workers
would train; with --learning-rate the learning rate is searched as well. Epochs are counted and not seconds, for these
differ on a busy machine. Printed are the epochs trained beside those without a pruner, the trials that were complete,
the best value beside that without a pruner (the mean of the relative differences, less being better, the worst seed,
and a one-sided Wilcoxon test), and in how many seeds the best trial has the same kind of regularizer.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from benchmarks.workloads import document
from studies.datasets.preprocessing import prepare_folds
from studies.study_file import parse
from studies.sweep.ledger import Claim, Order, Outcome, Report, Setback, Standing
from studies.sweep.loop import sweep
from studies.training.engines import Engines

WORKLOADS = ("small table", "breast_cancer", "diabetes")


@dataclass
class Record:
    """A study's trials in memory, for one worker; a studies.sweep.ledger.Ledger."""

    budget: int
    claimed: int = 0
    params: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    def claim(self, count: int, *, idle: bool = True) -> list[Claim]:  # noqa: ARG002  # the only worker
        first, self.claimed = self.claimed, min(self.budget, self.claimed + count)
        return [Claim(slot, slot, "", None) for slot in range(first, self.claimed)]

    def is_blocked(self) -> bool:
        return False

    def trials(self) -> list[FrozenTrial]:
        return []

    def changed_trials(self) -> list[FrozenTrial]:
        return []

    def warm_start_trials(self) -> list[FrozenTrial]:
        return []

    def open(self, claim: Claim, template: FrozenTrial | None, params: Mapping[str, Any]) -> None:  # noqa: ARG002
        if template is not None:
            self.params[template.number] = params

    def report(self, reports: Sequence[Report]) -> Standing:  # noqa: ARG002
        return Standing(Order.GO_ON)

    def keep_checkpoint(self, claim: Claim, number: int, state: Path) -> None:
        """Keep nothing: no attempt is lost."""

    def checkpoint(self, claim: Claim) -> bytes | None:  # noqa: ARG002
        return None

    def keep_model(self, claim: Claim, number: int, model: Path) -> None:
        """Keep nothing: no model is asked for."""

    def close(self, claim: Claim, number: int, outcome: Outcome) -> None:  # noqa: ARG002
        self.outcomes[number] = outcome

    def end_attempt(self, claim: Claim, number: int, setback: Setback, reason: str) -> None:  # noqa: ARG002
        raise SystemExit(f"trial {number} {setback}: {reason}")

    def hand_back(self, claim: Claim) -> None:
        raise SystemExit(f"slot {claim.slot} was handed back")


@dataclass(frozen=True, slots=True)
class Swept:
    """What one study gave."""

    epochs: int
    complete: int
    best: float
    kind: str  # of the best trial's regularizer


def pruners(epochs: int) -> dict[str, Any]:
    """The pruners that are compared, with options that suit the epochs."""
    eighth = max(1, epochs // 8)
    return {
        "none": "none",
        "auto": "auto",
        "median": "median",
        "median, late": {"name": "median", "n_startup_trials": 10, "n_warmup_steps": eighth},
        "halving": {"name": "successive_halving", "min_resource": eighth, "reduction_factor": 2},
        "hyperband": {"name": "hyperband", "max_resource": epochs},
        "hyperband, late": {"name": "hyperband", "min_resource": max(1, epochs // 9), "max_resource": epochs},
    }


def swept(engines: Engines, study: Mapping[str, Any]) -> Swept:
    """Sweep a study."""
    spec = parse(study)
    data = prepare_folds(spec.dataset, spec.seed, spec.resampling)
    record = Record(spec.budget.trials)
    sweep(spec, data, record, engines.make(engines.choose(spec, data), spec))
    values = {
        n: each.values[0] for n, each in record.outcomes.items() if each.values and each.state == TrialState.COMPLETE
    }
    best = min(values, key=values.__getitem__)
    epochs = sum(each.result.epochs for each in record.outcomes.values() if each.result is not None)
    return Swept(epochs, len(values), values[best], record.params[best]["regularizer"])


def main() -> None:
    """Print a line a workload and pruner."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", action="append")
    parser.add_argument("--pruner", action="append", help="beside none")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--learning-rate", action="store_true", help="search it from 1e-5 to 0.1")
    arguments = parser.parse_args()
    # As a worker has them; one thread, so that sums come in the same order.
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "OMP_NUM_THREADS": "1"}
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    engines = Engines(None, 0.2, None)
    print(
        f"{'workload':<14} {'pruner':<16} {'epochs':>6} {'complete':>8} {'best':>7} {'worst':>7} {'p':>5} {'kind':>6}"
    )
    for workload in arguments.workload or WORKLOADS:
        base: list[Swept] = []
        for name in ["none", *(arguments.pruner or list(pruners(1))[1:])]:
            found = [swept(engines, _study(workload, arguments, seed, name)) for seed in range(arguments.seeds)]
            base = base or found
            _print(workload, name, found, base)


def _study(workload: str, arguments: argparse.Namespace, seed: int, pruner: str) -> dict[str, Any]:
    study = document(workload, arguments.trials, seed=seed)
    if arguments.learning_rate:
        study["space"] = study["space"] | {"learning_rate": {"low": 1e-5, "high": 0.1, "log": True}}
    lanes = 2 * min(16, max(2, arguments.trials // 16))
    return study | {"pruner": pruners(study["budget"]["epochs"])[pruner], "training": {"lanes": lanes}}


def _print(workload: str, pruner: str, found: Sequence[Swept], base: Sequence[Swept]) -> None:
    from scipy.stats import wilcoxon

    pairs = list(zip(found, base, strict=True))
    worse = [ours.best / theirs.best - 1 for ours, theirs in pairs]
    test = f"{wilcoxon(worse, alternative='greater').pvalue:.2f}" if any(worse) else "–"
    epochs = sum(each.epochs for each in found) / sum(each.epochs for each in base)
    kinds = sum(ours.kind == theirs.kind for ours, theirs in pairs)
    complete = fmean(each.complete for each in found)
    share = f"{epochs:>6.0%} {complete:>8.1f} {fmean(worse):>+7.1%} {max(worse):>+7.1%}"
    print(f"{workload:<14} {pruner:<16} {share} {test:>5} {kinds:>3}/{len(pairs)}", flush=True)


if __name__ == "__main__":
    main()
