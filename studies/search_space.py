"""The search space: what each hyperparameter may be, and how Optuna is asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from studies.regularization import REGULARIZERS, Regularization, Regularizer

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Number = TypeVar("Number", int, float)


class Part(BaseModel):
    """A frozen piece of a study description that refuses what it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


class Range(Part, Generic[Number]):
    """Every value from `low` to `high`, both included; `log: true` searches orders of magnitude evenly."""

    low: Number
    high: Number
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}; low must be at most high")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range cannot start at {self.low}; low must be above 0, or log must be false")
        return self


#: How a parameter may be written; the tags are cut from the field names of error messages.
PARAMETER_FORMS = frozenset({"range", "choices", "fixed"})


def _form(value: Any) -> str:
    if isinstance(value, Mapping | Range):
        return "range"
    return "choices" if isinstance(value, list | tuple) else "fixed"


Lambda = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Patience = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
LearningRate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
BatchSize = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


class LambdaRange(Range[Lambda]):
    """Strengths from `low` to `high`, both at least 0."""


class RatioRange(Range[Ratio]):
    """Shares from `low` to `high`, both within 0 and 1."""


class RateRange(Range[Rate]):
    """Rates from `low` to `high`, both at least 0 and below 1."""


class PatienceRange(Range[Patience]):
    """Whole epochs from `low` to `high`, both at least 1."""


class LearningRateRange(Range[LearningRate]):
    """Learning rates from `low` to `high`, both above 0."""


class BatchSizeRange(Range[BatchSize]):
    """Whole rows from `low` to `high`, both at least 1."""


if TYPE_CHECKING:
    Ranged = TypeVar("Ranged")
    Single = TypeVar("Single")
    Parameter: TypeAlias = Ranged | tuple[Single, ...] | Single
else:

    class Parameter:
        """The three forms of a parameter; pydantic does not substitute inside a plain generic alias."""

        def __class_getitem__(cls, form: tuple[Any, Any]) -> Any:
            ranged, number = form
            return Annotated[
                Annotated[ranged, Tag("range")]
                | Annotated[tuple[number, ...], Field(min_length=1), Tag("choices")]
                | Annotated[number, Tag("fixed")],
                Discriminator(_form),
            ]


class SearchSpace(Part):
    """What is searched. Each parameter is a range `{low, high, log}`, a list of choices, or one fixed value."""

    regularizer: Annotated[
        Annotated[tuple[Regularizer, ...], Field(min_length=1), Tag("choices")] | Annotated[Regularizer, Tag("fixed")],
        Discriminator(_form),
    ] = Field(REGULARIZERS, description="Kinds of kernel regularizer to try: none, l1, l2, elastic_net.")
    lambda_: Parameter[LambdaRange, Lambda] = Field(
        LambdaRange(low=1e-6, high=1e-1, log=True),
        alias="lambda",
        description="Strength λ ≥ 0 of the regularizer (no unit): L1 adds λ·Σ|w|, L2 λ·Σw² to the mean data loss.",
    )
    l1_ratio: Parameter[RatioRange, Ratio] = Field(
        RatioRange(low=0.1, high=0.9),
        description="Elastic net's share of λ that goes to L1, from 0 (pure L2) to 1 (pure L1).",
    )
    dropout: Parameter[RateRange, Rate] = Field(
        RateRange(low=0.0, high=0.5),
        description="Share of activations dropped after every hidden layer while training, 0 ≤ rate < 1.",
    )
    patience: Parameter[PatienceRange, Patience] = Field(
        PatienceRange(low=5, high=20),
        description="Early stopping: epochs without improvement before training stops, at least 1.",
    )
    learning_rate: Parameter[LearningRateRange, LearningRate] = Field(
        1e-3, description="The optimizer's step size (no unit), above 0."
    )
    batch_size: Parameter[BatchSizeRange, BatchSize] = Field(32, description="Rows a gradient step, at least 1.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for name, form in self.parameters().items():
            if isinstance(form, tuple) and len(set(form)) < len(form):
                raise ValueError(f"{name}: lists a choice twice; each choice must stand once")
        return self

    def parameters(self) -> dict[str, Any]:
        """Each parameter's form by its name as users write it."""
        return {field.alias or name: getattr(self, name) for name, field in type(self).model_fields.items()}

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The batch sizes a trial may have when they are listed; none when they are a range."""
        form: Any = self.batch_size
        return () if isinstance(form, Range) else form if isinstance(form, tuple) else (form,)

    def searched(self) -> dict[str, Any]:
        """The forms that the sampler chooses from: neither fixed, nor without effect for every kind listed."""
        kinds = {self.regularizer} if isinstance(self.regularizer, str) else set(self.regularizer)
        inert = set[str]()
        if "elastic_net" not in kinds:
            inert.add("l1_ratio")
        if kinds == {"none"}:
            inert.add("lambda")
        return {n: form for n, form in self.parameters().items() if _form(form) != "fixed" and n not in inert}

    def fixed(self) -> dict[str, Any]:
        """The values that are never asked of the sampler; 0 where a parameter has no effect."""
        searched = self.searched()
        values = {name: form for name, form in self.parameters().items() if name not in searched}
        return {name: form if _form(form) == "fixed" else 0.0 for name, form in values.items()}

    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distribution of every parameter that is searched.

        All are suggested in every trial, also λ where the regularizer is none: a parameter that is absent from some
        trials drops out of TPE's joint search space.
        """
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        found: dict[str, BaseDistribution] = {}
        for name, form in self.searched().items():
            if isinstance(form, tuple):
                found[name] = CategoricalDistribution(form)
            elif isinstance(form, Range):
                whole = isinstance(form.low, int)
                found[name] = (IntDistribution if whole else FloatDistribution)(form.low, form.high, log=form.log)
        return found

    def hyperparameters(self, params: Mapping[str, Any]) -> Hyperparameters:
        """The values of one trial, from what the sampler suggested and what is fixed."""
        values = self.fixed() | dict(params)
        return Hyperparameters(
            regularization=Regularization(
                kind=values["regularizer"],
                lambda_=float(values["lambda"]),
                l1_ratio=float(values["l1_ratio"]),
                dropout=float(values["dropout"]),
            ),
            patience=int(values["patience"]),
            learning_rate=float(values["learning_rate"]),
            batch_size=int(values["batch_size"]),
        )


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Everything a trial varies."""

    regularization: Regularization
    patience: int  # epochs
    learning_rate: float
    batch_size: int  # rows

    @classmethod
    def from_effective(cls, params: Mapping[str, Any]) -> Self:
        """The hyperparameters that `effective` names; what has no effect is 0."""
        return cls(
            Regularization(
                kind=params["regularizer"],
                lambda_=params["lambda"] or 0.0,
                l1_ratio=params["l1_ratio"] or 0.0,
                dropout=params["dropout"],
            ),
            patience=params["patience"],
            learning_rate=params["learning_rate"],
            batch_size=params["batch_size"],
        )

    def effective(self) -> dict[str, Any]:
        """The values by name, null where the regularizer gives a value no effect."""
        reg = self.regularization
        return {
            "regularizer": reg.kind,
            "lambda": None if reg.kind == "none" else reg.lambda_,
            "l1_ratio": reg.l1_ratio if reg.kind == "elastic_net" else None,
            "dropout": reg.dropout,
            "patience": self.patience,
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
        }
