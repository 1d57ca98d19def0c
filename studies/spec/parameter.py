"""The notations of a searched parameter: a range, a list of choices, or one fixed value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Generic, Self, TypeAlias, TypeVar

from pydantic import BeforeValidator, Discriminator, Field, StrictBool, Tag, ValidationInfo, model_validator

from studies.frozen_model import AtMost, FrozenModel, IsNumber
from studies.regularization import REGULARIZERS, Regularizer

Number = TypeVar("Number", int, float)


class Range(FrozenModel, Generic[Number]):
    """Every value from `low` to `high`, both included; `log: true` searches orders of magnitude evenly."""

    low: Number
    high: Number
    log: StrictBool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}; low must be at most high")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range cannot start at {self.low}; low must be above 0, or log must be false")
        return self


#: Choices of one parameter, at most; a range is the notation for more.
MAX_CHOICES = 1000


def _check_few(choices: Any, info: ValidationInfo) -> Any:
    """Refuse long lists before their items are read; studies of an earlier version may have them."""
    if isinstance(choices, list | tuple) and len(choices) > MAX_CHOICES and not (info.context or {}).get("stored"):
        raise ValueError(f"lists {len(choices):,} choices; list at most {MAX_CHOICES:,}, or give a range")
    return choices


#: The notations of a parameter; they are cut from the field names of error messages.
NOTATIONS = frozenset({"range", "choices", "fixed"})


def notation_of(value: Any) -> str:
    """The notation that a parameter is written in."""
    if isinstance(value, Mapping | Range):
        return "range"
    return "choices" if isinstance(value, list | tuple) else "fixed"


def greatest(parameter: Any) -> float:
    """The upper end of a range, the greatest choice, or the fixed value."""
    if isinstance(parameter, Range):
        return float(parameter.high)
    return float(max(parameter)) if isinstance(parameter, tuple) else float(parameter)


Lambda = Annotated[float, Field(ge=0, allow_inf_nan=False), IsNumber]
Ratio = Annotated[float, Field(ge=0, le=1), IsNumber]
Rate = Annotated[float, Field(ge=0, lt=1), IsNumber]
Patience = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
LearningRate = Annotated[float, Field(gt=0, allow_inf_nan=False), IsNumber]
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
        """A parameter in any of the three notations; pydantic does not substitute inside a plain generic alias."""

        def __class_getitem__(cls, arguments: tuple[Any, Any]) -> Any:
            ranged, number = arguments
            return Annotated[
                Annotated[ranged, Tag("range")]
                | Annotated[
                    tuple[number, ...],
                    Field(min_length=1, fail_fast=True, json_schema_extra={"maxItems": MAX_CHOICES}),
                    BeforeValidator(_check_few),
                    Tag("choices"),
                ]
                | Annotated[number, Tag("fixed")],
                Discriminator(notation_of),
            ]


_MAX_KINDS = len(REGULARIZERS)
#: Kinds of regularizer: some to choose from, or one.
Kinds = Annotated[
    Annotated[tuple[Regularizer, ...], Field(min_length=1), AtMost(_MAX_KINDS), Tag("choices")]
    | Annotated[Regularizer, Tag("fixed")],
    Discriminator(notation_of),
]
