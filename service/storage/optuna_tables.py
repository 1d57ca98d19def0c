"""Bulk access to Optuna's tables; RDBStorage issues a statement or more per parameter, which costs more than training.

The rows are those that optuna.storages.RDBStorage would write; a test compares them. Statements are made once and
executed by the connection: to make one anew, as the ORM does, costs more than the database takes for it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

_to_json: Any = lru_cache(256)(distribution_to_json)
_from_json: Any = lru_cache(256)(json_to_distribution)


@cache
def _table(model: Hashable) -> Any:
    return sa.inspect(model).local_table


@cache
def _insert(model: Hashable) -> Any:
    return sa.insert(_table(model))


@cache
def _insert_trial() -> Any:
    return _insert(models.TrialModel).returning(_table(models.TrialModel).c.trial_id)


def create_trial(session: Session, study_id: int, template: FrozenTrial) -> int:
    """Record a trial under the template's own number; return its id."""
    connection, started = session.connection(), template.datetime_start
    values = {
        "number": template.number,
        "study_id": study_id,
        "state": template.state,
        "datetime_start": None if started is None else _utc(started),
    }
    trial_id = int(connection.execute(_insert_trial(), values).scalar_one())
    params = [
        {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": template.distributions[name].to_internal_repr(value),
            "distribution_json": _to_json(template.distributions[name]),
        }
        for name, value in template.params.items()
    ]
    if params:
        connection.execute(_insert(models.TrialParamModel), params)
    add_system_attributes(session, trial_id, template.system_attrs)
    return trial_id


def next_number(session: Session, study_id: int) -> int:
    """The number of the study's next trial."""
    trials = _table(models.TrialModel)
    highest = sa.select(sa.func.max(trials.c.number)).where(trials.c.study_id == study_id)
    number = session.scalar(highest)
    return 0 if number is None else int(number) + 1


def add_system_attributes(session: Session, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Record the notes of a sampler or pruner on a trial, under keys that it does not have yet."""
    _add_attributes(session, models.TrialSystemAttributeModel, {"trial_id": trial_id}, attributes)


def add_user_attributes(session: Session, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Record what the dashboard shows of a trial, under keys that it does not have yet."""
    _add_attributes(session, models.TrialUserAttributeModel, {"trial_id": trial_id}, attributes)


def add_study_attributes(session: Session, study_id: int, attributes: Mapping[str, Any]) -> None:
    """Record what the dashboard shows of a study, under keys that it does not have yet."""
    _add_attributes(session, models.StudyUserAttributeModel, {"study_id": study_id}, attributes)


def _add_attributes(session: Session, model: Hashable, owner: Mapping[str, int], attributes: Mapping[str, Any]) -> None:
    rows = [{**owner, "key": key, "value_json": json.dumps(value)} for key, value in attributes.items()]
    if rows:
        session.connection().execute(_insert(model), rows)


def remove_study_attributes(session: Session, study_id: int, prefix: str) -> None:
    """Remove the system attributes of a study whose keys begin with a prefix, such as the dashboard's figures."""
    attributes = _table(models.StudySystemAttributeModel)
    of_study = attributes.c.study_id == study_id
    session.execute(sa.delete(attributes).where(of_study, attributes.c.key.startswith(prefix, autoescape=True)))


def set_intermediate_values(session: Session, values: Sequence[tuple[int, int, float]]) -> None:
    """Record finite intermediate values as (trial id, step, value); replace those of steps reported before."""
    if not values:
        return
    connection = session.connection()
    finite = models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE
    rows = [
        {"trial_id": trial, "step": step, "intermediate_value": value, "intermediate_value_type": finite}
        for trial, step, value in values
    ]
    connection.execute(_set_intermediate_value(connection.dialect.name), rows)


@cache
def _set_intermediate_value(dialect: str) -> Any:
    insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    table = _table(models.TrialIntermediateValueModel)
    statement = insert(table)
    return statement.on_conflict_do_update(
        index_elements=[table.c.trial_id, table.c.step],
        set_={"intermediate_value": statement.excluded.intermediate_value},
    )


def finish_trial(session: Session, trial_id: int, state: TrialState, values: Sequence[float] | None) -> None:
    """Record the end of a running trial with its finite values."""
    ended = {"state": state, "datetime_complete": datetime.now(UTC).replace(tzinfo=None)}
    session.connection().execute(_update_trial(), {"running_trial": trial_id, **ended})
    finite = models.TrialValueModel.TrialValueType.FINITE
    rows = [
        {"trial_id": trial_id, "objective": objective, "value": value, "value_type": finite}
        for objective, value in enumerate(values or ())
    ]
    if rows:
        session.connection().execute(_insert(models.TrialValueModel), rows)


@cache
def _update_trial() -> Any:
    trials = _table(models.TrialModel)
    return sa.update(trials).where(trials.c.trial_id == sa.bindparam("running_trial"))


def fail_finished_trial(session: Session, trial_id: int, reason: str) -> None:
    """Make a finished trial a failed one without values, which samplers ignore."""
    trials, values = _table(models.TrialModel), _table(models.TrialValueModel)
    session.execute(sa.update(trials).where(trials.c.trial_id == trial_id).values(state=TrialState.FAIL))
    session.execute(sa.delete(values).where(values.c.trial_id == trial_id))
    noted = {"trial_id": trial_id, "key": "reason", "value_json": json.dumps(reason)}
    attributes = _table(models.TrialUserAttributeModel)
    session.execute(sa.delete(attributes).where(attributes.c.trial_id == trial_id, attributes.c.key == "reason"))
    session.execute(sa.insert(attributes).values(noted))


def read_trials(session: Session, study_id: int, after: int, also: Collection[int]) -> list[FrozenTrial]:
    """The study's trials with a number above `after` or in `also`, by number, without user attributes."""
    connection = session.connection()
    which = {"of_study": study_id, "after": after, "also": list(also)}
    trial_rows = connection.execute(_select_trials(), which).all()
    if not trial_rows:
        return []

    def rows(model: Hashable, *columns: str) -> dict[int, list[Any]]:
        by_trial: dict[int, list[Any]] = defaultdict(list)
        for trial_id, *rest in connection.execute(_select_of_trials(model, columns), which):
            by_trial[trial_id].append(rest)
        return by_trial

    params = rows(models.TrialParamModel, "param_name", "param_value", "distribution_json")
    values = rows(models.TrialValueModel, "objective", "value")
    steps = rows(models.TrialIntermediateValueModel, "step", "intermediate_value")
    attributes = rows(models.TrialSystemAttributeModel, "key", "value_json")
    return [
        _frozen(row, params[row.trial_id], values[row.trial_id], steps[row.trial_id], attributes[row.trial_id])
        for row in trial_rows
    ]


def _chosen() -> Any:
    trials = _table(models.TrialModel)
    also = trials.c.number.in_(sa.bindparam("also", expanding=True))
    by_number = sa.or_(trials.c.number > sa.bindparam("after"), also)
    return sa.and_(trials.c.study_id == sa.bindparam("of_study"), by_number)


@cache
def _select_trials() -> Any:
    trials = _table(models.TrialModel)
    return sa.select(trials).where(_chosen()).order_by(trials.c.number)


@cache
def _select_of_trials(model: Hashable, columns: tuple[str, ...]) -> Any:
    """The rows of another table that belong to the chosen trials, in the order they were written."""
    table, trials = _table(model), _table(models.TrialModel)
    selected = [table.c[column] for column in ("trial_id", *columns)]
    query = sa.select(*selected).join(trials, trials.c.trial_id == table.c.trial_id).where(_chosen())
    return query.order_by(sa.inspect(model).primary_key[0])


def _frozen(row: Any, params: list[Any], values: list[Any], steps: list[Any], attributes: list[Any]) -> FrozenTrial:
    distributions: dict[str, BaseDistribution] = {name: _from_json(text) for name, _, text in params}
    return FrozenTrial(
        number=row.number,
        state=row.state,
        value=None,
        values=[value for _, value in sorted(values)] or None,
        datetime_start=_local(row.datetime_start),
        datetime_complete=_local(row.datetime_complete),
        params={name: distributions[name].to_external_repr(value) for name, value, _ in params},
        distributions=distributions,
        user_attrs={},
        system_attrs={key: json.loads(text) for key, text in attributes},
        intermediate_values=dict(map(tuple, steps)),
        trial_id=row.trial_id,
    )


def _utc(local: datetime) -> datetime:
    """Naive UTC, as Optuna keeps it in the database, of a naive local time, as it returns it."""
    return local.astimezone(UTC).replace(tzinfo=None)


def _local(utc: datetime | None) -> datetime | None:
    return None if utc is None else utc.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
