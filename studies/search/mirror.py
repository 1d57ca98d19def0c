"""An in-memory copy of a study, so that asking and pruning cost no round trip to the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from studies.plan import Plan
from studies.search import pareto
from studies.search.auto_pruner import choose_pruner
from studies.search.history import history_of
from studies.search.mirror_storage import MirrorStorage
from studies.search.pruners import build_pruner
from studies.search.samplers import build_sampler
from studies.spec.study import StudySpec


class Mirror:
    """The trials of one study, numbered as in the database; a studies.search.asker.Asker."""

    def __init__(
        self, spec: StudySpec, trials: Iterable[FrozenTrial], warm_start_trials: Sequence[FrozenTrial] = ()
    ) -> None:
        self._spec = spec
        self._distributions = spec.space.distributions()
        self._storage = MirrorStorage(warm_start_trials)
        self.study = optuna.create_study(
            storage=self._storage,
            # Hyperband draws a trial's bracket from the study's name and the trial's number: the same for all workers.
            study_name="study",
            directions=list(spec.directions),
            pruner=build_pruner(choose_pruner(spec).part),
        )
        self.take_in(trials)

    def take_in(self, trials: Iterable[FrozenTrial]) -> None:
        """Bring in trials that other workers opened and finished, by number, with none missing in between."""
        known = self.trials()
        for trial in trials:
            if trial.number >= len(known):
                self._storage.add(self.study._study_id, _without_reports(trial))
            elif trial.state.is_finished() and not known[trial.number].state.is_finished():
                self._finish(known[trial.number]._trial_id, trial)
            elif trial.state == TrialState.FAIL and known[trial.number].state != TrialState.FAIL:
                self._storage.replace(self.study._study_id, trial)  # marked invalid: the sampler forgets it
                history_of(self.study).clear()

    def trials(self) -> list[FrozenTrial]:
        """The study's own trials, by number."""
        return self._storage.own_trials(self.study._study_id)

    def _finish(self, trial_id: int, trial: FrozenTrial) -> None:
        for step, value in trial.intermediate_values.items():
            self._storage.set_trial_intermediate_value(trial_id, step, value)
        for key, value in trial.system_attrs.items():
            self._storage.set_trial_system_attr(trial_id, key, value)
        self._storage.set_trial_state_values(trial_id, trial.state, trial.values)

    def ask_for(self, slot: int, params: Mapping[str, Any] | None) -> Trial:  # noqa: ARG002  # any slot takes any trial
        """Ask a running trial; its number is the next one, whatever the slot."""
        return self.ask(params)

    def ask(self, params: Mapping[str, Any] | None = None) -> Trial:
        """Ask a running trial; the sampler suggests every searched parameter that is not given."""
        self.study.sampler = build_sampler(self._spec, len(self.trials()), self.study.sampler)
        if params is not None:
            self.study.enqueue_trial(dict(params))
        return self.study.ask(self._distributions)

    def unask(self, trial: Trial) -> None:
        """Take the last ask back: another worker's trial has its number."""
        self._storage.remove_newest(self.study._study_id, trial._trial_id)

    def resume(self, number: int) -> Trial:
        """Take over the running trial of a number from another attempt, without its intermediate values."""
        self._storage.replace(self.study._study_id, _without_reports(self.trials()[number]))
        return Trial(self.study, self.trials()[number]._trial_id)

    def tell(self, trial: Trial, state: TrialState, values: Sequence[float] | None) -> FrozenTrial:
        """Finish a trial; the sampler learns of it."""
        return self.study.tell(trial, values, state=state)

    def is_best(self, trial: FrozenTrial) -> bool:
        """Return whether a finished trial is the best so far, or on the Pareto front of several objectives."""
        if trial.state != TrialState.COMPLETE:
            return False
        # Of one objective the storage knows the best; Optuna's best_trials would copy every trial each time.
        one = len(self._spec.directions) == 1
        rivals = [self._storage.get_best_trial(self.study._study_id)] if one else self.trials()
        return pareto.is_best(trial, rivals, self._spec.directions)

    def has_complete(self) -> bool:
        """Return whether any of the study's own trials is complete."""
        return any(trial.state == TrialState.COMPLETE for trial in self.trials())


def _without_reports(trial: FrozenTrial) -> FrozenTrial:
    """An unfinished trial without its intermediate values: the next attempt reports from its first epoch."""
    if trial.state.is_finished():
        return trial
    trial = copy(trial)
    trial.intermediate_values, trial.system_attrs = {}, dict(trial.system_attrs)
    return trial


def freeze(trial: Trial) -> FrozenTrial:
    """Read a running trial as it stands; not to be changed."""
    return trial.study._storage.get_trial(trial._trial_id)


def as_template(trial: Trial) -> FrozenTrial:
    """A running trial with its params, ready to be recorded in one transaction."""
    running = freeze(trial)
    template = create_trial(
        state=TrialState.RUNNING,
        params=running.params,
        distributions=running.distributions,
        system_attrs=running.system_attrs,
    )
    return _numbered(template, trial.number)


def planned_template(number: int, plan: Plan) -> FrozenTrial:
    """A planned trial as Optuna records it: its one param is its technique, among all candidates."""
    template = create_trial(
        state=TrialState.RUNNING,
        params={"technique": plan.technique},
        distributions={"technique": CategoricalDistribution(tuple(plan.among))},
    )
    return _numbered(template, number)


def _numbered(template: FrozenTrial, number: int) -> FrozenTrial:
    template.number = number
    template.datetime_start = datetime.now()
    return template
