"""The comparison of a study's techniques."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, StrictBool, model_validator

from studies.frozen_model import AtMost, FrozenModel, IsNumber

Technique = Literal["none", "l1", "l2", "elastic_net", "dropout", "early_stopping", "combined"]
TECHNIQUES: tuple[Technique, ...] = get_args(Technique)
Delivery = Literal["refit", "folds", "split"]
#: All rows are divided for a delivered mean, this often; into fewer folds where there are few groups or rows.
DELIVERY_FOLDS, DELIVERY_REPEATS = 10, 2
#: Models that a delivery trains, at most.
MAX_DELIVERED: dict[Delivery, int] = {"folds": DELIVERY_FOLDS * DELIVERY_REPEATS, "refit": 1, "split": 0}


class ComparisonSpec(FrozenModel):
    """Techniques searched one by one, confirmed on many folds, and compared."""

    techniques: (
        Annotated[
            tuple[Technique, ...],
            Field(min_length=2, json_schema_extra={"uniqueItems": True}),
            AtMost(len(TECHNIQUES)),
        ]
        | None
    ) = Field(
        None, description="What is compared, by default all that `space` does not exclude; combined is the whole of it."
    )
    trials_per_technique: Annotated[int, Field(ge=1, le=10_000, strict=True)] = Field(
        30, description="Trials that each technique is searched with."
    )
    repeats: Annotated[int, Field(ge=1, le=100, strict=True)] = Field(
        5, description="Random divisions into folds on which each technique's best parameters are confirmed."
    )
    folds: Annotated[int, Field(ge=2, le=20, strict=True)] = Field(5, description="Folds of each division.")
    cocktails: StrictBool = Field(
        True,
        description="Whether mixtures are confirmed beside the techniques: everything combined with a part left out, "
        "the best technique with a part added.",
    )
    racing: StrictBool = Field(
        True, description="Whether what has surely lost is given no more folds; false trains every candidate on all."
    )
    deliver: Delivery = Field(
        "folds",
        description="The model of the recommended technique that people take away. folds: the mean of models trained "
        "on the folds, in one Keras model; refit: one trained on all rows, for as many epochs as on the folds; split: "
        "the one that is trained on the study's own split, as of every candidate.",
    )
    rope: Annotated[float, Field(gt=0, allow_inf_nan=False), IsNumber] | None = Field(
        None,
        description="Region of practical equivalence: a difference of the first objective up to this much does not "
        "matter; 0.01 when left out, for val_mae, epochs and nonzero_weights a hundredth of the best mean.",
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.techniques is not None and len(set(self.techniques)) < len(self.techniques):
            raise ValueError("techniques: lists a technique twice; each must stand once")
        return self
