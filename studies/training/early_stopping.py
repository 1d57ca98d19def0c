"""keras.callbacks.EarlyStopping as a pure state machine, so that both engines stop at the same epoch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from studies.hyperparameters import Hyperparameters
from studies.objectives import OBJECTIVES, Direction, cost_sign
from studies.spec.study import StudySpec


@dataclass(frozen=True, slots=True)
class EarlyStoppingState:
    """The state of early stopping after some epochs."""

    best: float | None = None  # None until an epoch was watched
    best_epoch: int | None = None  # counted from 0
    wait: int = 0  # epochs since the best
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """The early stopping rule of one trial."""

    patience: int | None  # epochs without improvement before training stops; None: it never does
    min_delta: float = 0.0  # smallest change that counts, ≥ 0
    start_from_epoch: int = 0  # epochs at the start that are not watched
    direction: Direction = "minimize"

    @classmethod
    def of(cls, spec: StudySpec, hyperparameters: Hyperparameters) -> Self:
        """The rule of a trial of a study."""
        stopping = spec.early_stopping
        return cls(
            patience=hyperparameters.patience,
            min_delta=stopping.min_delta,
            start_from_epoch=stopping.start_from_epoch,
            direction=OBJECTIVES[stopping.monitor].direction,
        )

    def restores_best(self, spec: StudySpec) -> bool:
        """Return whether the best epoch's weights are kept; without early stopping the last's are, as in Keras."""
        return spec.early_stopping.restore_best_weights and self.patience is not None

    def update(self, state: EarlyStoppingState, epoch: int, value: float) -> EarlyStoppingState:
        """The state after an epoch (counted from 0) that ended with this monitored value."""
        if epoch < self.start_from_epoch:
            return state
        if state.best is None or self._improves(value, state.best):
            return EarlyStoppingState(best=value, best_epoch=epoch, wait=0)
        wait = state.wait + 1
        return replace(state, wait=wait, stopped=self.patience is not None and wait >= self.patience and epoch > 0)

    def _improves(self, value: float, best: float) -> bool:
        # Keras compares after the conversion to float32 tensors, as keras.src.callbacks.monitor_callback does.
        if cost_sign(self.direction) == 1:
            return bool(np.float32(value + self.min_delta) < np.float32(best))
        return bool(np.float32(value - self.min_delta) > np.float32(best))
