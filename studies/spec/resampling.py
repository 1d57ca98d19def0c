"""The split of a dataset's rows into parts and folds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from studies.frozen_model import FrozenModel

SplitStrategy = Literal["auto", "random", "stratified", "group", "time"]


MAX_FOLDS = 100
#: The error of repeated divisions where there is only one.
ONE_DIVISION_BY_TIME = "in the order of time rows are divided in one way only; use 1"


def describe_too_many_folds(folds: int, max_folds: int) -> str:
    """Say that rows cannot be divided into so many folds, and how many would do."""
    return f"the rows beside the test part cannot be divided into {folds} folds; use at most {max_folds}"


def min_test_rows(rows: int) -> int:
    """The fewest of `rows` rows that the test part takes: a fifth."""
    return rows // 5


class Resampling(FrozenModel):
    """The rows that judge a trial; the test part is never among them."""

    kind: Literal["holdout", "kfold", "repeated_kfold", "nested_kfold"] = Field(
        "holdout",
        description="holdout: one validation part; kfold: a trial is trained once a fold and its value is the mean; "
        "repeated_kfold: the same over several random divisions into folds; nested_kfold: as repeated_kfold, and early "
        "stopping watches a fifth of the training rows instead of the fold that judges it.",
    )
    folds: Annotated[int, Field(ge=2, le=MAX_FOLDS, strict=True)] = Field(5, description="Folds of a division.")
    repeats: Annotated[int, Field(ge=1, le=100, strict=True)] = Field(
        5, description="Divisions into folds; for repeated_kfold and nested_kfold."
    )

    split: SplitStrategy = Field(
        "auto",
        description="How rows are divided, into the test part and into folds. random; stratified: each class has its "
        "share of every part; group: no group stands on two sides; time: training rows come before those that judge, "
        "folds grow. auto: as the dataset's `time` or `group` says, else stratified, or random for a regression.",
    )

    @property
    def fits(self) -> int:
        """Trainings of one trial."""
        return {"holdout": 1, "kfold": self.folds}.get(self.kind, self.folds * self.repeats)

    @property
    def nested(self) -> bool:
        """True when what judges a training is not what stops it."""
        return self.kind == "nested_kfold"
