"""Files of the user's own machine: datasets that a study file names by their path, and predictions."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.api.uploads import local
from service.errors import InvalidDatasetError
from service.storage.datasets import DatasetStore
from studies.errors import FieldError, InvalidSpecError
from studies.spec.table import TableFormat
from studies.study_file import parse

if TYPE_CHECKING:
    from service.client import Client
    from service.schemas import StudyView
    from studies.prediction import Predictions

_FORMATS: Mapping[str, TableFormat] = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".npz": "npz"}


def format_of(file: Path) -> TableFormat:
    """The format of a file by its name."""
    found = _FORMATS.get(file.suffix.lower())
    if found is None:
        raise InvalidSpecError([FieldError("", f"{file} must end in one of {', '.join(_FORMATS)}")])
    return found


def dataset_kind(document: Mapping[str, Any]) -> str | None:
    """The kind of a study's dataset, as it stands there."""
    dataset = document.get("dataset")
    return dataset.get("kind") if isinstance(dataset, Mapping) else None


def uploaded(client: Client, document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A study whose dataset was a file, which is now on a server; any other is checked as far as it can be here."""
    kind = dataset_kind(document)
    if kind not in ("file", "uploaded"):
        parse(document)
    if kind != "file":
        return dict(document)
    file, asked = _asked(document, folder)
    added = client.add_dataset(file, asked | {"format": format_of(file)})
    return {**document, "dataset": {"kind": "uploaded", "name": added.name}}


def submit(client: Client, document: Mapping[str, Any]) -> StudyView:
    """Submit a study whose dataset is no file; what a server says of a dataset that is uploaded only it knows."""
    if dataset_kind(document) == "uploaded":
        return client.submit(document)
    return client.submit(parse(document).model_dump(mode="json"))


def kept(datasets: DatasetStore, document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A study whose dataset was a file, which is now among the datasets here."""
    from service.api.routes.datasets import described, keep

    file, asked = _asked(document, folder)
    name = asked.pop("name")
    try:
        with local(file) as upload:
            record, _ = keep(datasets, upload, name, format_of(file), described(asked))
    except InvalidDatasetError as error:
        raise InvalidSpecError([FieldError(f"dataset.{error.field}".rstrip("."), str(error))]) from error
    return {**document, "dataset": {"kind": "uploaded", "name": record.name}}


def _asked(document: Mapping[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    asked = dict(document["dataset"])
    del asked["kind"]
    path = asked.pop("path", None)
    if not isinstance(path, str):
        raise InvalidSpecError([FieldError("dataset.path", "is missing; it is the path from the study file")])
    if "target" not in asked:
        raise InvalidSpecError([FieldError("dataset.target", "is missing; it is the column that is to be predicted")])
    file = folder / path
    if not file.is_file():
        raise InvalidSpecError([FieldError("dataset.path", f"there is no file {file}")])
    asked.setdefault("name", file.stem)
    return file, asked


def write_predictions(found: Predictions, output: Path) -> None:
    """A CSV of a row for each raw row: the prediction, and the probability of each class."""
    shares = [] if found.probabilities is None else found.probabilities.tolist()
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prediction", *(f"p_{name}" for name in found.class_names)])
        for index, value in enumerate(found.predicted.tolist()):
            writer.writerow([value, *(shares[index] if shares else ())])
