"""Optuna's TPE at a cost that does not grow with the study."""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

#: Finished trials that the densities are estimated from, and the best among them: TPE calls at most 25 good.
MAX_VIEWED, MAX_BEST = 256, 64


@cache
def thinned_tpe() -> type[BaseSampler]:
    """TPESampler over at most MAX_VIEWED finished trials of one objective; made when called, as Optuna loads."""
    import optuna
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    informative = TrialState.COMPLETE, TrialState.PRUNED  # which Optuna infers the space from

    def view(study: Study, trials: Sequence[FrozenTrial], asked_trial: FrozenTrial) -> Study:
        storage = optuna.storages.InMemoryStorage()
        view_study = optuna.create_study(storage=storage, directions=study.directions)
        # The trials are shared, for a sampler only reads them. The attributes it sets on the asked one, its params for
        # other workers to see, end with the view: ours are recorded with the trial.
        storage._studies[view_study._study_id].trials.extend([*trials, asked_trial])
        storage._trial_id_to_study_id_and_number[asked_trial._trial_id] = (view_study._study_id, len(trials))
        return view_study

    class ThinnedTPE(TPESampler):
        """Sees a view of the study instead of all its trials."""

        def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
            # All trials of a study are asked from the same space, so one suffices for the intersection Optuna makes.
            trials = (t for t in study.get_trials(deepcopy=False) if t.state in informative and t.params)
            return super().infer_relative_search_space(view(study, list(islice(trials, 1)), trial), trial)

        def sample_relative(
            self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
        ) -> dict[str, Any]:
            viewed = history_of(study).view(study, trial)
            return super().sample_relative(view(study, viewed, trial), trial, search_space)

    return ThinnedTPE


class TrialHistory:
    """The trials of one study, sorted out once: asks come by the thousand, and most trials do not change between."""

    def __init__(self) -> None:
        self._finished: list[FrozenTrial] = []
        self._best: list[FrozenTrial] = []  # at most MAX_BEST complete ones
        self._open: set[int] = set()  # indices in the list of trials that had not ended
        self._length = 0  # of that list when it was last looked at

    def view(self, study: Study, asked_trial: FrozenTrial) -> list[FrozenTrial]:
        """All other running trials, the best finished ones, and more of those spread evenly, by number."""
        trials = study.get_trials(deepcopy=False)
        # The newest trial may have been taken back since.
        self._open = {index for index in self._open if index < len(trials)} | set(range(self._length, len(trials)))
        self._length = len(trials)
        ended = {index for index in self._open if trials[index].state.is_finished()}
        self._open -= ended
        self._take_in(study, [trials[index] for index in sorted(ended)])
        running = [trials[index] for index in self._open if trials[index].number != asked_trial.number]
        finished = self._finished
        if len(finished) > MAX_VIEWED:
            count = MAX_VIEWED - len(self._best)
            spread = (finished[index * len(finished) // count] for index in range(count))
            finished = list({trial.number: trial for trial in (*self._best, *spread)}.values())
        return sorted([*finished, *running], key=lambda trial: trial.number)

    def clear(self) -> None:
        """Look at all trials anew next time: one has changed after its end."""
        self._finished, self._best, self._open, self._length = [], [], set(), 0

    def _take_in(self, study: Study, ended: list[FrozenTrial]) -> None:
        from optuna.study import StudyDirection
        from optuna.trial import TrialState

        self._finished += [trial for trial in ended if trial.state != TrialState.FAIL]
        complete = [*self._best, *(trial for trial in ended if trial.state == TrialState.COMPLETE)]
        maximizes = study.directions[0] == StudyDirection.MAXIMIZE
        self._best = sorted(complete, key=lambda trial: trial.values[0], reverse=maximizes)[:MAX_BEST]


#: A sampler is made for each ask; the history stays with the study.
_histories: WeakKeyDictionary[Study, TrialHistory] = WeakKeyDictionary()


def history_of(study: Study) -> TrialHistory:
    """The history of a study."""
    return _histories.setdefault(study, TrialHistory())
