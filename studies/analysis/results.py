"""What a comparison takes and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from studies.objectives import ObjectiveName
from studies.spec.study import StudySpec

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
    """What was found of one candidate: a technique, or a cocktail of their parts."""

    technique: str
    params: Mapping[str, Any] | None  # that were confirmed, the best of its search; None when nothing was
    folds: Mapping[int, Fit]  # of all repeats, by number, the same for every technique
    test: Fit | None  # trained once more, and measured on the test part
    seconds: float | None  # a search trial took from start to end, others beside it
    raced_out: bool = False  # it had surely lost before all folds were trained


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over the folds with its 95 % confidence interval (Nadeau and Bengio)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class TechniqueResult:
    """A row of the table."""

    technique: str  # one that was searched, or a cocktail, named by its parts: "l1+early_stopping"
    parts: Sequence[str]  # what it is made of, of l1, l2, elastic_net, dropout, early_stopping; none of "none"
    params: Mapping[str, Any]  # the best found
    objective: Interval  # on the validation rows of the folds
    folds: Mapping[int, float]  # the same fold by fold, by number
    expected: Interval  # on new rows: mean and 95 % interval of the posterior
    probability_best: float  # that none of the others is better on new rows
    keeps_up: float  # probability that on average over trainings none is better by more than the rope
    regret: float  # by how much it is expected to be worse than the best on new rows, in the objective's unit, ≥ 0
    raced_out: bool  # it had surely lost before all folds were trained
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

    first: str
    second: str
    difference: float  # mean over the folds, in the objective's unit
    low: float  # 95 % confidence interval, not adjusted for the number of pairs
    high: float
    p: float  # corrected resampled t-test
    p_holm: float  # adjusted for the number of pairs
    first_better: float  # posterior probabilities: by more than the region of practical equivalence,
    equivalent: float  # within it,
    second_better: float
    probability: float  # posterior probability that the second is better at all

    @property
    def loser(self) -> str:
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

    technique: str
    selected: Sequence[str]
    shares: Mapping[str, float]  # of the fits in which each feature is among the `most` of the largest norm
    nonzero: Mapping[str, float]  # of the fits in which each feature has a weight that is not 0
    most: int  # features a fit
    threshold: float  # share from which a feature is selected


#: clear: detected after correction; likely: with a probability; practically the same: the simplest then.
Verdict = Literal["clear", "likely", "practically the same"]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one part of the recommended technique is worth: how much worse it is without."""

    part: str  # l1, l2, elastic_net, dropout or early_stopping
    without: str  # the candidate that lacks it
    worth: Interval  # posterior mean and 95 % interval, in the objective's unit; positive: the part helps
    probability: float  # that it helps at all


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The answer in words, and what it rests on."""

    technique: str
    params: Mapping[str, Any]
    verdict: Verdict
    probability: float  # that on average over trainings no candidate is better by more than the rope
    regret: float  # by how much it is expected to be worse than the best, in the objective's unit
    cost: float  # by how much the best is better on average where it is another one, in the objective's unit
    lines: Sequence[str]  # the answer in three lines: what to use, how sure that is, what it brings
    evidence: str  # tests and intervals, below the answer
    warnings: Sequence[str]
    contributions: Sequence[Contribution]  # of each part that was left out for comparison
    selected_features: Sequence[str] | None  # where features have names and a technique selects them

    @property
    def text(self) -> str:
        """The answer as one paragraph."""
        return " ".join(self.lines)


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
    suggested: Mapping[str, Any] = field(default_factory=dict)  # by the sampler, also what has no effect


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
    samples: Mapping[str, Sample]
    comparison: Comparison | None
    version: str = ""  # of the software that found it
    created_at: float | None = None  # when the study was submitted, in seconds since 1970
    ended_at: float | None = None  # when the last of the study and its comparison ended
