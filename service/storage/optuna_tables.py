"""Bulk access to Optuna's tables; RDBStorage issues a statement or more per parameter, which costs more than training.

The rows are those that optuna.storages.RDBStorage would write; a test compares them. Statements are made once and
executed by the connection: to make one anew, as the ORM does, costs more than the database takes for it.

Other programs write into these tables too: what they hold is looked for and never taken for granted, and what is
written replaces what somebody else has put there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

import sqlalchemy as sa
from optuna.distributions import distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

_to_json: Any = lru_cache(256)(distribution_to_json)
_PARTS_OF_TRIALS = (
    models.TrialParamModel,
    models.TrialValueModel,
    models.TrialIntermediateValueModel,
    models.TrialSystemAttributeModel,
    models.TrialUserAttributeModel,
    models.TrialHeartbeatModel,
)


@cache
def table_of_model(model: Hashable) -> Any:
    """The table of one of Optuna's models."""
    return sa.inspect(model).local_table


@cache
def _insert(model: Hashable) -> Any:
    return sa.insert(table_of_model(model))


@cache
def _insert_trial() -> Any:
    return _insert(models.TrialModel).returning(table_of_model(models.TrialModel).c.trial_id)


def find_study(session: Session, name: str) -> int | None:
    """Optuna's id of the study of a name; None when it has none."""
    study_id: int | None = session.connection().scalar(_select_study(), {"of_name": name})
    return study_id


@cache
def _select_study() -> Any:
    studies = table_of_model(models.StudyModel)
    return sa.select(studies.c.study_id).where(studies.c.study_name == sa.bindparam("of_name"))


def find_trial(session: Session, study_id: int, number: int) -> int | None:
    """Optuna's id of a study's trial; None when it has none.

    Where another program has made a trial of the same number, ours is the later one: a number that it took before is
    seen, and one that it takes afterwards is a higher one.
    """
    trials = table_of_model(models.TrialModel)
    newest = sa.select(sa.func.max(trials.c.trial_id)).where(trials.c.study_id == study_id, trials.c.number == number)
    trial_id: int | None = session.scalar(newest)
    return trial_id


def trials_still_there(session: Session, study_id: int, name: str, trial_ids: Collection[int]) -> set[int]:
    """Those of a study's trials that are still its own, held until commit where the database has row locks.

    SQLite gives the number of a study or a trial that was deleted to the next one, which is somebody else's.
    """
    which = {"of_study": study_id, "of_name": name, "ids": list(trial_ids)}
    return set(session.connection().scalars(_select_still_there(), which)) if trial_ids else set()


@cache
def _select_still_there() -> Any:
    studies, trials = table_of_model(models.StudyModel), table_of_model(models.TrialModel)
    of_study = sa.and_(studies.c.study_id == sa.bindparam("of_study"), studies.c.study_name == sa.bindparam("of_name"))
    query = sa.select(trials.c.trial_id).join(studies, sa.and_(studies.c.study_id == trials.c.study_id, of_study))
    chosen = query.where(trials.c.trial_id.in_(sa.bindparam("ids", expanding=True)))
    return chosen.with_for_update(read=True, key_share=True, of=trials)


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
    trials = table_of_model(models.TrialModel)
    highest = sa.select(sa.func.max(trials.c.number)).where(trials.c.study_id == study_id)
    number = session.scalar(highest)
    return 0 if number is None else int(number) + 1


def add_system_attributes(session: Session, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Record the notes of a sampler or pruner on a trial, in place of those under the same keys."""
    _add_attributes(session, models.TrialSystemAttributeModel, {"trial_id": trial_id}, attributes)


def add_user_attributes(session: Session, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Record what the dashboard shows of a trial, in place of what stands under the same keys."""
    _add_attributes(session, models.TrialUserAttributeModel, {"trial_id": trial_id}, attributes)


def add_study_attributes(session: Session, study_id: int, attributes: Mapping[str, Any]) -> None:
    """Record what the dashboard shows of a study, in place of what stands under the same keys."""
    _add_attributes(session, models.StudyUserAttributeModel, {"study_id": study_id}, attributes)


def _add_attributes(session: Session, model: Hashable, owner: Mapping[str, int], attributes: Mapping[str, Any]) -> None:
    rows = [{**owner, "key": key, "value_json": json.dumps(value)} for key, value in attributes.items()]
    if rows:
        connection = session.connection()
        connection.execute(_upsert(model, connection.dialect.name, (*owner, "key"), ("value_json",)), rows)


@cache
def _upsert(model: Hashable, dialect: str, keys: tuple[str, ...], changed: tuple[str, ...]) -> Any:
    insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    table = table_of_model(model)
    statement = insert(table)
    changes = {name: statement.excluded[name] for name in changed}
    return statement.on_conflict_do_update(index_elements=[table.c[key] for key in keys], set_=changes)


def remove_study_attributes(session: Session, study_id: int, prefix: str) -> None:
    """Remove the system attributes of a study whose keys begin with a prefix, such as the dashboard's figures."""
    attributes = table_of_model(models.StudySystemAttributeModel)
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
    changed = "intermediate_value", "intermediate_value_type"
    upsert = _upsert(models.TrialIntermediateValueModel, connection.dialect.name, ("trial_id", "step"), changed)
    connection.execute(upsert, rows)


def finish_trial(
    session: Session,
    trial_id: int,
    state: TrialState,
    values: Sequence[float] | None,
    ended_at: datetime | None = None,
) -> None:
    """Record the end of a trial with its finite values, in place of an end that somebody else has told.

    It ends now, unless `ended_at` says when it did.
    """
    ended = {"state": state, "datetime_complete": (ended_at or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)}
    connection = session.connection()
    connection.execute(_update_trial(), {"of_trial": trial_id, **ended})
    finite = models.TrialValueModel.TrialValueType.FINITE
    rows = [
        {"trial_id": trial_id, "objective": objective, "value": value, "value_type": finite}
        for objective, value in enumerate(values or ())
    ]
    if rows:
        changed = "value", "value_type"
        upsert = _upsert(models.TrialValueModel, connection.dialect.name, ("trial_id", "objective"), changed)
        connection.execute(upsert, rows)
    else:
        connection.execute(_delete_values(), {"of_trial": trial_id})


def reopen_trial(session: Session, trial_id: int) -> None:
    """Let a trial that somebody else has told run again."""
    session.connection().execute(
        _update_trial(), {"of_trial": trial_id, "state": TrialState.RUNNING, "datetime_complete": None}
    )
    session.connection().execute(_delete_values(), {"of_trial": trial_id})


@cache
def _update_trial() -> Any:
    trials = table_of_model(models.TrialModel)
    return sa.update(trials).where(trials.c.trial_id == sa.bindparam("of_trial"))


@cache
def _delete_values() -> Any:
    values = table_of_model(models.TrialValueModel)
    return sa.delete(values).where(values.c.trial_id == sa.bindparam("of_trial"))


def delete_trial(session: Session, trial_id: int) -> None:
    """Delete a trial with all that belongs to it."""
    for model in (*_PARTS_OF_TRIALS, models.TrialModel):
        table = table_of_model(model)
        session.execute(sa.delete(table).where(table.c.trial_id == trial_id))


def delete_orphans(session: Session) -> int:
    """Delete trials of studies that are not there, with all that belongs to them, and what belongs to no trial.

    Plain Optuna on SQLite leaves them when it deletes a study to which another process adds a trial. Return the number
    of trials.
    """
    studies, trials = table_of_model(models.StudyModel), table_of_model(models.TrialModel)
    lost = sa.select(trials.c.trial_id).where(trials.c.study_id.not_in(sa.select(studies.c.study_id)))
    orphans = session.scalars(lost).all()
    for trial_id in orphans:
        delete_trial(session, trial_id)
    for model in _PARTS_OF_TRIALS:
        table = table_of_model(model)
        session.execute(sa.delete(table).where(table.c.trial_id.not_in(sa.select(trials.c.trial_id))))
    return len(orphans)


def fail_finished_trial(session: Session, trial_id: int, reason: str) -> None:
    """Make a finished trial a failed one without values, which samplers ignore."""
    trials = table_of_model(models.TrialModel)
    session.execute(sa.update(trials).where(trials.c.trial_id == trial_id).values(state=TrialState.FAIL))
    session.connection().execute(_delete_values(), {"of_trial": trial_id})
    add_user_attributes(session, trial_id, {"reason": reason})


def _utc(local: datetime) -> datetime:
    """Naive UTC, as Optuna keeps it in the database, of a naive local time, as it returns it."""
    return local.astimezone(UTC).replace(tzinfo=None)
