"""The result of a comparison, in the shape in which the API and the report show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from studies.analysis.candidates import Part
from studies.objectives import Direction, Objective, ObjectiveName

#: How sure a recommendation is.
Verdict = Literal[
    "clear",  # every simpler candidate is detectably worse
    "likely",  # better with the probability that is said
    "practically the same",  # the simplest, for nothing is probably better by more than the rope
]
SIGNIFICANCE = 0.05
CERTAIN = 0.95  # posterior probability


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval; bounds that would leave the metric's range are put on its end."""

    mean: float
    low: float
    high: float

    def within(self, quantity: Objective) -> Interval:
        """The same within the range of a quantity."""
        return Interval(*map(quantity.clip, (self.mean, self.low, self.high)))


@dataclass(frozen=True, slots=True)
class TechniqueResult:
    """One candidate's row in the table of a comparison."""

    technique: str  # a technique, or a cocktail named by its parts: "l1+early_stopping"
    parts: Sequence[Part]
    params: Mapping[str, Any]  # the best of its search
    objective: Interval  # on the validation rows of the folds, by Nadeau and Bengio
    folds: Mapping[int, float]  # the objective by fold number
    expected: Interval  # on new rows: mean and 95 % interval of the posterior
    probability_best: float  # that no other candidate is better on new rows
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
    seconds: Annotated[
        float | None,
        Field(
            description="Mean wall time of a trial of its search, from its claim to its end: with compiling, all its "
            "folds, and other trials beside it. Null for a cocktail, which is not searched."
        ),
    ]
    training_seconds: Annotated[
        float | None,
        Field(
            description="Mean time of one training on a fold, without compiling; where several are trained at once, "
            "its share. Null where it was not measured."
        ),
    ]
    fits: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A pair of candidates: the first minus the second."""

    first: str
    second: str
    better: Annotated[
        str | None, Field(description="The one with the better mean over the folds; null where they are equal.")
    ]
    difference: Annotated[
        float,
        Field(
            description="Mean over the folds of the first's value minus the second's, in the objective's unit. Above 0 "
            "the first is worse where the objective is minimised, and better where it is maximised: see `better`."
        ),
    ]
    low: Annotated[float, Field(description="95 % confidence interval, not adjusted for the number of pairs.")]
    high: float
    p: Annotated[float, Field(description="Of the corrected resampled t-test.")]
    p_holm: Annotated[float, Field(description="Adjusted for the number of pairs by Holm's method.")]
    first_better: Annotated[
        float, Field(description="Probability on new rows that the first is better by more than the rope.")
    ]
    equivalent: Annotated[float, Field(description="Probability that neither is better by more than the rope.")]
    second_better: Annotated[float, Field(description="Probability that the second is better by more than the rope.")]
    probability: Annotated[float, Field(description="Probability that the second is better at all.")]

    @property
    def loser(self) -> str:
        """The candidate with the worse mean."""
        return self.first if self.better == self.second else self.second

    @property
    def detected(self) -> bool:
        """True when the test finds a difference after Holm's correction."""
        return self.p_holm < SIGNIFICANCE

    @property
    def matters(self) -> bool:
        """True when the difference is detected, and not known to be too small to matter."""
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


@dataclass(frozen=True, slots=True)
class Contribution:
    """The worth of one part of the recommended candidate: how much worse it is without."""

    part: Part
    without: str  # the candidate that lacks it
    worth: Interval  # posterior mean and 95 % interval, in the objective's unit; positive: the part helps
    probability: float  # that it helps at all


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The answer in words, and the figures it rests on."""

    technique: str
    params: Mapping[str, Any]
    verdict: Verdict
    probability: float  # that on average over trainings no candidate is better by more than the rope
    regret: float  # by how much it is expected to be worse than the best, in the objective's unit
    cost: float  # by how much the best is better on average where it is another one, in the objective's unit
    lines: Sequence[str]  # the answer in three lines: what to use, what to expect, how sure that is
    evidence: str  # tests and intervals, below the answer
    warnings: Sequence[str]
    contributions: Sequence[Contribution]  # of each part that was left out for comparison
    selected_features: Sequence[str] | None  # where features have names and a technique selects them


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a comparison."""

    objective: ObjectiveName
    direction: Direction
    task_metric: str
    rope: float  # region of practical equivalence: a difference up to this does not matter
    techniques: Sequence[TechniqueResult]
    differences: Sequence[Difference]
    recommendation: Recommendation
    selections: Sequence[Selection]  # of each technique that selects features, where features have names

    @property
    def ranked(self) -> list[TechniqueResult]:
        """The candidates by expected regret, the best first."""
        return sorted(self.techniques, key=lambda row: row.regret)
