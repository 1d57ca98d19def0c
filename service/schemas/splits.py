"""The rows of a study's parts and folds."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from studies.spec.resampling import SplitStrategy

#: Rows of the dataset, counted from 0.
Rows = Annotated[list[int], Field(description="Rows of the dataset, counted from 0, ascending.")]


class FoldView(BaseModel):
    """The rows of one fold."""

    train: Rows
    stopping: list[int] | None = Field(
        None, description="Of a nested resampling: the rows that early stopping watches; the metrics `stopping_…`."
    )
    validation: Rows


class SplitView(BaseModel):
    """How a study divides the rows of its dataset."""

    rows: int = Field(description="Rows of the dataset.")
    seed: int
    strategy: SplitStrategy = Field(description="Of resampling.split; what auto stands for.")
    file_rows: list[int] | None = Field(
        description="The file's row of each row of the dataset, counted from 0 behind the header; null where every row "
        "of the file is in the dataset, in its order."
    )
    train: Rows
    validation: Rows
    test: Rows
    folds: list[FoldView] = Field(
        description="In the order of a trial's trainings; empty where it is trained on `train` and judged by "
        "`validation`. None has a row of `test`."
    )
