"""Optuna's ids in the paths of its dashboard, and whether what they name is there."""

from __future__ import annotations

import re
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import NotFoundError

STUDY, TRIAL = r"(?P<study>[0-9]+)", r"(?P<trial>[0-9]+)"

# Of Optuna, which is not imported until the dashboard is.
STUDIES = sa.table("studies", sa.column("study_id", sa.Integer), sa.column("study_name", sa.String))
DIRECTIONS = sa.table("study_directions", sa.column("study_id", sa.Integer))
TRIALS = sa.table(
    "trials",
    sa.column("trial_id", sa.Integer),
    sa.column("study_id", sa.Integer),
    sa.column("number", sa.Integer),
    sa.column("state", sa.String),
)


def read_ids(pattern: re.Pattern[str], path: str) -> Mapping[str, int] | None:
    """Optuna's ids in a path, by `study` and `trial`; None when it is another path."""
    found = pattern.fullmatch(path)
    if found is None:
        return None
    # The databases refuse larger ones, and no id is one.
    return {name: min(int(digits[:20]), 2**31 - 1) for name, digits in found.groupdict().items()}


def find_state(session: Session, ids: Mapping[str, int]) -> str | None:
    """The state of the trial that ids name; None when they name a study alone, or nothing.

    Raises NotFoundError when the study or the trial is not there.
    """
    study, trial = ids.get("study"), ids.get("trial")
    if study is not None and not session.scalar(sa.select(sa.exists().where(STUDIES.c.study_id == study))):
        raise NotFoundError(f"Optuna has no study of the id {study}")
    if trial is None:
        return None
    of_trial = sa.select(TRIALS.c.state).where(TRIALS.c.trial_id == trial)
    state: str | None = session.scalar(of_trial if study is None else of_trial.where(TRIALS.c.study_id == study))
    if state is None:
        raise NotFoundError(f"Optuna has no trial of the id {trial}" + ("" if study is None else " in this study"))
    return state


def count_directions(session: Session, study: int) -> int:
    """The number of a study's objectives."""
    of_study = sa.select(sa.func.count()).select_from(DIRECTIONS).where(DIRECTIONS.c.study_id == study)
    return session.scalar(of_study) or 0
