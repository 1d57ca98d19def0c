"""A model's file: its architecture and nothing else is read."""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from studies import study_file
from studies.errors import InvalidSpecError
from studies.spec.model import KerasSpec
from tests.studies.test_keras_config import GOOD

STUDY = "dataset: {kind: builtin, name: iris}\nmodel: {kind: cnn}"


def read(folder: Path, model: Path, study: str = STUDY) -> KerasSpec:
    (folder / "study.yaml").write_text(study)
    found = study_file.read(folder / "study.yaml", model).model
    assert isinstance(found, KerasSpec)
    return found


def archive(folder: Path, name: str, text: str) -> Path:
    path = folder / "model.keras"
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        file.writestr(name, text)
        file.writestr("model.weights.h5", "not read")
    return path


def test_a_json_file_and_an_archive_give_the_same_model(tmp_path: Path) -> None:
    text = tmp_path / "model.json"
    text.write_text(json.dumps(GOOD))
    assert read(tmp_path, text) == read(tmp_path, archive(tmp_path, "config.json", json.dumps(GOOD)))


def test_dropout_is_inserted_where_the_study_says_so(tmp_path: Path) -> None:
    model = archive(tmp_path, "config.json", json.dumps(GOOD))
    study = "dataset: {kind: builtin, name: iris}\nmodel: {kind: keras, insert_dropout: true, config: {}}"
    assert read(tmp_path, model, study).insert_dropout


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("other.json", "{}", "has no config.json that can be read"),
        ("config.json", " " * 9_000_000, "has more than 8000000 bytes"),
        ("config.json", "{", "model.config: is not JSON"),
    ],
)
def test_an_archive_without_an_architecture_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(InvalidSpecError, match=message):
        read(tmp_path, archive(tmp_path, name, text))


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecError, match=r"model: cannot read .*nowhere\.json: No such file"):
        read(tmp_path, tmp_path / "nowhere.json")
    (tmp_path / "model.bin").write_bytes(b"\xff")
    with pytest.raises(InvalidSpecError, match=r"neither JSON nor a \.keras file"):
        read(tmp_path, tmp_path / "model.bin")


def test_a_file_of_keras_2_is_told_to_be_one_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(8))
    with pytest.raises(InvalidSpecError, match=r"is an HDF5 file, as Keras 2 wrote it; load it in Keras 3 by keras"):
        read(tmp_path, tmp_path / "model.h5")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(InvalidSpecError, match=r"is a SavedModel, as Keras 2 wrote it"):
        read(tmp_path, tmp_path / "saved")
    with ZipFile(tmp_path / "saved.zip", "w") as file:
        file.writestr("model/saved_model.pb", "")
    with pytest.raises(InvalidSpecError, match=r"holds a SavedModel and no model that can be read"):
        read(tmp_path, tmp_path / "saved.zip")
    model = archive(tmp_path, "config.json", json.dumps(GOOD).replace('"Dense"', '"Gone"'))
    with ZipFile(model, "a") as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
    with pytest.raises(InvalidSpecError, match=r"is a model of Keras 2\.15\.0, and not all of it can be read: layers"):
        read(tmp_path, model)
