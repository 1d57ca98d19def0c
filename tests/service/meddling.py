"""What another program, with plain Optuna or plain SQL, may do to a study of ours on the same database."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from tests.service.ledgers import optunas

Meddler = Callable[[RDBStorage, str], None]
_TRIES = 20


def delete_study(storage: RDBStorage, name: str) -> None:
    """Again while it is there: Optuna says nothing where PostgreSQL refuses, for a worker has added a trial."""
    for _ in range(_TRIES):
        optuna.delete_study(study_name=name, storage=storage)
        if name not in optuna.get_all_study_names(storage):
            return
    raise AssertionError(f"{name} cannot be deleted")


def delete_and_make_another(storage: RDBStorage, name: str) -> None:
    """SQLite gives the ids of what was deleted to what is made next."""
    delete_study(storage, name)
    another = optuna.create_study(storage=storage, study_name="another")
    for _ in range(3):
        another.ask()


def rename_study(storage: RDBStorage, name: str) -> None:
    """As SQL does; the dashboard makes a copy and deletes the study."""
    _execute(storage, "UPDATE studies SET study_name = 'renamed' WHERE study_name = :name", name)


def tell_trials(storage: RDBStorage, name: str) -> None:
    study_id = storage.get_study_id_from_name(name)
    for trial in storage.get_all_trials(study_id):
        if not trial.state.is_finished():
            storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [-1000.0])


def fail_trials(storage: RDBStorage, name: str) -> None:
    study_id = storage.get_study_id_from_name(name)
    for trial in storage.get_all_trials(study_id):
        if not trial.state.is_finished():
            storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)


def add_trials(storage: RDBStorage, name: str) -> None:
    study = optuna.load_study(study_name=name, storage=storage)
    study.add_trial(optuna.create_trial(value=-1000.0))
    study.ask()
    study.enqueue_trial({"nothing": 1})


def set_attributes(storage: RDBStorage, name: str) -> None:
    """Under the keys that we write ourselves, and of types that nobody expects."""
    study_id = storage.get_study_id_from_name(name)
    storage.set_study_user_attr(study_id, "patience", {"a": [1]})
    storage.set_study_system_attr(study_id, "study:metric_names", "odd")
    for trial in storage.get_all_trials(study_id):
        if not trial.state.is_finished():
            for key in ("reason", "val_accuracy", "epochs", "no_effect"):
                storage.set_trial_user_attr(trial._trial_id, key, [None, {"odd": key}])
            storage.set_trial_intermediate_value(trial._trial_id, 1, float("nan"))


def remove_params(storage: RDBStorage, name: str) -> None:
    _execute(storage, f"DELETE FROM trial_params {_OF_STUDY}", name)  # noqa: S608  # no text of a user's


def scribble_on_params(storage: RDBStorage, name: str) -> None:
    odd = "UPDATE trial_params SET distribution_json = 'odd', param_value = 7e9"
    _execute(storage, f"{odd} {_OF_STUDY}", name)


def delete_trials(storage: RDBStorage, name: str) -> None:
    parts = "params", "values", "intermediate_values", "user_attributes", "system_attributes"
    for table in (*(f"trial_{part}" for part in parts), "trials"):
        _execute(storage, f"DELETE FROM {table} {_OF_STUDY}", name)  # noqa: S608


_OF_STUDY = "WHERE trial_id IN (SELECT trial_id FROM trials JOIN studies USING (study_id) WHERE study_name = :name)"


def _execute(storage: RDBStorage, statement: str, name: str) -> None:
    with storage.engine.begin() as connection:
        connection.execute(sa.text(statement), {"name": name})


#: After these a study is no longer there under its name.
LOSING = [delete_study, delete_and_make_another, rename_study]
CHANGING = [
    tell_trials,
    fail_trials,
    add_trials,
    set_attributes,
    remove_params,
    scribble_on_params,
    delete_trials,
]


def meddle(url: str, meddler: Meddler, name: str) -> None:
    """Let another program do this to a study, again where a worker wrote in between and the database refused it."""
    with optunas(url) as storage:
        for _ in range(_TRIES):
            try:
                meddler(storage, name)
            except (sa.exc.IntegrityError, StorageInternalError, UpdateFinishedTrialError) as error:
                refused = error
            else:
                return
        raise refused
