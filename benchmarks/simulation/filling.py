"""Fills PostgreSQL with studies and ended trials, by copies inside the database; see benchmarks/copied_trials.py."""

# ruff: noqa: S608  # the statements hold this module's own names, and whole numbers

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from service.storage.records import TrialRecord, table_of
from service.storage.store import Store

#: Optuna's tables of a trial's contents, and their columns.
_CONTENTS = {
    "trial_params": "param_name, param_value, distribution_json",
    "trial_values": "objective, value, value_type",
    "trial_intermediate_values": "step, intermediate_value, intermediate_value_type",
    "trial_system_attributes": "key, value_json",
    "trial_user_attributes": "key, value_json",
}
_OF_STUDIES = {
    "study_directions": "direction, objective",
    "study_system_attributes": "key, value_json",
    "study_user_attributes": "key, value_json",
}
_NOT_COPIED = {"id", "study_id", "place", "number", "changed", "ended_at", "started_at", "model", "model_bytes"}


@dataclass(frozen=True, slots=True)
class Filling:
    """What stands in the database: `ended` trials half in the live studies, half in as many that have ended."""

    studies: int
    waiting: int  # trials, in the live studies
    ended: int  # trials

    @property
    def ended_each(self) -> int:
        """The ended trials of each study."""
        return self.ended // (2 * self.studies)

    @property
    def waiting_each(self) -> int:
        """The trials that wait in each live study."""
        return max(1, self.waiting // self.studies)


def fill(store: Store, template: str, filling: Filling) -> None:
    """Fill the database with copies of a study that has ended, and of its trials."""
    with store.engine.begin() as connection:
        # No trigger runs, neither of ours nor those that hold foreign keys: all of it is consistent as it is.
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        trials = _template(connection, template)
        _copy_studies(connection, template, filling)
        if filling.ended_each:
            _copy_trials(connection, filling, trials)
        live = "SELECT id FROM made WHERE is_live"
        connection.exec_driver_sql(
            "INSERT INTO regsweep_trials (study_id, place, state, attempt, setbacks) "
            f"SELECT id, place, 'WAITING', 0, 0 FROM ({live}) AS live, "
            f"generate_series({filling.ended_each}, {filling.ended_each + filling.waiting_each - 1}) AS place"
        )
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def _template(connection: sa.Connection, name: str) -> int:
    """Make the table `source` of the template's trials, by their numbers; return how many there are."""
    connection.execute(
        sa.text(
            "CREATE TEMP TABLE source ON COMMIT DROP AS SELECT ours.number, ours.id, theirs.trial_id AS optuna_id "
            "FROM regsweep_trials AS ours JOIN regsweep_studies AS study ON study.id = ours.study_id "
            "JOIN studies ON studies.study_name = study.name "
            "JOIN trials AS theirs ON theirs.study_id = studies.study_id AND theirs.number = ours.number "
            "WHERE study.name = :name"
        ),
        {"name": name},
    )
    return int(connection.exec_driver_sql("SELECT count(*) FROM source").scalar_one())


def _copy_studies(connection: sa.Connection, template: str, filling: Filling) -> None:
    """Make the table `made` of the studies' ids, in our table and Optuna's."""
    count = filling.studies * (2 if filling.ended_each else 1)
    columns = "project, priority, forgotten, paused_seconds, created_at, engine, facts"
    budget = f"{filling.ended_each} + CASE WHEN n <= {filling.studies} THEN {filling.waiting_each} ELSE 0 END"
    live = f"n <= {filling.studies}"
    which = {"name": template}
    connection.execute(
        sa.text(
            f"INSERT INTO regsweep_studies (name, spec, state, started_at, ended_at, presented, {columns}) "
            f"SELECT 'study ' || n, jsonb_set(spec::jsonb, '{{budget,trials}}', to_jsonb({budget}))::json, "
            f"CASE WHEN NOT {live} THEN 'completed' WHEN {filling.ended_each} > 0 THEN 'running' ELSE 'queued' END, "
            f"started_at, CASE WHEN {live} THEN NULL ELSE ended_at END, CASE WHEN {live} THEN NULL ELSE true END, "
            f"{columns} FROM regsweep_studies, generate_series(1, {count}) AS n WHERE name = :name"
        ),
        which,
    )
    connection.exec_driver_sql(
        f"INSERT INTO studies (study_name) SELECT 'study ' || n FROM generate_series(1, {count}) AS n"
    )
    connection.exec_driver_sql(
        "CREATE TEMP TABLE made ON COMMIT DROP AS SELECT ours.id, theirs.study_id AS optuna_id, "
        "ours.state <> 'completed' AS is_live FROM regsweep_studies AS ours "
        "JOIN studies AS theirs ON theirs.study_name = ours.name WHERE ours.name LIKE 'study %%'"
    )
    for table, of_study in _OF_STUDIES.items():
        connection.execute(
            sa.text(
                f"INSERT INTO {table} (study_id, {of_study}) SELECT made.optuna_id, {of_study} "
                f"FROM {table} JOIN studies ON studies.study_id = {table}.study_id AND study_name = :name, made"
            ),
            which,
        )


def _copy_trials(connection: sa.Connection, filling: Filling, trials: int) -> None:
    """Copy trials of the template into every study made, one after another."""
    connection.exec_driver_sql(
        "CREATE TEMP TABLE copies ON COMMIT DROP AS SELECT made.id AS study_id, made.optuna_id, place, "
        "source.id AS source, source.optuna_id AS optuna_source, "
        "row_number() OVER w + (SELECT max(id) FROM regsweep_trials) AS id, "
        "row_number() OVER w + (SELECT max(trial_id) FROM trials) AS trial_id "
        f"FROM generate_series(0, {filling.ended_each - 1}) AS place CROSS JOIN made "
        f"JOIN source ON source.number = place % {trials} WINDOW w AS (ORDER BY place, made.id)".replace("%", "%%")
    )
    columns = ", ".join(column.name for column in table_of(TrialRecord).columns if column.name not in _NOT_COPIED)
    copied = ", ".join(f'"{column}"' for column in columns.split(", "))
    later = f"{filling.ended_each} - copies.place"
    connection.exec_driver_sql(
        f"INSERT INTO regsweep_trials (id, study_id, place, number, changed, started_at, ended_at, {copied}) "
        f"SELECT copies.id, copies.study_id, copies.place, copies.place, copies.place + 1, started_at - ({later}), "
        f"ended_at - ({later}), {copied} "
        f"FROM copies JOIN (SELECT id AS source, started_at, ended_at, {copied} FROM regsweep_trials) AS t "
        "USING (source)"
    )
    connection.exec_driver_sql(
        "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, datetime_complete) "
        "SELECT copies.trial_id, place, optuna_id, state, datetime_start, datetime_complete "
        "FROM copies JOIN trials ON trials.trial_id = optuna_source"
    )
    for table, contents in _CONTENTS.items():
        connection.exec_driver_sql(
            f"INSERT INTO {table} (trial_id, {contents}) SELECT copies.trial_id, {contents} "
            f"FROM copies JOIN {table} ON {table}.trial_id = optuna_source"
        )
    connection.exec_driver_sql(
        "INSERT INTO regsweep_curves (trial_id, curve, detail) SELECT copies.id, curve, detail "
        "FROM copies JOIN regsweep_curves ON regsweep_curves.trial_id = source"
    )
    attempt = "attempt, worker, started_at, ended_at, ending, reason"
    connection.exec_driver_sql(
        f"INSERT INTO regsweep_attempts (trial_id, {attempt}) SELECT copies.id, {attempt} "
        "FROM copies JOIN regsweep_attempts ON regsweep_attempts.trial_id = source"
    )
    for table, column in (("regsweep_trials", "id"), ("trials", "trial_id")):
        connection.exec_driver_sql(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), (SELECT max({column}) FROM {table}))"
        )
