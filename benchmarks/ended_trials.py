"""Gives the trials of a study results such as a worker writes; nothing is trained."""

# ruff: noqa: S311  # random rows are no secrets

from __future__ import annotations

import random
from typing import Any

import sqlalchemy as sa

from service.storage.records import CurveRecord, TrialRecord
from service.storage.states import TrialState

_EPOCHS = 50
_ENDED = (TrialState.COMPLETE,) * 6 + (TrialState.PRUNED,) * 3 + (TrialState.FAIL,)


def end_trials(session: sa.orm.Session, study_id: int) -> None:
    """Give the slots of a study results such as a worker writes."""
    random.seed(study_id)
    ids = session.scalars(sa.select(TrialRecord.id).where(TrialRecord.study_id == study_id)).all()
    rows = [_result(trial_id, number) for number, trial_id in enumerate(ids)]
    session.execute(sa.update(TrialRecord), rows)
    columns = {name: [random.random() for _ in range(_EPOCHS)] for name in ("loss", "val_loss")}
    curve = {"epoch": [float(number) for number in range(1, _EPOCHS + 1)]} | columns
    session.execute(sa.insert(CurveRecord), [{"trial_id": trial_id, "curve": curve, "detail": {}} for trial_id in ids])


def _result(trial_id: int, number: int) -> dict[str, Any]:
    state, value = random.choice(_ENDED), random.random()
    metrics = ("train_loss", "val_loss", "val_accuracy", "val_f1", "gap", "penalized_loss", "train_accuracy")
    return {
        "id": trial_id,
        "number": number,
        "state": state,
        "attempt": 1,
        "worker": "machine-1234-abcdef",
        "params": {"regularizer": "l1", "lambda": value, "dropout": value, "patience": 10, "l1_ratio": 0.0},
        "value": None if state == TrialState.FAIL else value,
        "values": None if state == TrialState.FAIL else [value],
        "metrics": dict.fromkeys(metrics, value),
        "weights": {"count": 4096, "nonzero": 2000, "zero_share": 0.5, "l2_norm": 3.0},
        "epochs": random.randint(1, _EPOCHS),
        "best_epoch": 5,
        "stopped_early": False,
        "reason": "it diverged" if state == TrialState.FAIL else None,
        "started_at": 1e9 + number,
        "ended_at": 1e9 + number + random.random(),
    }
