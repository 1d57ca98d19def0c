"""What a study and its comparison found, made up: every candidate, every kind of penalty, as many trials as asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from studies.analysis.candidates import CANDIDATES, PARTS
from studies.analysis.comparison import compare
from studies.analysis.findings import Findings, Sample, Trial
from studies.analysis.fits import Fit, Fits, RowCounts
from studies.analysis.results import Comparison
from studies.spec.comparison import TECHNIQUES, ComparisonSpec
from studies.spec.study import StudySpec
from tests.studies.documents import study

_FOLDS = 20
_PENALTIES = ("l1", "l2", "elastic_net")


def params(candidate: str, chance: np.random.Generator) -> dict[str, Any]:
    """Effective params of a candidate; of `combined` any."""
    parts = PARTS if candidate == "combined" else candidate.split("+")
    kinds = [part for part in parts if part in _PENALTIES]
    kind = kinds[chance.integers(len(kinds))] if kinds else "none"
    return {
        "regularizer": kind,
        "lambda": float(10 ** chance.uniform(-5, -2)) if kinds else None,
        "l1_ratio": float(chance.uniform(0.1, 0.9)) if kind == "elastic_net" else None,
        "dropout": float(chance.uniform(0.1, 0.5)) if "dropout" in parts else 0.0,
        "patience": int(chance.integers(5, 16)) if "early_stopping" in parts else None,
        "learning_rate": 0.001,
        "batch_size": 32,
    }


def trials(candidate: str, number: int, seed: int = 0) -> list[Trial]:
    """Complete trials of a search; a candidate's dropout makes its loss worse."""
    chance, found = np.random.default_rng(seed), []
    for i in range(number):
        its = params(candidate, chance)
        loss = float(chance.uniform(0.1, 0.2)) + its["dropout"]
        suggested = {**its, "lambda": its["lambda"] or 1e-4, "l1_ratio": its["l1_ratio"] or 0.5}
        share = float(chance.random()) if its["regularizer"] == "l1" else 0.0
        found.append(Trial(i, "COMPLETE", [loss], its, {"val_loss": loss}, {"zero_share": share}, 20, suggested))
    return found


def fits(candidate: str, index: int, folds: int = _FOLDS, *, raced_out: bool = False) -> Fits:
    """Fits of a candidate; the higher the index the worse they are."""
    losses = 0.1 + 0.02 * index + 0.01 * np.random.default_rng(index).random(folds)
    of_folds = {fold: _fit({"val_loss": float(loss), "val_accuracy": 0.95}) for fold, loss in enumerate(losses)}
    test = _fit({"test_loss": float(losses.mean()) + 0.01, "test_accuracy": 0.94})
    return Fits(candidate, params(candidate, np.random.default_rng(index)), of_folds, test, 1.5, raced_out)


def _fit(metrics: Mapping[str, float]) -> Fit:
    return Fit({**metrics, "gap": 0.02}, {"nonzero": 40.0, "zero_share": 0.3, "l2_norm": 2.0}, 12)


def sample(epochs: int = 30) -> Sample:
    """A training that early stopping ended."""
    loss = [1 / (epoch + 1) for epoch in range(epochs)]
    curve: dict[str, list[float | None]] = {
        "epoch": list(range(1, epochs + 1)),
        "loss": [*loss],
        "val_loss": [value + 0.1 for value in loss],
    }
    counts = [int(100 * np.exp(-(((i - 20) / 6) ** 2))) for i in range(40)]
    return Sample(curve, {"counts": counts, "largest": 1.2, "zeros": 400}, best_epoch=20, stopped_early=True)


def compared(spec: StudySpec, candidates: tuple[str, ...] = CANDIDATES) -> Comparison:
    """The comparison of some candidates, the first of which is the best and the last was raced out."""
    found = [fits(candidate, index) for index, candidate in enumerate(candidates[:-1])]
    last = fits(candidates[-1], len(candidates), 10, raced_out=True)
    result = compare(spec, ComparisonSpec(), [*found, last], RowCounts(fold=30, train=120, test=100), ["x", "y"])
    assert result is not None
    return result


def findings(number: int = 60, candidates: tuple[str, ...] = CANDIDATES, **parts: Any) -> Findings:
    """All of it, with so many trials of the study's own search."""
    spec = study(budget={"trials": max(number, 1), "epochs": 30}, **parts)
    return Findings(
        spec=spec,
        state="completed",
        comparison_state="completed" if candidates else None,
        trials=trials("combined", number),
        searched={name: trials(name, 12, seed) for seed, name in enumerate(candidates) if name in TECHNIQUES},
        samples={name: sample() for name in candidates},
        comparison=compared(spec, candidates) if candidates else None,
        version="1.2.3",
        created_at=1_700_000_000.0,
        ended_at=1_700_003_600.0,
    )
