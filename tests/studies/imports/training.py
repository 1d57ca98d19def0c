"""Trains the study that an import made, to see that it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from studies import study_file
from studies.datasets.preprocessing import prepare_folds
from studies.sweep.ledger import Claim
from studies.sweep.loop import sweep
from studies.training.engines import EngineChoice
from tests.studies.engines import shared_engines
from tests.studies.ledger import MemoryLedger


@dataclass
class _Beginning(MemoryLedger):
    """Begins with the params that a study enqueues, and takes models that are no text."""

    enqueued: Sequence[Mapping[str, Any]] = ()

    def claim(self, count: int, *, idle: bool = True) -> list[Claim]:
        claims = super().claim(count, idle=idle)
        wanted = {claim.slot: self.enqueued[claim.slot : claim.slot + 1] for claim in claims}
        return [replace(claim, enqueued_params=next(iter(wanted[claim.slot]), None)) for claim in claims]

    def keep_model(self, claim: Claim, number: int, model: Path) -> None:
        self._check(claim)
        self.models[number] = model.name


def train_two(document: Mapping[str, Any]) -> list[FrozenTrial]:
    """The first two trials of a study, of two epochs each."""
    begin = document.get("warm_start", {}).get("enqueue", [])[:2]
    small = {"budget": {"trials": 2, "epochs": 2, "best_seeds": 0}, "warm_start": {"enqueue": begin} if begin else None}
    spec = study_file.parse({**document, **small})
    ledger, data = _Beginning(budget=2, enqueued=spec.enqueued), prepare_folds(spec.dataset, spec.seed, spec.resampling)
    engine = shared_engines().make(EngineChoice("fit", 1, 1, xla=False, why="a test"), spec)
    assert sweep(spec, data, ledger, engine) == 2
    return ledger.record
