"""Reads the trials of Optuna's tables in bulk, as optuna.storages.RDBStorage would."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Hashable
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial
from sqlalchemy.orm import Session

from service.storage.optuna_tables import table_of_model

_from_json: Any = lru_cache(256)(json_to_distribution)


def read_trials(session: Session, study_id: int, after: int, also: Collection[int]) -> list[FrozenTrial]:
    """The study's trials with a number above `after` or in `also`, by number, without user attributes.

    One whose rows another program has made unreadable is left out; of two with one number the later comes last.
    """
    connection = session.connection()
    which = {"of_study": study_id, "after": after, "also": list(also)}
    trial_rows = connection.execute(_select_trials(), which).all()
    if not trial_rows:
        return []

    def rows(model: Hashable, *columns: str) -> dict[int, list[Any]]:
        by_trial: dict[int, list[Any]] = defaultdict(list)
        for trial_id, *rest in connection.execute(_select_of_trials(model, columns), which).all():
            by_trial[trial_id].append(rest)
        return by_trial

    params = rows(models.TrialParamModel, "param_name", "param_value", "distribution_json")
    values = rows(models.TrialValueModel, "objective", "value")
    steps = rows(models.TrialIntermediateValueModel, "step", "intermediate_value")
    attributes = rows(models.TrialSystemAttributeModel, "key", "value_json")
    read = (
        _frozen(row, params[row.trial_id], values[row.trial_id], steps[row.trial_id], attributes[row.trial_id])
        for row in trial_rows
    )
    return [trial for trial in read if trial is not None]


def _chosen() -> Any:
    trials = table_of_model(models.TrialModel)
    also = trials.c.number.in_(sa.bindparam("also", expanding=True))
    by_number = sa.or_(trials.c.number > sa.bindparam("after"), also)
    return sa.and_(trials.c.study_id == sa.bindparam("of_study"), by_number)


@cache
def _select_trials() -> Any:
    trials = table_of_model(models.TrialModel)
    return sa.select(trials).where(_chosen()).order_by(trials.c.number, trials.c.trial_id)


@cache
def _select_of_trials(model: Hashable, columns: tuple[str, ...]) -> Any:
    """The rows of another table that belong to the chosen trials, in the order they were written."""
    table, trials = table_of_model(model), table_of_model(models.TrialModel)
    selected = [table.c[column] for column in ("trial_id", *columns)]
    query = sa.select(*selected).join(trials, trials.c.trial_id == table.c.trial_id).where(_chosen())
    return query.order_by(sa.inspect(model).primary_key[0])


def _frozen(
    row: Any, params: list[Any], values: list[Any], steps: list[Any], attributes: list[Any]
) -> FrozenTrial | None:
    """A trial of its rows; None where they hold what Optuna would not write."""
    try:
        distributions: dict[str, BaseDistribution] = {name: _from_json(text) for name, _, text in params}
        return FrozenTrial(
            number=row.number,
            state=row.state,
            value=None,
            values=[math.nan if value is None else value for _, value in sorted(values)] or None,
            datetime_start=_local(row.datetime_start),
            datetime_complete=_local(row.datetime_complete),
            params={name: distributions[name].to_external_repr(value) for name, value, _ in params},
            distributions=distributions,
            user_attrs={},
            system_attrs={key: json.loads(text) for key, text in attributes},
            intermediate_values={step: math.nan if value is None else value for step, value in steps},
            trial_id=row.trial_id,
        )
    # As many kinds as there are ways to write nonsense: a choice that is not there, no JSON, another type.
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None


def _local(utc: datetime | None) -> datetime | None:
    return None if utc is None else utc.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
