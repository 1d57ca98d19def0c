"""The trials of one study as TPE looks at them, sorted out once: asks come by the thousand, and few trials change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

#: Finished trials that the densities are estimated from, and the best among them: TPE calls at most 25 good.
MAX_VIEWED, MAX_BEST = 256, 64


class KnownTrial(NamedTuple):
    """What TPE needs of a trial."""

    number: int
    trial: FrozenTrial
    has_ended: bool
    cost: float | None  # of a complete trial; less is better
    pruned_after: tuple[float, float]  # of a pruned one: Optuna calls the less the better
    params: tuple[float, ...] | None  # as Optuna holds them, in the order of the space; None when one is missing


class TrialHistory:
    """The trials of one study."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Look at all trials anew next time: one has changed after its end."""
        self._space: dict[str, BaseDistribution] | None = None
        self._finished: list[KnownTrial] = []
        self._best: list[KnownTrial] = []  # at most MAX_BEST complete ones
        self._open: set[int] = set()  # indices in the list of trials that had not ended
        self._length = 0  # of that list when it was last looked at

    def space(self, study: Study) -> dict[str, BaseDistribution]:
        """The searched distributions of more than one value, by name, of the first trial that says any."""
        if self._space is not None:
            return self._space
        for trial in study.get_trials(deepcopy=False):
            if trial.state.is_finished() and not _has_failed(trial) and trial.params:
                searched = sorted(trial.distributions.items())
                self._space = {name: distribution for name, distribution in searched if not distribution.single()}
                return self._space
        return {}

    def view(self, study: Study, asked_trial: FrozenTrial, *, running: bool = True) -> list[KnownTrial]:
        """The best finished trials, more of those spread evenly, and all other running ones, by number."""
        before, trials = _trials(study)
        if not self._length:
            self._take_in(study, before)
        # The newest trial may have been taken back since.
        self._open = {index for index in self._open if index < len(trials)} | set(range(self._length, len(trials)))
        self._length = len(trials)
        ended = {index for index in self._open if trials[index].state.is_finished()}
        self._open -= ended
        self._take_in(study, [trials[index] for index in sorted(ended)])
        viewed = self._finished
        if len(viewed) > MAX_VIEWED:
            count, finished = MAX_VIEWED - len(self._best), len(viewed)
            spread = (viewed[index * finished // count] for index in range(count))
            viewed = list({known.number: known for known in (*self._best, *spread)}.values())
        if running:
            others = (trials[index] for index in self._open if trials[index].number != asked_trial.number)
            viewed = [*viewed, *(self._know(study, trial) for trial in others)]
        return sorted(viewed, key=_number)

    def split(self, known: Sequence[KnownTrial], good: int) -> tuple[list[KnownTrial], list[KnownTrial]]:
        """Split trials into at most so many good ones and the others, both by number, as Optuna's TPE does."""
        complete = sorted((each for each in known if each.cost is not None), key=_cost)
        pruned = sorted((each for each in known if each.has_ended and each.cost is None), key=_pruned_after)
        best = {each.number for each in [*complete, *pruned][:good]}
        return [each for each in known if each.number in best], [each for each in known if each.number not in best]

    def _take_in(self, study: Study, ended: Sequence[FrozenTrial]) -> None:
        known = [self._know(study, trial) for trial in ended if not _has_failed(trial)]
        self._finished += known
        complete = [*self._best, *(each for each in known if each.cost is not None)]
        self._best = sorted(complete, key=_cost)[:MAX_BEST]

    def _know(self, study: Study, trial: FrozenTrial) -> KnownTrial:
        space, params = self.space(study), trial.params
        known = (
            tuple(distribution.to_internal_repr(params[name]) for name, distribution in space.items())
            if space.keys() <= params.keys()
            else None
        )
        sign, cost = _sign(study), trial.value if _is_complete(trial) else None
        after = 1.0, 0.0
        if trial.intermediate_values:
            step, value = max(trial.intermediate_values.items())
            after = -float(step), math.inf if math.isnan(value) else sign * value
        cost = None if cost is None else sign * cost
        return KnownTrial(trial.number, trial, trial.state.is_finished(), cost, after, known)


def _number(known: KnownTrial) -> int:
    return known.number


def _cost(known: KnownTrial) -> float:
    return math.inf if known.cost is None else known.cost


def _pruned_after(known: KnownTrial) -> tuple[float, float]:
    return known.pruned_after


def _has_failed(trial: FrozenTrial) -> bool:
    return trial.state.name == "FAIL"


def _is_complete(trial: FrozenTrial) -> bool:
    return trial.state.name == "COMPLETE"


def _sign(study: Study) -> float:
    return -1.0 if study.directions[0].name == "MAXIMIZE" else 1.0


def _trials(study: Study) -> tuple[Sequence[FrozenTrial], Sequence[FrozenTrial]]:
    """Trials that have ended before the study, and the study's own, without a copy of the list if possible."""
    from optuna.study import Study as PlainStudy

    from studies.search.mirror_storage import MirrorStorage

    storage = study._storage
    if type(study) is PlainStudy and isinstance(storage, MirrorStorage):
        return storage.warm_start_trials, storage.own_trials(study._study_id)
    return (), study.get_trials(deepcopy=False)


#: A sampler is made for each ask; the history stays with the study.
_histories: WeakKeyDictionary[Study, TrialHistory] = WeakKeyDictionary()


def history_of(study: Study) -> TrialHistory:
    """The history of a study."""
    if (history := _histories.get(study)) is None:
        history = _histories[study] = TrialHistory()
    return history
