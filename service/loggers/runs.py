"""A study and its trials as trackers keep them, and what of a trial a tracker has not got yet."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from time import time
from typing import NamedTuple

from service.storage.states import OPEN_TRIAL, TrialState

#: Begins the names of metrics of the weights that a training kept, beside the metrics of its epochs.
KEPT = "kept/"
Points = dict[str, dict[int, float]]  # the values of each metric by epoch


class Point(NamedTuple):
    """The value of a metric at an epoch."""

    metric: str
    epoch: int
    value: float


@dataclass(frozen=True, slots=True)
class TrialRun:
    """A trial as a run of a tracker."""

    key: str  # the same at every export, so that a tracker knows the run again
    name: str
    group: str  # "search", "confirmation", or the technique that is searched
    number: int
    state: TrialState
    params: Mapping[str, str | float | int]
    curve: Mapping[str, Sequence[float | None]]  # a column a metric, and `epoch`
    metrics: Mapping[str, float]  # of the kept weights, and the values of the objectives
    best_epoch: int
    tags: Mapping[str, str]
    started_at: datetime
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """True when nothing is added any more, unless somebody marks it invalid."""
        return self.state not in OPEN_TRIAL

    @property
    def digest(self) -> str:
        """A hash of all that is logged of it."""
        return _digest(asdict(self))

    def points(self) -> Iterator[Point]:
        """The values of its epochs that are defined, epoch by epoch."""
        epochs = self.curve.get("epoch", ())
        for index, epoch in enumerate(epochs):
            for metric, column in self.curve.items():
                value = column[index]
                if metric != "epoch" and value is not None and epoch is not None:
                    yield Point(metric, int(epoch), value)

    def missing(self, logged: Points) -> list[Point] | None:
        """The points that are not logged yet; None where one that is logged has another value.

        Then another attempt has trained the trial from its beginning, and the run must be written anew.
        """
        points = {(point.metric, point.epoch): point.value for point in self.points()}
        for metric, values in logged.items():
            for epoch, value in values.items():
                if not math.isclose(points.get((metric, epoch), value), value, rel_tol=1e-6, abs_tol=1e-12):
                    return None
        return [point for point in self.points() if point.epoch not in logged.get(point.metric, {})]

    def instants(self) -> dict[int, float]:
        """When each epoch ended, in seconds since 1970: spread evenly from the start to the end, or to now."""
        start = self.started_at.timestamp()
        end = time() if self.ended_at is None else self.ended_at.timestamp()
        epochs = [int(epoch) for epoch in self.curve.get("epoch", ()) if epoch is not None]
        last = max(epochs, default=1)
        return {epoch: start + max(0.0, end - start) * epoch / last for epoch in epochs}


@dataclass(frozen=True, slots=True)
class StudyRun:
    """A study as the run that its trials' runs belong to."""

    key: str
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str | float | int]
    spec: Mapping[str, object] = field(repr=False)
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Model:
    """The best model, or the one that a comparison recommends."""

    keras: bytes = field(repr=False)  # a .keras file
    bundle: bytes | None = field(repr=False)  # with its preprocessing, where there is one
    title: str
    outputs: int  # of its last layer

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return sha256(self.keras).hexdigest()


@dataclass(frozen=True, slots=True)
class StudyResult:
    """What a study that has ended led to."""

    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    answer: str  # the comparison's answer in its own sentences; empty without one
    report: str = field(repr=False)  # an HTML page
    model: Model | None

    @property
    def digest(self) -> str:
        """A hash of all that is logged of it; the report is drawn from the same."""
        model = None if self.model is None else self.model.digest
        return _digest({"tags": self.tags, "metrics": self.metrics, "answer": self.answer, "model": model})


def _digest(document: Mapping[str, object]) -> str:
    return sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()[:32]
