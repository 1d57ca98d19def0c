"""Files of the user's own machine: datasets that a study file names by their path, and predictions."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.errors import FieldError, InvalidSpecError
from studies.spec.table import TableFormat
from studies.study_file import parse

if TYPE_CHECKING:
    from service.client import Client
    from service.storage.datasets import DatasetStore
    from studies.prediction import Predictions

_FORMATS: Mapping[str, TableFormat] = {
    ".csv": "csv", ".txt": "csv", ".tsv": "tsv", ".xlsx": "xlsx", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".feather": "feather", ".arrow": "feather", ".npz": "npz",
}  # fmt: skip


def format_of_file(file: Path) -> TableFormat:
    """The format of a file by its name; `.gz` may stand behind it.

    Raises InvalidSpecError when the name's ending is not known.
    """
    file_format = _FORMATS.get(_expanded(file).suffix.lower())
    if file_format is None:
        raise InvalidSpecError([FieldError("", f"{file} must end in one of {', '.join(_FORMATS)}")])
    return file_format


def name_of_file(file: Path) -> str:
    """The name of a dataset that is given none: its file's, without the endings."""
    return _expanded(file).stem


def _expanded(file: Path) -> Path:
    return file.with_suffix("") if file.suffix.lower() == ".gz" else file


def dataset_kind(document: Mapping[str, Any]) -> str | None:
    """The kind of dataset that a study's document names, before it is validated."""
    dataset = document.get("dataset")
    return dataset.get("kind") if isinstance(dataset, Mapping) else None


def prepare_submission(client: Client, document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Upload the file that a study's dataset is, if it is one; return the study as it can be submitted.

    A study of a bundled or synthetic dataset is validated here; of an uploaded dataset only the server knows enough.
    """
    match dataset_kind(document):
        case "file":
            file, options = _dataset_file(document, folder)
            dataset = client.add_dataset(file, options | {"format": format_of_file(file)})
            return {**document, "dataset": {"kind": "uploaded", "name": dataset.name}}
        case "uploaded":
            return dict(document)
        case _:
            return parse(document).model_dump(mode="json")


def keep_dataset(datasets: DatasetStore, document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Keep the file that a study's dataset is in the local database; return the study of that dataset.

    Raises InvalidSpecError when the file is no dataset as it is described.
    """
    from service import ingestion
    from service.errors import InvalidDatasetError

    file, options = _dataset_file(document, folder)
    name = options.pop("name")
    try:
        upload = ingestion.local_upload(file)
        record, _ = ingestion.keep(datasets, upload, name, format_of_file(file), ingestion.check_options(options))
    except InvalidDatasetError as error:
        raise InvalidSpecError([_of_dataset(error.field, error.reason)]) from error
    except InvalidSpecError as error:
        raise InvalidSpecError([_of_dataset(wrong.field, wrong.message) for wrong in error.errors]) from error
    return {**document, "dataset": {"kind": "uploaded", "name": record.name}}


def _of_dataset(field: str, message: str) -> FieldError:
    return FieldError(f"dataset.{field}".rstrip("."), message)


def _dataset_file(document: Mapping[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    """The file of a study's dataset and what the study says of its columns, with a name for it.

    Raises InvalidSpecError when a field or the file is missing.
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
    options.setdefault("name", name_of_file(file))
    return file, options


def write_predictions(predictions: Predictions, output: Path) -> None:
    """Write a CSV, or JSON, with a row for each raw row: its id, the prediction, and the probability of each class."""
    names = [f"p_{name}" for name in predictions.class_names]
    if output.suffix.lower() == ".json":
        rows = [
            {**row, "probabilities": dict(zip(predictions.class_names, shares, strict=True))} if shares else row
            for row, shares in _rows(predictions)
        ]
        output.write_text(json.dumps({"predictions": rows, "unfamiliar": _unfamiliar(predictions)}), encoding="utf-8")
        return
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*([] if predictions.ids is None else ["id"]), "prediction", *names])
        for row, shares in _rows(predictions):
            writer.writerow([*row.values(), *shares])


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
