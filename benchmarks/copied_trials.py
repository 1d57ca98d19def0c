"""Fills a study in SQLite with copies of the trials it has, in seconds, for benchmarks of what comes after."""

# ruff: noqa: S608  # the statements hold this module's own names, and whole numbers

from __future__ import annotations

import sqlite3
from pathlib import Path

#: Optuna's tables of a trial's contents, and their columns.
_CONTENTS = {
    "trial_params": "param_name, param_value, distribution_json",
    "trial_values": "objective, value, value_type",
    "trial_intermediate_values": "step, intermediate_value, intermediate_value_type",
    "trial_system_attributes": '"key", value_json',
    "trial_user_attributes": '"key", value_json',
}
_RESULT = (
    'state, attempt, worker, params, "values", value, metrics, weights, epochs, best_epoch, stopped_early, started_at, '
    "ended_at"
)


def copy_trials(database: Path, count: int, copies: int) -> None:
    """Copy the first `count` trials of the one study so many times; each must have ended under its slot's number."""
    connection = sqlite3.connect(database)
    count, copies = int(count), int(copies)  # they stand in the statements
    series = f"WITH RECURSIVE series(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM series WHERE k < {copies})"
    connection.execute(f"CREATE TEMP TABLE times AS {series} SELECT k FROM series")
    shifted = f"trial_id + k * {count}"
    connection.execute(
        f"INSERT INTO trials SELECT {shifted}, number + k * {count}, study_id, state, datetime_start, "
        "datetime_complete FROM times, trials"
    )
    for table, columns in _CONTENTS.items():
        connection.execute(f"INSERT INTO {table} (trial_id, {columns}) SELECT {shifted}, {columns} FROM times, {table}")
    result = ", ".join(f"{column} = source.{column}" for column in _RESULT.split(", "))
    connection.execute(
        f"UPDATE regsweep_trials AS copy SET number = copy.place, {result} FROM regsweep_trials AS source "
        f"WHERE source.place = copy.place % {count} AND copy.place BETWEEN {count} AND {(copies + 1) * count - 1}"
    )
    connection.execute(f"INSERT INTO regsweep_curves SELECT {shifted}, curve, detail FROM times, regsweep_curves")
    connection.execute(
        f"INSERT INTO regsweep_attempts SELECT {shifted}, attempt, worker, started_at, ended_at, ending, reason "
        "FROM times, regsweep_attempts"
    )
    connection.commit()
    connection.close()
