"""An in-memory copy of a study, so that asking and pruning cost no round trip to the database."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from studies.plan import Plan
from studies.search import pareto, sampling
from studies.search.tpe import course_of
from studies.spec.study import StudySpec


class Mirror:
    """The trials of one study, numbered as in the database, with a sampler and a pruner over them."""

    def __init__(self, spec: StudySpec, trials: Iterable[FrozenTrial], earlier: Sequence[FrozenTrial] = ()) -> None:
        self._spec = spec
        self._distributions = spec.space.distributions()
        self._storage = _Storage(earlier)
        self.study = optuna.create_study(
            storage=self._storage,
            # Hyperband draws a trial's bracket from the study's name and the trial's number: the same for all workers.
            study_name="study",
            directions=list(spec.directions),
            pruner=sampling.build_pruner(spec.pruner),
        )
        self.take_in(trials)

    def take_in(self, trials: Iterable[FrozenTrial]) -> None:
        """Bring in what other workers opened and finished, by number, with none missing in between."""
        known = self.own()
        for trial in trials:
            if trial.number >= len(known):
                self._storage.add(self.study._study_id, _afresh(trial))
            elif trial.state.is_finished() and not known[trial.number].state.is_finished():
                self._finish(known[trial.number]._trial_id, trial)
            elif trial.state == TrialState.FAIL and known[trial.number].state != TrialState.FAIL:
                self._storage.replace(self.study._study_id, trial)  # marked invalid: the sampler forgets it
                course_of(self.study).forget()

    def own(self) -> list[FrozenTrial]:
        """The study's own trials, by number."""
        return self._storage.own(self.study._study_id)

    def _finish(self, trial_id: int, trial: FrozenTrial) -> None:
        for step, value in trial.intermediate_values.items():
            self._storage.set_trial_intermediate_value(trial_id, step, value)
        for key, value in trial.system_attrs.items():
            self._storage.set_trial_system_attr(trial_id, key, value)
        self._storage.set_trial_state_values(trial_id, trial.state, trial.values)

    def ask(self, fixed: Mapping[str, Any] | None = None) -> Trial:
        """A new running trial with every searched parameter suggested, but for those that are fixed."""
        self.study.sampler = sampling.build_sampler(self._spec, len(self.own()))
        if fixed is not None:
            self.study.enqueue_trial(dict(fixed))
        return self.study.ask(self._distributions)

    def unask(self, trial: Trial) -> None:
        """Take the last ask back: its number became another worker's."""
        self._storage.remove_last(self.study._study_id, trial._trial_id)

    def resume(self, number: int) -> Trial:
        """The running trial of this number, taken over from another attempt: it has reported nothing yet."""
        self._storage.replace(self.study._study_id, _afresh(self.own()[number]))
        return Trial(self.study, self.own()[number]._trial_id)

    def tell(self, trial: Trial, state: TrialState, values: Sequence[float] | None) -> FrozenTrial:
        """Finish a trial; the sampler learns of it."""
        return self.study.tell(trial, values, state=state)

    def is_best(self, trial: FrozenTrial) -> bool:
        """Whether a finished trial is the best so far, or on the Pareto front of several objectives."""
        if trial.state != TrialState.COMPLETE:
            return False
        # Of one objective the storage knows the best; Optuna's best_trials would copy every trial each time.
        one = len(self._spec.directions) == 1
        among = [self._storage.get_best_trial(self.study._study_id)] if one else self.own()
        return pareto.is_best(trial, among, self._spec.directions)


_BEYOND = 1 << 40  # numbers of earlier trials: no trial of a study is counted so far


class _Storage(InMemoryStorage):
    """Optuna's storage in memory, which also takes trials without copying all they hold, and forgets its newest.

    Samplers and pruners see another study's `earlier` trials before its own.
    """

    def __init__(self, earlier: Sequence[FrozenTrial] = ()) -> None:
        super().__init__()
        self._earlier = list(earlier)
        for index, trial in enumerate(self._earlier):
            trial._trial_id = trial.number = _BEYOND + index

    def own(self, study_id: int) -> list[FrozenTrial]:
        """The study's own trials, by number."""
        return self._studies[study_id].trials

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Earlier trials and own ones."""
        own = super().get_all_trials(study_id, deepcopy, states)
        if not self._earlier:
            return own
        return [trial for trial in self._earlier if states is None or trial.state in states] + own

    def replace(self, study_id: int, trial: FrozenTrial) -> None:
        """Take another form of a trial it has, such as one that failed after all."""
        with self._lock:
            trials = self._studies[study_id].trials
            trial = copy(trial)
            trial._trial_id = trials[trial.number]._trial_id
            trials[trial.number] = trial
            if self._studies[study_id].best_trial_id == trial._trial_id and trial.state == TrialState.FAIL:
                self._studies[study_id].best_trial_id = None
                for other in trials:
                    self._update_cache(other._trial_id, study_id)

    def add(self, study_id: int, trial: FrozenTrial) -> None:
        """Append a trial; what a finished trial holds is shared."""
        with self._lock:
            self._max_trial_id += 1
            trial = copy(trial)
            trial._trial_id = self._max_trial_id
            self._trial_id_to_study_id_and_number[trial._trial_id] = (study_id, trial.number)
            self._studies[study_id].trials.append(trial)
            self._update_cache(trial._trial_id, study_id)

    def remove_last(self, study_id: int, trial_id: int) -> None:
        """Remove a running trial that was created last."""
        with self._lock:
            removed = self._studies[study_id].trials.pop()
            if removed._trial_id != trial_id:
                raise ValueError(f"trial {trial_id} is not the newest")
            del self._trial_id_to_study_id_and_number[trial_id]


def _afresh(trial: FrozenTrial) -> FrozenTrial:
    """An unfinished trial without what it reported: whoever resumes it reports from its first epoch."""
    if trial.state.is_finished():
        return trial
    trial = copy(trial)
    trial.intermediate_values, trial.system_attrs = {}, dict(trial.system_attrs)
    return trial


def frozen(trial: Trial) -> FrozenTrial:
    """A running trial as it stands, not to be changed."""
    return trial.study._storage.get_trial(trial._trial_id)


def as_template(trial: Trial) -> FrozenTrial:
    """A running trial with all it was asked, ready to be recorded in one transaction."""
    asked = frozen(trial)
    template = create_trial(
        state=TrialState.RUNNING,
        params=asked.params,
        distributions=asked.distributions,
        system_attrs=asked.system_attrs,
    )
    template.number = trial.number
    template.datetime_start = datetime.now()
    return template


def planned_template(number: int, plan: Plan) -> FrozenTrial:
    """A planned trial as Optuna records it: its one param is its technique, among those that are compared."""
    template = create_trial(
        state=TrialState.RUNNING,
        params={"technique": plan.technique},
        distributions={"technique": CategoricalDistribution(tuple(plan.among))},
    )
    template.number = number
    template.datetime_start = datetime.now()
    return template
