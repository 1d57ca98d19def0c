"""What the plots of a study's page are drawn from: a few values of each trial."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from service.storage import locking
from service.storage.records import TrialRecord
from service.storage.store import Store
from studies.analysis.params import first_penalty


def points(store: Store, name: str, first: int) -> list[dict[str, Any]]:
    """Number, state, value, params, kind of penalty, λ and share of zeros of each trial from a number on.

    Raises NotFoundError when no study has this name.
    """
    columns = TrialRecord.number, TrialRecord.state, TrialRecord.value, TrialRecord.params, TrialRecord.weights
    with store.reading() as session:
        study = locking.find(session, name)
        query = sa.select(*columns).where(TrialRecord.study_id == study.id, TrialRecord.number >= first)
        rows = session.execute(query.order_by(TrialRecord.number)).all()
    return [_point(*row) for row in rows]


def _point(
    number: int, state: str, value: float | None, params: dict[str, Any] | None, weights: dict[str, Any] | None
) -> dict[str, Any]:
    kind, strength = first_penalty(params or {})
    zeros = (weights or {}).get("zero_share")
    return {
        "number": number,
        "state": state,
        "value": value,
        "params": params or {},
        "penalty": kind,
        "lambda": strength,
        "zeros": zeros,
    }
