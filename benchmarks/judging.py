"""Judges an exported model by rows of a real table that nothing has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks.tables import TABLES, frame, write_csv
from studies.objectives import Task
from studies.prediction import predict
from studies.predictions import Predictions

_LEAST = 1e-7  # probability, as Keras' losses clip it
_RAREST = 15  # rows of a class among those that are shown


@dataclass(frozen=True)
class Judge:
    """One table, divided for one seed."""

    table: str
    seed: int
    target: str
    task: Task
    shown: Path  # the rows that go in
    unseen: Path  # those that judge
    truth: Sequence[Any]  # of the rows that judge
    variance: float  # of a regression's target among the rows that go in

    @property
    def name(self) -> str:
        """The name of the dataset and of the study."""
        return f"{self.table}-{self.seed}"

    @classmethod
    def of(cls, table: str, seed: int, shown: int, most: int, folder: Path) -> Self:
        """Divide a table; rows that judge are of classes, lack values in columns, and have texts where the shown do."""
        source, rows = TABLES[table], frame(table)
        order = np.random.default_rng([seed, len(rows)]).permutation(len(rows))
        first, rest = order[:shown].tolist(), order[shown : shown + most].tolist()
        if source.task != "regression":
            counts = rows.iloc[first][source.target].value_counts()
            frequent = set(counts[counts >= _RAREST].index)
            first, rest = ([i for i in part if rows[source.target].iloc[i] in frequent] for part in (first, rest))
        full = [column for column in rows.columns if rows.iloc[first][column].notna().all()]
        readable = rows.iloc[rest][full].notna().all(axis=1)
        for column in rows.columns:
            readable &= _of_a_kind(rows[column].iloc[first], rows[column].iloc[rest])
        rest = [i for i, known in zip(rest, readable, strict=True) if known]
        files = folder / f"{table}-{seed}.csv", folder / f"{table}-{seed}-unseen.csv"
        write_csv(rows, first, files[0])
        write_csv(rows, rest, files[1])
        truth = rows[source.target].iloc[rest].tolist()
        variance = float(rows[source.target].iloc[first].var(ddof=0)) if source.task == "regression" else 1.0
        return cls(table, seed, source.target, source.task, *files, truth, variance)


def divides(table: str, seed: int, shown: int) -> bool:
    """Return whether the rows that go in hold enough of two classes; true of a regression."""
    source, rows = TABLES[table], frame(table)
    first = np.random.default_rng([seed, len(rows)]).permutation(len(rows))[:shown]
    counts = rows.iloc[first][source.target].value_counts()
    return source.task == "regression" or int((counts >= _RAREST).sum()) > 1


def _of_a_kind(shown: Any, unseen: Any) -> Any:
    """Mark the unseen values that are numbers; all of them where the shown values are not."""
    import pandas as pd

    def known(values: Any) -> Any:
        return pd.to_numeric(values, errors="coerce").notna() | values.isna()

    return known(unseen) if known(shown).all() else unseen.notna() | True


def judged(judge: Judge, bundle: bytes) -> float:
    """The loss of an exported model on the rows that judge."""
    file = judge.shown.with_suffix(".zip")
    file.write_bytes(bundle)
    return loss(judge, predict(file, judge.unseen, "csv"))


def loss(judge: Judge, predictions: Predictions) -> float:
    """Mean log loss, or the mean squared error over the target's variance."""
    if predictions.probabilities is None:
        errors = np.asarray(predictions.predicted, np.float64) - np.asarray(judge.truth, np.float64)
        return float(np.mean(errors**2) / judge.variance)
    place = {name: index for index, name in enumerate(predictions.class_names)}
    columns = [place[str(label)] for label in judge.truth]
    chosen = np.asarray(predictions.probabilities, np.float64)[np.arange(len(columns)), columns]
    return float(-np.mean(np.log(np.clip(chosen, _LEAST, 1))))
