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
SEEN, BEST = 256, 64
#: States of the trials that Optuna takes the space from.
_TELLING = frozenset({"COMPLETE", "PRUNED"})


@cache
def thinned_tpe() -> type[BaseSampler]:
    """TPESampler over at most SEEN finished trials of a study of one objective; made when called, as Optuna loads."""
    import optuna
    from optuna.samplers import TPESampler

    def view(study: Study, trials: Sequence[FrozenTrial], asked: FrozenTrial) -> Study:
        storage = optuna.storages.InMemoryStorage()
        seen = optuna.create_study(storage=storage, directions=study.directions)
        # The trials are shared, for a sampler only reads them. What it notes of the asked one, its params for other
        # workers to see, ends with the view: ours are recorded with the trial.
        storage._studies[seen._study_id].trials.extend([*trials, asked])
        storage._trial_id_to_study_id_and_number[asked._trial_id] = (seen._study_id, len(trials))
        return seen

    class ThinnedTPE(TPESampler):
        """Sees a view of the study instead of the whole."""

        def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
            # All trials of a study are asked from the same space, so one tells what Optuna would intersect.
            asked = (t for t in study.get_trials(deepcopy=False) if t.state.name in _TELLING and t.params)
            one = list(islice(asked, 1))
            return super().infer_relative_search_space(view(study, one, trial), trial)

        def sample_relative(
            self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
        ) -> dict[str, Any]:
            return super().sample_relative(view(study, course_of(study).view(study, trial), trial), trial, search_space)

    return ThinnedTPE


class Course:
    """The trials of one study, sorted out once: asks come by the thousand, and most trials do not change between."""

    def __init__(self) -> None:
        self._finished: list[FrozenTrial] = []
        self._best: list[FrozenTrial] = []  # at most BEST complete ones
        self._open: set[int] = set()  # places in the list of trials that had not ended
        self._looked_at = 0

    def view(self, study: Study, asked: FrozenTrial) -> list[FrozenTrial]:
        """All other running trials, the best finished ones, and more of those spread evenly, by number."""
        trials = study.get_trials(deepcopy=False)
        # The newest trial may have been taken back since.
        self._open = {place for place in self._open if place < len(trials)} | set(range(self._looked_at, len(trials)))
        self._looked_at = len(trials)
        ended = {place for place in self._open if trials[place].state.is_finished()}
        self._open -= ended
        self._take_in(study, [trials[place] for place in sorted(ended)])
        running = [trials[place] for place in self._open if trials[place].number != asked.number]
        finished = self._finished
        if len(finished) > SEEN:
            places = SEEN - len(self._best)
            spread = (finished[index * len(finished) // places] for index in range(places))
            finished = list({trial.number: trial for trial in (*self._best, *spread)}.values())
        return sorted([*finished, *running], key=lambda trial: trial.number)

    def forget(self) -> None:
        """Look at all trials anew: one has changed after its end."""
        self._finished, self._best, self._open, self._looked_at = [], [], set(), 0

    def _take_in(self, study: Study, ended: list[FrozenTrial]) -> None:
        self._finished += [trial for trial in ended if trial.state.name != "FAIL"]
        complete = [*self._best, *(trial for trial in ended if trial.state.name == "COMPLETE")]
        maximizes = study.directions[0].name == "MAXIMIZE"
        self._best = sorted(complete, key=lambda trial: trial.values[0], reverse=maximizes)[:BEST]


#: A sampler is made for each ask; what it need not look at again stays with the study.
_courses: WeakKeyDictionary[Study, Course] = WeakKeyDictionary()


def course_of(study: Study) -> Course:
    """What is known of a study already."""
    return _courses.setdefault(study, Course())
