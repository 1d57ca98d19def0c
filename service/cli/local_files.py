"""Files of the user's own machine: datasets that a study file names by their path, and predictions."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service import csv_cells
from service.client.data import format_of_path, name_of_path
from studies.errors import FieldError, InvalidSpecError
from studies.spec.dataset import UploadedDataset
from studies.spec.name import NAME_RULE, is_name, normalize
from studies.spec.study import StudySpec
from studies.spec.table import TableFormat, TableOptions
from studies.study_file import parse

if TYPE_CHECKING:
    from service.client import Client
    from service.schemas.studies import StudyView
    from service.settings import Settings
    from service.storage.datasets import Upload
    from studies.datasets.profile import DatasetProfile
    from studies.predictions import Predictions


def dataset_kind(document: Mapping[str, Any]) -> str | None:
    """The kind of dataset that a study's document names, before it is validated."""
    dataset = document.get("dataset")
    return dataset.get("kind") if isinstance(dataset, Mapping) else None


@dataclass(frozen=True)
class LocalDataset:
    """A file that a study's dataset is, read and profiled on this machine."""

    upload: Upload
    name: str
    format: TableFormat
    options: TableOptions
    profile: DatasetProfile

    @property
    def described(self) -> UploadedDataset:
        """The dataset as a study describes it, before a database has it and says its version."""
        return UploadedDataset(
            kind="uploaded",
            name=self.name,
            digest=self.upload.digest,
            format=self.format,
            options=self.options,
            known=self.profile.facts,
        ).with_columns(self.profile.input_columns)

    def check(self, document: Mapping[str, Any], settings: Settings | None = None) -> StudySpec:
        """Check the study of this dataset before it is kept anywhere, see `submission.check`."""
        from service import submission

        named = {**document, "dataset": {"kind": "uploaded", "name": self.name}}
        return submission.check(named, settings, lambda *_: self.described)


def read_dataset(document: Mapping[str, Any], folder: Path) -> LocalDataset:
    """Read the file that a study's dataset is.

    Raises InvalidSpecError when the file is no dataset as it is described.
    """
    from service import ingestion
    from service.errors import InvalidDatasetError

    file, name, columns = _dataset_file(document, folder)
    file_format = format_of_path(file)
    try:
        options = ingestion.check_options(columns)
        upload = ingestion.local_upload(file)
        return LocalDataset(upload, name, file_format, *ingestion.describe(file, file_format, options))
    except InvalidDatasetError as error:
        raise InvalidSpecError([_of_dataset(error.field, error.reason)]) from error
    except InvalidSpecError as error:
        raise InvalidSpecError([_of_dataset(wrong.field, wrong.message) for wrong in error.errors]) from error


def submit_study(client: Client, document: Mapping[str, Any], folder: Path, project: str | None = None) -> StudyView:
    """Submit a study, with the file that its dataset is, if it is one.

    It is checked here before anything is sent, where what reads files is installed; of an uploaded dataset only the
    server knows enough. When the server refuses it, it does not keep the file either.
    """
    match dataset_kind(document):
        case "file":
            return _submit_with_file(client, document, folder, project)
        case "uploaded":
            return client.submit(document, project=project)
        case _:
            return client.submit(parse(document).model_dump(mode="json"), project=project)


def _submit_with_file(client: Client, document: Mapping[str, Any], folder: Path, project: str | None) -> StudyView:
    from service.client.uploading import uploaded
    from service.errors import NameInUseError

    file, dataset_name, options = _dataset_file(document, folder)
    if find_spec("pyarrow") is not None:  # which regsweep[server] brings, with all that reads files
        local = read_dataset(document, folder)
        local.check(document)
        options = local.options.model_dump(mode="json")
    name = document.get("name")
    if isinstance(name, str) and client.find(name) is not None:
        raise NameInUseError(name)
    with uploaded(client, file, {**options, "name": dataset_name, "project": project}) as dataset:
        return client.submit({**document, "dataset": dataset}, project=project)


def _of_dataset(field: str, message: str) -> FieldError:
    return FieldError("dataset" if field == "file" else f"dataset.{field}".rstrip("."), message)


def _dataset_file(document: Mapping[str, Any], folder: Path) -> tuple[Path, str, dict[str, Any]]:
    """The file of a study's dataset, its name or one made of the file's, and what the study says of its columns.

    Raises InvalidSpecError when a field or the file is missing, or a dataset cannot have the name.
    """
    options = dict(document["dataset"])
    del options["kind"]
    path = options.pop("path", None)
    if not isinstance(path, str):
        raise InvalidSpecError([FieldError("dataset.path", "is missing; it is the path from the study file")])
    if "target" not in options:
        raise InvalidSpecError([FieldError("dataset.target", "is missing; it is the column that is to be predicted")])
    file = folder / path
    if not file.is_file():
        raise InvalidSpecError([FieldError("dataset.path", f"there is no file {file}")])
    name = options.pop("name", None)
    if name is None:
        return file, name_of_path(file), options
    if not isinstance(name, str) or not is_name(normalize(name)):
        raise InvalidSpecError([FieldError("dataset.name", NAME_RULE)])
    return file, normalize(name), options


def write_predictions(predictions: Predictions, output: Path, *, escape_formulas: bool = False) -> None:
    """Write a CSV, or JSON, with a row for each raw row: its id, the prediction, and the probability of each class.

    `escape_formulas` keeps spreadsheets from running texts of a CSV.
    """
    names = [f"p_{name}" for name in predictions.class_names]
    if output.suffix.lower() == ".json":
        rows = [
            {**row, "probabilities": dict(zip(predictions.class_names, shares, strict=True))} if shares else row
            for row, shares in _rows(predictions)
        ]
        classes = {"class_type": predictions.class_type} if predictions.class_names else {}
        written = {"predictions": rows, **classes, "unfamiliar": _unfamiliar(predictions)}
        output.write_text(json.dumps(written), encoding="utf-8")
        return
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        escape = csv_cells.escape_formulas if escape_formulas else list
        writer.writerow(escape([*([] if predictions.ids is None else ["id"]), "prediction", *names]))
        for row, shares in _rows(predictions):
            writer.writerow(escape([*row.values(), *shares]))


def write_unfamiliar(predictions: Predictions, output: Path) -> None:
    """Write what training never saw as JSON."""
    output.write_text(json.dumps(_unfamiliar(predictions)), encoding="utf-8")


def _rows(predictions: Predictions) -> Iterator[tuple[dict[str, Any], list[float]]]:
    """Pair each row with the probabilities of its classes."""
    shares = None if predictions.probabilities is None else predictions.probabilities.tolist()
    for index, value in enumerate(predictions.predicted.tolist()):
        row = {"prediction": value} if predictions.ids is None else {"id": predictions.ids[index], "prediction": value}
        yield row, [] if shares is None else shares[index]


def _unfamiliar(predictions: Predictions) -> list[dict[str, Any]]:
    return [{**one.model_dump(mode="json"), "text": one.text} for one in predictions.unfamiliar]
