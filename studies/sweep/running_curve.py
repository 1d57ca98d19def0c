"""The learning curve of a running trial, for those who watch it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from studies.training.result import Curve

_MAX_POINTS = 256  # so that a training of many epochs costs no more to show


@dataclass
class RunningCurve:
    """The values of one metric at a trial's epochs so far, evenly thinned out where they are many."""

    _epochs: list[int] = field(default_factory=list)
    _values: list[float] = field(default_factory=list)
    _stride: int = 1

    def add(self, epoch: int, value: float) -> None:
        """Add the value of an epoch, counted from 1; a training that began anew replaces what follows."""
        while self._epochs and self._epochs[-1] >= epoch:
            self._epochs.pop()
            self._values.pop()
        if (epoch - 1) % self._stride == 0:
            self._epochs.append(epoch)
            self._values.append(float(value))
        if len(self._epochs) > _MAX_POINTS:
            self._epochs, self._values, self._stride = self._epochs[::2], self._values[::2], 2 * self._stride

    def extend(self, values: Iterable[float]) -> None:
        """Add the values of the epochs from the first on."""
        for epoch, value in enumerate(values, start=1):
            self.add(epoch, value)

    def columns(self, metric: str) -> Curve:
        """The curve as it is recorded, with the metric's name."""
        return {"epoch": [float(epoch) for epoch in self._epochs], metric: list(self._values)}
