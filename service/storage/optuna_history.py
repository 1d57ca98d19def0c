"""Reads a study's trials for its sampler: from Optuna's tables, as far as our own records say the same.

Other programs write into Optuna's tables. Our records say which trials there are and how each ended; Optuna's add what
only they hold: what the sampler drew and noted, and the intermediate values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import copy
from typing import Any, NamedTuple

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.orm import Session

from service.storage import optuna_reading
from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import ENDED_TRIAL


class _Kept(NamedTuple):
    """What our record says of a trial."""

    state: TrialState
    values: list[Any] | None


def known_trials(
    session: Session, study: StudyRecord, optuna_id: int, after: int = -1, also: Collection[int] = ()
) -> list[FrozenTrial]:
    """The study's trials with a number above `after` or in `also`, by number.

    One that another program added, also if it is gone again, is a failed one without params, as is an ended one that
    is gone there; so numbers follow each other. A reproducible study, whose numbers are its slots, has none of those
    that were added.
    """
    spec = study.parsed_spec
    theirs = {trial.number: trial for trial in optuna_reading.read_trials(session, optuna_id, after, also)}
    ours = _kept(session, study.id, after, also)
    numbers = ours.keys() if spec.reproducible else ours.keys() | theirs.keys()
    if not spec.reproducible:
        numbers |= {*also, *range(after + 1, max(numbers, default=after))}
    space = spec.space.distributions()
    return [_known(number, theirs.get(number), ours.get(number), space) for number in sorted(numbers)]


def _kept(session: Session, study_id: int, after: int, also: Collection[int]) -> dict[int, _Kept]:
    chosen = TrialRecord.number > after
    if also:
        chosen = sa.or_(chosen, TrialRecord.number.in_(also))
    query = sa.select(TrialRecord.number, TrialRecord.state, TrialRecord.values)
    rows = session.execute(query.where(TrialRecord.study_id == study_id, chosen))
    return {
        number: _Kept(TrialState[state] if state in ENDED_TRIAL else TrialState.RUNNING, values)
        for number, state, values in rows
        if number is not None
    }


def _known(
    number: int, theirs: FrozenTrial | None, ours: _Kept | None, space: Mapping[str, BaseDistribution]
) -> FrozenTrial:
    if ours is None or (theirs is None and ours.state.is_finished()):
        return _without_params(number, TrialState.FAIL)
    if theirs is None:
        return _without_params(number, ours.state)
    if theirs.state == ours.state and theirs.values == ours.values and _fits(theirs, space):
        return theirs
    known = copy(theirs)
    known.state, known.values = ours.state, ours.values
    if not ours.state.is_finished():
        known.datetime_complete = None
    if not _fits(theirs, space):
        known.params, known.distributions = {}, {}
    return known


def _without_params(number: int, state: TrialState) -> FrozenTrial:
    trial = create_trial(state=state)
    trial.number = number
    return trial


def _fits(trial: FrozenTrial, space: Mapping[str, BaseDistribution]) -> bool:
    """Return whether a sampler can learn from a trial's params: they are of the kinds that the space has."""
    for name, distribution in trial.distributions.items():
        known = space.get(name)
        if known is None or known == distribution:
            continue
        try:
            check_distribution_compatibility(known, distribution)
        except ValueError:
            return False
    return True
