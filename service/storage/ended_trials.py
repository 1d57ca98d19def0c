"""Keeps the ended trials of the studies that a worker served last, so that its next turn reads only the others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from optuna.trial import FrozenTrial

_MAX_TRIALS = 5_000  # of all studies together, of 2 kB and more each


class Version(NamedTuple):
    """What the trials of a study are kept for: once one is marked invalid, all are read again."""

    study_id: int
    optuna_id: int
    invalidated_count: int


class EndedTrials:
    """Ended trials by study and number; the study that was served the longest ago is forgotten first."""

    def __init__(self, max_trials: int = _MAX_TRIALS) -> None:
        self._max_trials = max_trials
        self._kept: OrderedDict[Version, dict[int, FrozenTrial]] = OrderedDict()

    def of(self, version: Version) -> dict[int, FrozenTrial]:
        """The trials of a study that are kept, by number."""
        return dict(self._kept.get(version, {}))

    def add(self, version: Version, trials: Iterable[FrozenTrial]) -> None:
        """Keep those of a study's trials that have ended, with params: one without may be mended in Optuna's tables."""
        kept = self._kept.setdefault(version, {})
        self._kept.move_to_end(version)
        kept |= {trial.number: trial for trial in trials if trial.state.is_finished() and trial.params}
        # The last study stays: while it is served, its sampler has these trials anyway.
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > self._max_trials:
            self._kept.popitem(last=False)
