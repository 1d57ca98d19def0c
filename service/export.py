"""Bundles a trained model with its fitted preprocessing and a README in one zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from shlex import quote
from typing import Any, Literal

from service.errors import NotFoundError
from service.storage import kept_models
from service.storage.artifacts import Artifacts, preparation_path
from service.storage.records import TrialRecord
from studies.plan import Plan
from studies.raw_rows.formats import RawFormat

#: The zip, and the formats of one model that takes raw rows.
ExportFormat = Literal["zip", RawFormat]

README = """# {name}

A model that regsweep trained, with the preprocessing that was fitted on its training rows.
{rows}
    regsweep predict {file} NEW_ROWS.csv -o predictions.csv

or in Python, where regsweep is installed:

    from pathlib import Path
    import keras
    from regsweep import Preparation

    model = keras.models.load_model("model.keras")
    preparation = Preparation.load(Path("preparation.skops"))
    inputs = preparation.read(Path("NEW_ROWS.csv"), "csv")
    print(preparation.decode(model.predict(inputs)))

`preparation.skops` holds data and the names of scikit-learn's classes and no code, see https://skops.readthedocs.io.
"""


def model_path(trial: TrialRecord) -> str:
    """The path of a trial's model.

    Raises NotFoundError when it was not kept.
    """
    if trial.model is None:
        raise NotFoundError(f"{kept_models.why_none(trial)}; see has_model")
    return trial.model


def bundle(artifacts: Artifacts, trial: TrialRecord, detail: Mapping[str, Any] | None, title: str) -> bytes:
    """Zip a trial's model and the preprocessing of its inputs; `detail` is its TrialResult.detail.

    Raises NotFoundError when one of them was not kept.
    """
    model = model_path(trial)
    rows: Mapping[str, Any] | None = (detail or {}).get("trained_on")
    path = preparation_path(trial.study_id, _first_fold(trial) if rows is None else rows["data"])
    if not artifacts.has(path):
        raise NotFoundError(
            "there is no preprocessing to export, which only studies of uploaded datasets have; take the model alone "
            "(`regsweep model`)"
        )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model.keras", artifacts.read(model))
        file.writestr("preparation.skops", artifacts.read(path))
        zip_name = quote(f"{title.replace(' ', '-')}.zip")
        file.writestr("README.md", README.format(name=title, file=zip_name, rows=_describe_rows(rows)))
    return content.getvalue()


def _first_fold(trial: TrialRecord) -> int:
    """The fold of a model whose trial does not say which it is of: versions before 0.2 kept the first one's."""
    return 0 if trial.plan is None else Plan.read(trial.plan).preparation


def _describe_rows(rows: Mapping[str, Any] | None) -> str:
    if rows is None:
        return ""
    return f"It was trained on {rows['train_rows']} of {rows['rows']} rows: {rows['part']}.\n"
