"""Bounds the models that a study keeps, and says why a trial has none.

A worker keeps the model of each trial that is the best, or on the Pareto front, when it ends. Of one objective that may
be many by ties and small steps, of several objectives most trials.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.records import TrialRecord, asked, complete
from service.storage.states import TrialState
from studies.objectives import Direction, cost_sign
from studies.search import pareto

MAX_BEST = 5  # of one objective: the best, and those that were the best before or are as good
MAX_FRONT = 20  # of several objectives


def drop_surplus(session: Session, study_id: int, directions: Sequence[Direction]) -> list[str]:
    """Take models beyond the bound off their trials; return the files, to be removed once this is committed.

    The models of a comparison's confirmation and of the delivery, which have a plan, all stay.
    """
    most = MAX_BEST if len(directions) == 1 else MAX_FRONT
    ended = TrialRecord.study_id == study_id, TrialRecord.plan.is_(None), asked(), complete()
    kept = session.scalars(sa.select(TrialRecord).where(*ended, TrialRecord.model.is_not(None))).all()
    if len(kept) <= most:
        return []
    if len(directions) == 1:
        surplus = _by_cost(kept, directions[0])[most:]
    else:
        numbers = _front(session, ended, directions)
        surplus = _surplus_of_front(kept, numbers, most)
    files = [trial.model for trial in surplus if trial.model is not None]
    for trial in surplus:
        trial.model = trial.model_bytes = None
    return files


def _by_cost(trials: Sequence[TrialRecord], direction: Direction) -> list[TrialRecord]:
    """Trials by their first objective, the best first, and of equal ones by number."""
    return sorted(trials, key=lambda trial: ((trial.value or 0.0) * cost_sign(direction), trial.number or 0))


def _front(
    session: Session, ended: Sequence[sa.ColumnElement[bool]], directions: Sequence[Direction]
) -> dict[int, int]:
    """The rank of each trial on the front along the first objective, by number."""
    trials = session.scalars(sa.select(TrialRecord).where(*ended)).all()
    front = [trials[index] for index in pareto.front([trial.values or [] for trial in trials], directions)]
    return {trial.number or 0: rank for rank, trial in enumerate(_by_cost(front, directions[0]))}


def _surplus_of_front(kept: Sequence[TrialRecord], ranks: dict[int, int], most: int) -> list[TrialRecord]:
    """First those that have left the front, the earliest first, then those whose neighbours lie closest together.

    Both ends of the front stay, and what stays is spread over its ranks.
    """
    left = sorted((trial for trial in kept if trial.number not in ranks), key=lambda trial: trial.number or 0)
    surplus = left[: len(kept) - most]
    chosen = sorted((trial for trial in kept if trial.number in ranks), key=lambda trial: ranks[trial.number or 0])
    while len(chosen) > most:
        places = [ranks[trial.number or 0] for trial in chosen]
        gaps = [after - before for before, after in zip(places, places[2:], strict=False)]
        surplus.append(chosen.pop(1 + gaps.index(min(gaps))))
    return surplus


def why_none(trial: TrialRecord) -> str:
    """Why a trial has no model, as a sentence."""
    if trial.state != TrialState.COMPLETE:
        return f"trial {trial.number} has no model: models are kept of complete trials only"
    if len(trial.values or ()) > 1:
        kept = f"on the Pareto front when they ended, at most {MAX_FRONT} spread over it"
    else:
        kept = f"the best when they ended, the best {MAX_BEST} of them"
    return f"trial {trial.number} has no model: a study keeps those of the trials that were {kept}"
