"""Seeded splits into training, validation and test rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.datasets.catalog import Dataset
from studies.errors import DatasetError

VALIDATION_SHARE = 0.2
TEST_SHARE = 0.2

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Row numbers of the three parts; together every row once."""

    train: Rows
    validation: Rows
    test: Rows


def split(dataset: Dataset, seed: int) -> Split:
    """60 % of the rows to train on, 20 % to judge trials by, 20 % that no search sees; stratified by class.

    Raises DatasetError when a class has too few rows to stand in every part.
    """
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(dataset.y))
    classes: npt.NDArray[Any] | None = None if dataset.task == "regression" else dataset.y
    try:
        rest, test = train_test_split(rows, test_size=TEST_SHARE, random_state=seed, stratify=classes)
        train, validation = train_test_split(
            rest,
            test_size=VALIDATION_SHARE / (1 - TEST_SHARE),
            random_state=seed,
            stratify=None if classes is None else classes[rest],
        )
    except ValueError as error:
        raise DatasetError(f"the rows cannot be split: {error}") from error
    if classes is not None:
        present = {len(np.unique(classes[part])) for part in (rows, train, validation, test)}
        if len(present) > 1:
            raise DatasetError("the rows cannot be split: a class has too few rows to stand in every part")
    return Split(np.sort(train), np.sort(validation), np.sort(test))
