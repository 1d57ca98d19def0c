"""The findings of a study and its comparison, from which its report is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from studies.analysis.results import Comparison
from studies.datasets.summary import DataSummary
from studies.spec.study import StudySpec


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial of a search."""

    number: int
    state: str  # in Optuna's words
    values: Sequence[float] | None
    params: Mapping[str, Any]  # effective
    metrics: Mapping[str, float | None]
    weights: Mapping[str, float]
    epochs: int | None
    suggested: Mapping[str, Any] = field(default_factory=dict)  # by the sampler, also params without effect


@dataclass(frozen=True, slots=True)
class Sample:
    """One training of a technique's best params on the study's own split."""

    curve: Mapping[str, Sequence[float | None]]
    histogram: Mapping[str, Any]  # see training.weights
    best_epoch: int  # counted from 1
    stopped_early: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a report shows."""

    spec: StudySpec
    state: str
    comparison_state: str | None
    trials: Sequence[Trial]  # of the study's own search, by number
    searched: Mapping[str, Sequence[Trial]]  # by technique, of its search
    samples: Mapping[str, Sample]  # by candidate
    comparison: Comparison | None
    data: DataSummary | None = None  # how the user's own data was read
    best_repeats: Sequence[float] = ()  # the value of the best trial's params under other seeds
    version: str = ""  # of the software that ran the study
    created_at: float | None = None  # when the study was submitted, in seconds since 1970
    ended_at: float | None = None  # when the last of the study and its comparison ended
