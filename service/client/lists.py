"""Lists of studies and of trials, which become frames and tables of a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from pydantic import BaseModel

from service.schemas.notebook import table
from service.schemas.studies import StudyView
from service.schemas.trials import TrialView
from studies.analysis.labels import number

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Item = TypeVar("Item", bound=BaseModel)
_SHOWN = 20


class ViewList(Sequence[Item]):
    """A list that cannot be changed."""

    def __init__(self, items: Sequence[Item] = ()) -> None:
        self._items = tuple(items)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        return self._items[index] if isinstance(index, int) else type(self)(self._items[index])

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)})"


class Studies(ViewList[StudyView]):
    """Studies."""

    def _repr_html_(self) -> str:
        rows = [
            (study.name, study.state, f"{study.overall.done}/{study.overall.trials}", _best(study)) for study in self
        ]
        return table(("study", "state", "trials", "best"), rows[:_SHOWN], _more(len(self)))


class Trials(ViewList[TrialView]):
    """Trials of a study."""

    def rows(self) -> list[dict[str, Any]]:
        """A row a trial, flat: params, metrics and weights each have a column, as `params_lambda`; None where unset."""
        rows = [_flat(trial) for trial in self]
        columns = dict.fromkeys(column for row in rows for column in row)
        return [{column: row.get(column) for column in columns} for row in rows]

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a pandas frame."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def to_polars(self) -> pl.DataFrame:
        """The rows as a polars frame."""
        import polars as pl

        return pl.DataFrame(self.rows(), infer_schema_length=None, strict=False)

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for trial in self for name, value in trial.params.items() if value is not None))
        rows = [
            (str(trial.number), trial.state, number(trial.value), *(number(trial.params.get(name)) for name in names))
            for trial in self[:_SHOWN]
        ]
        return table(("trial", "state", "value", *names), rows, _more(len(self)))


def _flat(trial: TrialView) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for field, value in trial:
        if isinstance(value, dict):
            row |= {f"{field}_{name}": inner for name, inner in value.items()}
        elif field == "state":
            row[field] = str(value)
        elif not isinstance(value, list):  # the values of all objectives stand among the metrics
            row[field] = value
    return row


def _best(study: StudyView) -> str:
    return "" if study.best is None else number(study.best.value)


def _more(count: int) -> str:
    return f"{count - _SHOWN} more" if count > _SHOWN else ""
