"""What a comparison takes and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from studies.objectives import ObjectiveName
from studies.spec import StudySpec, Technique

SIGNIFICANCE = 0.05
CERTAIN = 0.95  # posterior probability


@dataclass(frozen=True, slots=True)
class Fit:
    """One training of a technique's best parameters."""

    metrics: Mapping[str, float | None]
    weights: Mapping[str, float]
    epochs: float
    features: Sequence[int] = ()  # columns with a weight that is not 0, those of the largest norm first


@dataclass(frozen=True, slots=True)
class Fits:
    """What was found of one technique."""

    technique: Technique
    params: Mapping[str, Any] | None  # that were confirmed, the best of its search; None when nothing was
    folds: Mapping[int, Fit]  # of all repeats, by number, the same for every technique
    test: Fit | None  # trained once more, and measured on the test part
    seconds: float | None  # a search trial took from start to end, others beside it


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over the folds with its 95 % confidence interval (Nadeau and Bengio)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class TechniqueResult:
    """A row of the table."""

    technique: Technique
    params: Mapping[str, Any]  # the best found
    objective: Interval  # on the validation rows of the folds
    task_metric: Interval | None  # None where no fold has it
    test_objective: float | None  # on the test part, measured once; None where it is not of a part of the data
    test_task_metric: float | None
    gap: float  # mean of validation loss − training loss
    zero_share: float  # mean share of weights that are exactly 0
    l2_norm: float  # mean of the weights
    epochs: float  # mean
    seconds: float | None
    fits: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A pair of techniques; positive: the first is worse."""

    first: Technique
    second: Technique
    difference: float  # mean over the folds, in the objective's unit
    low: float  # 95 % confidence interval, not adjusted for the number of pairs
    high: float
    p: float  # corrected resampled t-test
    p_holm: float  # adjusted for the number of pairs
    first_better: float  # posterior probabilities: by more than the region of practical equivalence,
    equivalent: float  # within it,
    second_better: float

    @property
    def loser(self) -> Technique:
        """The one whose mean is worse."""
        return self.first if self.difference > 0 else self.second

    @property
    def detected(self) -> bool:
        """Whether the test finds it."""
        return self.p_holm < SIGNIFICANCE

    def distinguishes(self) -> bool:
        """Whether the difference is detected, and not known to be too small to matter."""
        return self.detected and self.equivalent < CERTAIN


@dataclass(frozen=True, slots=True)
class Selection:
    """The features that a technique selects."""

    technique: Technique
    selected: Sequence[str]
    shares: Mapping[str, float]  # of the fits in which each feature is among the `most` of the largest norm
    nonzero: Mapping[str, float]  # of the fits in which each feature has a weight that is not 0
    most: int  # features a fit
    threshold: float  # share from which a feature is selected


Verdict = Literal["better", "no detectable difference", "no difference that matters"]


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The answer in words, and what it rests on."""

    technique: Technique
    params: Mapping[str, Any]
    verdict: Verdict
    text: str
    warnings: Sequence[str]
    selected_features: Sequence[str] | None  # where features have names and a technique selects them


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole result."""

    objective: ObjectiveName
    direction: str
    task_metric: str
    rope: float
    techniques: Sequence[TechniqueResult]
    differences: Sequence[Difference]
    recommendation: Recommendation
    selections: Sequence[Selection]  # of each technique that selects features, where features have names


@dataclass(frozen=True, slots=True)
class Rows:
    """How much data there was."""

    fold: int  # validation rows of a fold
    train: int  # training rows of a fold
    test: int


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial of a search."""

    number: int
    state: str
    values: Sequence[float] | None
    params: Mapping[str, Any]  # effective
    metrics: Mapping[str, float | None]
    weights: Mapping[str, float]
    epochs: int | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One training of a technique's best parameters on the study's own split."""

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
    searched: Mapping[str, Sequence[Trial]]  # of each technique's search
    samples: Mapping[Technique, Sample]
    comparison: Comparison | None
