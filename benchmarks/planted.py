"""Checks answers where the truth is known: `python -m benchmarks.planted [--seeds N] [--kind NAME …]`.

Each kind of planted data is drawn and compared over so many seeds, through REST. few_informative: the features that L1
or elastic net selects must be the informative ones, and L2 has no exact zero. noisy_labels: the recommended technique
must beat no regularization on the test part. clean: no detectable difference, and the simplest is recommended.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from benchmarks.server import serving
from service.client import Client
from service.storage.states import ACTIVE_COMPARISON
from studies.analysis.results import Comparison
from studies.datasets.catalog import load
from studies.spec.dataset import SyntheticDataset

_SPACE = {"dropout": {"low": 0.1, "high": 0.6}, "lambda": {"low": 1e-4, "high": 1e-1, "log": True}}
KINDS: dict[str, dict[str, Any]] = {
    "few_informative": {
        "model": {"kind": "mlp", "hidden_units": [16]},
        "space": _SPACE,
        "budget": {"trials": 1, "epochs": 40},
        "comparison": {
            "techniques": ["none", "l1", "l2", "elastic_net"],
            "trials_per_technique": 12,
            "repeats": 4,
            "folds": 5,
        },
    },
    "noisy_labels": {
        "model": {"kind": "mlp", "hidden_units": [64, 64]},
        "space": _SPACE,
        "budget": {"trials": 1, "epochs": 100},
        "comparison": {"trials_per_technique": 12, "repeats": 4, "folds": 5},
    },
    "clean": {
        "model": {"kind": "mlp", "hidden_units": []},
        "space": _SPACE | {"dropout": 0, "batch_size": 128, "learning_rate": 0.01},
        "budget": {"trials": 1, "epochs": 40},
        "comparison": {
            "techniques": ["none", "l1", "l2", "elastic_net", "early_stopping"],
            "trials_per_technique": 8,
            "repeats": 5,
            "folds": 5,
        },
    },
}
_PATIENCE_SECONDS = 300


def document(kind: str, seed: int) -> dict[str, Any]:
    """The study of one kind of planted data; the seed draws the data and splits it."""
    dataset = {"kind": "synthetic", "name": kind, "seed": seed}
    return {"name": f"{kind} {seed}", "dataset": dataset, "seed": seed, **KINDS[kind]}


def compared(client: Client, kind: str, seed: int) -> Comparison:
    """Await the result of one submitted comparison."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < ends:
        comparison = client.comparison(str(document(kind, seed)["name"]))
        if comparison.state not in ACTIVE_COMPARISON:
            if comparison.result is None:
                raise SystemExit(f"{kind} {seed}: {comparison.state} without a result")
            return comparison.result
        time.sleep(0.2)
    raise SystemExit(f"{kind} {seed} took too long")


def informative(kind: str, seed: int) -> set[str]:
    """The names of the columns that the target depends on."""
    dataset = load(SyntheticDataset.model_validate(document(kind, seed)["dataset"]))
    return {dataset.feature_names[column] for column in dataset.informative or ()}


def few_informative(seed: int, result: Comparison) -> tuple[bool, str]:
    """Judge the features that L1 and elastic net select, by precision and recall; L2 must have no zeros."""
    truth = informative("few_informative", seed)
    words, right = [], True
    for selection in result.selections:
        selected = set(selection.selected)
        hits = len(selected & truth)
        precision, recall = hits / max(1, len(selected)), hits / len(truth)
        words.append(f"{selection.technique} precision {precision:.2f} recall {recall:.2f}")
        right &= precision >= 0.9 and recall >= 0.9
    zeros = {row.technique: row.zero_share for row in result.techniques}
    shares = ", ".join(f"{technique} {share:.1%}" for technique, share in zeros.items())
    return right and zeros["l2"] == 0, f"{'; '.join(words)}; zeros {shares}"


def noisy_labels(_: int, result: Comparison) -> tuple[bool, str]:
    """Judge the recommended technique against none on the test part."""
    rows = {row.technique: row for row in result.techniques}
    chosen, none = rows[result.recommendation.technique], rows["none"]
    ours, theirs = chosen.test_objective or 0.0, none.test_objective or 0.0
    right = chosen is not none and ours < theirs
    return right, f"{result.recommendation.verdict}: {chosen.technique}, test {ours:.3f} against none's {theirs:.3f}"


def clean(_: int, result: Comparison) -> tuple[bool, str]:
    """Judge that no difference is detected and the simplest technique recommended."""
    answer = result.recommendation
    right = answer.verdict == "practically the same" and answer.technique == "none"
    means = ", ".join(f"{row.technique} {row.objective.mean:.4f}" for row in result.techniques)
    return right, f"{answer.verdict}: {answer.technique} ({means})"


JUDGES: dict[str, Callable[[int, Comparison], tuple[bool, str]]] = {
    "few_informative": few_informative,
    "noisy_labels": noisy_labels,
    "clean": clean,
}


def main() -> None:
    """Print a line a seed and the share that is right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--kind", action="append", choices=list(KINDS))
    arguments = parser.parse_args()
    for kind in arguments.kind or list(KINDS):
        with serving(workers=2) as client:
            for seed in range(arguments.seeds):
                client.submit(document(kind, seed))
            rights = []
            for seed in range(arguments.seeds):
                right, words = JUDGES[kind](seed, compared(client, kind, seed))
                rights.append(right)
                print(f"{kind} {seed}: {'right' if right else 'WRONG'}: {words}", flush=True)
        print(f"{kind}: right in {sum(rights)} of {len(rights)}", flush=True)


if __name__ == "__main__":
    main()
