"""Optuna's tables, written where its storage's one row a call would cost more than a trial's training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from optuna.storages._rdb.models import TrialIntermediateValueModel
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


def set_intermediate_values(session: Session, values: Sequence[tuple[int, int, float]]) -> None:
    """Record finite intermediate values as (trial id, step, value); a step that was reported before is replaced."""
    insert: Any = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    table: Any = sa.inspect(TrialIntermediateValueModel).local_table
    finite = TrialIntermediateValueModel.TrialIntermediateValueType.FINITE
    rows = [
        {"trial_id": trial, "step": step, "intermediate_value": value, "intermediate_value_type": finite}
        for trial, step, value in values
    ]
    statement = insert(table).values(rows)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.trial_id, table.c.step],
            set_={"intermediate_value": statement.excluded.intermediate_value},
        )
    )
