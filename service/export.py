"""What a user takes away: the model, what prepares its inputs, and how to use them, in one zip."""

from __future__ import annotations

import io
import zipfile

from service.errors import NotFoundError
from service.storage.artifacts import Artifacts, preparation_path
from service.storage.records import StudyRecord

README = """# {name}

A model that regsweep trained, with the preprocessing that was fitted on its training rows.

    regsweep predict {file} NEW_ROWS.csv -o predictions.csv

or in Python, where regsweep is installed:

    from pathlib import Path
    import keras
    from studies.datasets.preparation import Preparation

    model = keras.models.load_model("model.keras")
    preparation = Preparation.load(Path("preparation.skops"))
    inputs = preparation.read(Path("NEW_ROWS.csv"), "csv")
    print(preparation.decode(model.predict(inputs)))

`preparation.skops` holds data and the names of scikit-learn's classes and no code, see https://skops.readthedocs.io.
"""


def bundle(artifacts: Artifacts, study: StudyRecord, model: str, fold: int, title: str) -> bytes:
    """The zip of a kept model that was trained on a fold; NotFoundError when nothing prepares its inputs."""
    path = preparation_path(study.id, fold)
    if not artifacts.has(path):
        raise NotFoundError(
            f"study '{study.name}' has no preprocessing to export, which only uploaded datasets have; its /model is "
            "there alone"
        )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model.keras", artifacts.read(model))
        file.writestr("preparation.skops", artifacts.read(path))
        file.writestr("README.md", README.format(name=title, file=f"{title.replace(' ', '-')}.zip"))
    return content.getvalue()
