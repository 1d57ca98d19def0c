"""Optuna's storage in memory, with the few operations that a mirror of the database needs beside its own."""

from __future__ import annotations

from collections.abc import Container, Sequence
from copy import copy

from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

_BEYOND = 1 << 40  # numbers of warm-start trials: no trial of a study is counted so far


class MirrorStorage(InMemoryStorage):
    """Adds trials without copying their contents, replaces them, and removes the newest.

    Samplers and pruners see another study's `warm_start_trials` before the study's own.
    """

    def __init__(self, warm_start_trials: Sequence[FrozenTrial] = ()) -> None:
        super().__init__()
        self.warm_start_trials = list(warm_start_trials)
        for index, trial in enumerate(self.warm_start_trials):
            trial._trial_id = trial.number = _BEYOND + index

    def own_trials(self, study_id: int) -> list[FrozenTrial]:
        """The study's own trials, by number."""
        return self._studies[study_id].trials

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Warm-start trials and own ones."""
        study_trials = super().get_all_trials(study_id, deepcopy, states)
        if not self.warm_start_trials:
            return study_trials
        return [trial for trial in self.warm_start_trials if states is None or trial.state in states] + study_trials

    def replace(self, study_id: int, trial: FrozenTrial) -> None:
        """Put a trial in the place of the stored one of its number, as when it failed after all."""
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
        """Append a trial; the contents of a finished trial are shared."""
        with self._lock:
            self._max_trial_id += 1
            trial = copy(trial)
            trial._trial_id = self._max_trial_id
            self._trial_id_to_study_id_and_number[trial._trial_id] = (study_id, trial.number)
            self._studies[study_id].trials.append(trial)
            self._update_cache(trial._trial_id, study_id)

    def remove_newest(self, study_id: int, trial_id: int) -> None:
        """Remove the running trial that was created last."""
        with self._lock:
            removed = self._studies[study_id].trials.pop()
            if removed._trial_id != trial_id:
                raise ValueError(f"trial {trial_id} is not the newest")
            del self._trial_id_to_study_id_and_number[trial_id]
