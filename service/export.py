"""Bundles a trained model with its fitted preprocessing and a README in one zip."""

from __future__ import annotations

import io
import zipfile

from service.errors import NotFoundError
from service.storage.artifacts import Artifacts, preparation_path
from service.storage.records import TrialRecord
from studies.plan import Plan

README = """# {name}

A model that regsweep trained, with the preprocessing that was fitted on its training rows.

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
        raise NotFoundError(f"trial {trial.number} never was the best, so its model was not kept; see has_model")
    return trial.model


def bundle(artifacts: Artifacts, trial: TrialRecord, title: str) -> bytes:
    """Zip a trial's model and the preprocessing of its inputs.

    Raises NotFoundError when one of them was not kept.
    """
    model = model_path(trial)
    fold = 0 if trial.plan is None else Plan.read(trial.plan).preparation
    path = preparation_path(trial.study_id, fold)
    if not artifacts.has(path):
        raise NotFoundError(
            "there is no preprocessing to export, which only studies of uploaded datasets have; see the model alone"
        )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model.keras", artifacts.read(model))
        file.writestr("preparation.skops", artifacts.read(path))
        file.writestr("README.md", README.format(name=title, file=f"{title.replace(' ', '-')}.zip"))
    return content.getvalue()
