"""What a study gives: report, model, export, snippet, predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.client.answers import fill, query, warn_of_model
from service.client.blocking.transport import Transport
from service.client.data import Data
from service.client.keras_models import load_model
from service.client.predicted import read_predictions
from service.client.report_page import ReportPage

if TYPE_CHECKING:
    import keras

    from service.export import ExportFormat
    from studies.predictions import Predictions


class ResultCalls(Transport):
    """What can be taken away from a study.

    Of each the best trial's is given, a trial's by its number, or that of a technique of the study's comparison, as
    "l1" or "recommended".
    """

    def report(self, name: str) -> ReportPage:
        """A study's report, an HTML page."""
        return ReportPage(self._read_text(fill("/v1/studies/{name}/report", name=name)))

    def report_data(self, name: str) -> dict[str, Any]:
        """The report as data."""
        path = fill("/v1/studies/{name}/report", name=name)
        return dict(self._read_json(path, params={"format": "json"}))

    def model(self, name: str, technique: str | None = None, *, trial: int | None = None) -> bytes:
        """A trained model, the bytes of a .keras file."""
        return self._of_model(name, "model", technique, trial)

    def best_model(self, name: str, technique: str | None = None, *, trial: int | None = None) -> keras.Model:
        """A trained model, loaded with Keras; it takes inputs as they were prepared for training.

        Raises ExtraMissingError where Keras is not installed.
        """
        return load_model(self.model(name, technique, trial=trial))

    def export(
        self,
        name: str,
        technique: str | None = None,
        *,
        trial: int | None = None,
        file_format: ExportFormat = "zip",
    ) -> bytes:
        """A model with its preprocessing: the bytes of a zip, which `regsweep.predict` takes.

        As "keras", "saved-model" or "onnx" it is one model that takes raw rows and needs nothing of regsweep: the bytes
        of a file, or of a SavedModel's folder a zip. Warns of each column whose texts it matches less well than the
        zip.
        """
        return self._of_model(name, "export", technique, trial, format=file_format)

    def snippet(self, name: str, technique: str | None = None, *, trial: int | None = None) -> str:
        """Keras code that rebuilds and trains a model."""
        path = fill("/v1/studies/{name}/snippet", name=name)
        return self._read_text(path, params=query(technique=technique, trial=trial))

    def predict(
        self,
        name: str,
        rows: Data,
        technique: str | None = None,
        *,
        trial: int | None = None,
        id_column: str | None = None,
        strict: bool = False,
        encoding: str | None = None,
        sheet: str | None = None,
    ) -> Predictions:
        """Predict raw rows with a study's model on the server; `id_column` is carried through.

        Raises ServiceError when a row is not as the model needs it or, if `strict`, holds what training never saw.
        """
        path = fill("/v1/studies/{name}/predict", name=name)
        options = query(trial=trial, technique=technique, id=id_column, encoding=encoding, sheet=sheet)
        answer = self._upload(path, rows, {**options, "strict": strict})
        return read_predictions(answer.content)

    def _of_model(self, name: str, what: str, technique: str | None, trial: int | None, **options: str) -> bytes:
        if technique is None:
            path = fill("/v1/studies/{name}/{what}", name=name, what=what)
        elif trial is not None:
            raise ValueError("name a trial or a technique, not both")
        else:
            path = fill("/v1/studies/{name}/comparison/{what}", name=name, what=what)
        answer = self._send("GET", path, params=query(trial=trial, technique=technique, **options))
        warn_of_model(answer)
        return answer.content
