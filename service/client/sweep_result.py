"""The result of a study on a server, or in this process, as one object."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from service.client.blocking.client import Client
from service.client.data import Data
from service.client.lists import Trials
from service.schemas.comparisons import ComparisonView
from service.schemas.studies import StudyView
from service.schemas.trials import TrialView

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from service.export import ExportFormat
    from studies.analysis.results import Selection
    from studies.predictions import Predictions

_RECOMMENDED = "recommended"


class SweepResult:
    """A study that has ended. Models and predictions are the recommended technique's where techniques were compared."""

    def __init__(self, client: Client, name: str) -> None:
        self.client, self.name = client, name
        self.study: StudyView = client.study(name)
        self.comparison: ComparisonView | None = None if self.study.comparison is None else client.comparison(name)

    @property
    def best(self) -> TrialView:
        """The best trial of the study's own search; of several objectives the first of the Pareto front."""
        return self.client.best(self.name)[0]

    @property
    def answer(self) -> str:
        """The comparison's answer in three lines: what to use, what to expect, how sure that is; empty without one."""
        result = None if self.comparison is None else self.comparison.result
        return "" if result is None else "\n".join(result.recommendation.lines)

    @property
    def selected(self) -> list[str]:
        """The features that the comparison selects; empty where they have no names, or no technique selects any."""
        selection = self._selection()
        return [] if selection is None else list(selection.selected)

    def features(self, technique: str | None = None) -> pd.DataFrame:
        """A row a feature as a pandas frame, the steadiest first; empty where no technique selects features.

        The shares are of the trainings in which the feature is among the largest, and in which a weight of it is not 0.
        """
        import pandas as pd

        selection = self._selection(technique)
        if selection is None:
            return pd.DataFrame(columns=["largest", "nonzero", "selected"])
        frame = pd.DataFrame({"largest": selection.shares, "nonzero": selection.nonzero})
        frame["selected"] = frame.index.isin(selection.selected)
        return frame.sort_values(["largest", "nonzero"], ascending=False)

    def _selection(self, technique: str | None = None) -> Selection | None:
        """What a technique selects, by default the recommended one or else the first that selects features."""
        result = None if self.comparison is None else self.comparison.result
        if result is None:
            return None
        selections = {each.technique: each for each in result.selections}
        recommended = selections.get(result.recommendation.technique)
        return selections.get(technique) if technique else recommended or next(iter(selections.values()), None)

    def trials(self) -> Trials:
        """The trials of the study's own search."""
        return self.client.trials(self.name)

    def best_model(self, technique: str | None = None) -> keras.Model:
        """The trained model, loaded with Keras; it takes inputs as they were prepared for training, see `export`."""
        return self.client.best_model(self.name, technique or self._technique)

    def export(
        self, path: str | PathLike[str], technique: str | None = None, *, file_format: ExportFormat = "zip"
    ) -> Path:
        """Write the model with its preprocessing to a zip, for `regsweep.predict`; return the file's path.

        As "keras", "saved-model" (a zip) or "onnx" it is one model that takes raw rows.
        """
        file = Path(path)
        file.write_bytes(self.client.export(self.name, technique or self._technique, file_format=file_format))
        return file

    def predict(self, rows: Data, technique: str | None = None) -> Predictions:
        """Predict raw rows, which have the columns of X."""
        return self.client.predict(self.name, rows, technique or self._technique)

    def report(self, path: str | PathLike[str] = "report.html") -> Path:
        """Write the report to a file; return the file's path."""
        return self.client.report(self.name).save(path)

    @property
    def _technique(self) -> str | None:
        return _RECOMMENDED if self.answer else None

    def __repr__(self) -> str:
        return f"SweepResult({self.name!r}, {self.study.state})"

    def _repr_html_(self) -> str:
        compared = "" if self.comparison is None else self.comparison._repr_html_()
        return self.study._repr_html_() + compared
