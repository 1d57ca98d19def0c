"""A study's best model as one that takes raw rows: by REST, the client, the command line; served by FastAPI."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.cli.demo import free_port
from service.client import Client
from service.settings import Settings
from service.storage.store import Store
from studies.datasets.preparation import Preparation
from studies.datasets.preprocessing import PreparedData
from studies.errors import RawRowsWarning
from studies.prediction import predict
from studies.predictions import Predictions
from studies.training.result import Job, OnEpoch, Trained
from tests.acceptance.polling import eventually
from tests.service.commanding import run_command
from tests.service.conftest import served, settings_in
from tests.service.documents import document, trial_result
from tests.service.working import working
from tests.site.blocks import blocks

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
DOCUMENT = list(blocks("docs/serving.md"))
CSV = "age,city,since,y\n" + "\n".join(
    f"{20 + i},{'Älvängen' if i % 3 else 'Oslo'},2024-0{1 + i % 9}-08,{'ja' if i % 2 else 'nö'}" for i in range(60)
)
#: What `curl` sends in docs/serving.md, and more.
NEW: list[dict[str, Any]] = [
    *json.loads(next(re.findall(r"-d '(\[.*\])'", each.text)[0] for each in DOCUMENT if "uvicorn" in each.text)),
    {"age": 44.5, "city": "Älvängen", "since": 1720396800000},
]


def train_keras(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
    """An untrained model, saved as one that is trained."""
    import keras

    from studies.training.trial_model import save_model

    on_epoch(1, {"val_loss": 0.5})
    model = keras.Sequential([keras.Input(data.input_shape), keras.layers.Dense(1, "sigmoid")])
    model.compile("sgd", "mse")
    return Trained(trial_result(0.5), lambda path: save_model(model, path))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_in(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def api(settings: Settings) -> Iterator[httpx.Client]:
    """A service with two studies: "iris" of an uploaded file, "bundled" of a bundled dataset."""
    with served(settings) as client:
        client.post("/v1/datasets?target=y&format=csv&name=people", content=CSV.encode()).raise_for_status()
        people = {"kind": "uploaded", "name": "people"}
        client.post("/v1/studies", json=document(trials=1, dataset=people)).raise_for_status()
        artifacts = Path(settings.artifacts_url.removeprefix("file://"))
        with closing(Store(settings.database_url)) as store, working(store, artifacts, train_keras):
            eventually(lambda: store.study("iris").ended_at, 60)
        yield client


@pytest.fixture(scope="module")
def bundle(api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip."""
    file = tmp_path_factory.mktemp("bundle") / "model.zip"
    file.write_bytes(api.get("/v1/studies/iris/export").content)
    return file


@pytest.fixture(scope="module")
def expected(bundle: Path) -> Predictions:
    """What the zip predicts for the new rows."""
    rows = bundle.with_name("rows.csv")
    table = {name: cells.astype("datetime64[ms]") if name == "since" else cells for name, cells in inputs().items()}
    lines = zip(*(np.where(cells.astype(str) == "NaT", "", cells.astype(str)) for cells in table.values()), strict=True)
    rows.write_text("\n".join([",".join(table), *map(",".join, lines)]))
    return predict(bundle, rows, "csv")


def inputs(rows: list[dict[str, Any]] = NEW) -> dict[str, Any]:
    missing = {"age": np.nan, "city": "", "since": np.iinfo(np.int64).min}
    kinds = {"age": np.float32, "city": object, "since": np.int64}
    return {
        name: np.array([missing[name] if row[name] is None else row[name] for row in rows], kind)
        for name, kind in kinds.items()
    }


def test_a_converted_model_is_answered_as_a_file_to_save(
    api: httpx.Client, expected: Predictions, tmp_path: Path
) -> None:
    import onnxruntime
    import tensorflow as tf

    with Client(str(api.base_url), timeout_seconds=120) as client, pytest.warns(RawRowsWarning, match="'Älvängen' has"):
        saved = zipfile.ZipFile(io.BytesIO(client.export("iris", file_format="saved-model")))
    saved.extractall(tmp_path / "saved")  # noqa: S202  # a zip keeps within the folder
    answer = api.get("/v1/studies/iris/export?format=onnx", timeout=120)
    assert answer.headers["content-disposition"] == 'attachment; filename="iris 0.onnx"'
    assert answer.headers["content-type"] == "application/octet-stream"
    session = onnxruntime.InferenceSession(answer.content)
    serve = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    for probabilities in (
        serve(**{name: tf.constant(cells) for name, cells in inputs().items()})["probabilities"],
        session.run(["probabilities"], inputs())[0],
    ):
        assert expected.probabilities is not None
        np.testing.assert_allclose(probabilities, expected.probabilities, rtol=0, atol=1e-6)
    assert session.run(["class"], inputs())[0].tolist() == expected.predicted.tolist()
    # What the document sends TensorFlow Serving.
    sent = next(re.findall(r"-d '(\{.*\})'", each.text, re.DOTALL)[0] for each in DOCUMENT if "8501" in each.text)
    instances = inputs(json.loads(sent)["instances"])
    assert serve(**{name: tf.constant(cells) for name, cells in instances.items()})["class"].shape == (2,)


def test_another_format_is_refused_with_those_there_are(api: httpx.Client) -> None:
    answer = api.get("/v1/studies/iris/export?format=h5")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "format"
    assert "'zip', 'keras', 'saved-model' or 'onnx'" in answer.json()["errors"][0]["message"]


def test_a_server_without_the_converter_says_so(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, file_format in (("tf2onnx", "onnx"), ("tensorflow", "keras")):
        monkeypatch.setitem(sys.modules, module, None)  # as Python says that one cannot be imported
        answer = api.get(f"/v1/studies/iris/export?format={file_format}")
        assert (answer.status_code, answer.json()["title"]) == (501, "No converter")
        assert "regsweep convert" in answer.json()["detail"]
        assert api.get("/v1/studies/iris/export").status_code == 200


def test_a_model_that_cannot_be_had_in_a_format_is_refused_with_the_reason(
    api: httpx.Client, settings: Settings
) -> None:
    [kept] = Path(settings.artifacts_url.removeprefix("file://")).rglob("*.skops")
    now = kept.read_bytes()
    try:
        replace(Preparation.load(kept), means=None).save(kept)  # as version 0.1 kept it
        answer = api.get("/v1/studies/iris/export?format=keras", timeout=120)
    finally:
        kept.write_bytes(now)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "format"
    assert "this model was kept by an earlier version of regsweep" in answer.json()["errors"][0]["message"]


def test_the_blocks_of_the_document_run(
    api: httpx.Client,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    place = ("--database-url", settings.database_url, "--artifacts-url", settings.artifacts_url)
    run = [block for block in DOCUMENT if block.mark.startswith("run by ")]
    for line in next(block.text for block in run if block.language == "sh").splitlines():
        words = [word.replace("NAME", "iris") for word in shlex.split(line, comments=True)][1:]
        done = run_command(*words, *place)
        assert done.returncode == 0, done.stderr
        assert Path(words[-1]).exists()
    for block in run:
        if block.language == "python":
            exec(compile(block.text, block.document, "exec"), {})  # noqa: S102  # a block of ours
    assert "probabilities" in capsys.readouterr().out


def test_the_command_line_writes_every_format_of_a_study_and_of_a_zip(
    api: httpx.Client, settings: Settings, bundle: Path, tmp_path: Path
) -> None:
    place = ("--database-url", settings.database_url, "--artifacts-url", settings.artifacts_url)
    exported = run_command("export", "keras", "iris", "-o", str(tmp_path / "study.keras"), *place)
    assert (exported.returncode, exported.stdout) == (0, f"{tmp_path / 'study.keras'}\n"), exported.stderr
    assert exported.stderr.startswith("regsweep: column 'city': 'Älvängen' has letters beyond A to Z: this model finds")
    assert exported.stderr.count("\n") == 1
    asked = run_command("export", "keras", "iris", "-o", str(tmp_path / "asked.keras"), "--server", str(api.base_url))
    assert (asked.returncode, asked.stderr) == (0, exported.stderr)
    for name in ("zip.keras", "model.onnx", "folder/1", "model.tar", "model.zip"):
        done = run_command("convert", str(bundle), "-o", str(tmp_path / name))
        assert (done.returncode, done.stdout) == (0, f"{tmp_path / name}\n"), done.stderr
        assert done.stderr == exported.stderr
    with zipfile.ZipFile(tmp_path / "study.keras") as one, zipfile.ZipFile(tmp_path / "zip.keras") as other:
        assert sorted(one.namelist()) == sorted(other.namelist())
    members = {str(path.relative_to(tmp_path / "folder" / "1")) for path in (tmp_path / "folder" / "1").rglob("*")}
    assert {"saved_model.pb", "assets.extra/columns.json", "variables/variables.index"} <= members
    with tarfile.open(tmp_path / "model.tar") as tar, zipfile.ZipFile(tmp_path / "model.zip") as archive:
        assert {name.rstrip("/") for name in tar.getnames()} == {name.rstrip("/") for name in archive.namelist()}
        assert members == {name.rstrip("/") for name in tar.getnames()}
    again = run_command("convert", str(bundle), "-o", str(tmp_path / "folder" / "1"))
    assert (again.returncode, again.stderr) == (
        2,
        f"regsweep: --output: {tmp_path / 'folder' / '1'} is there and is no empty folder\n",
    )
    damaged = run_command("convert", str(EXAMPLES / "README.md"), "-o", str(tmp_path / "none.keras"))
    assert (damaged.returncode, "is no exported model" in damaged.stderr) == (2, True)
    assert not (tmp_path / "none.keras").exists()


def test_the_fastapi_example_answers_a_request(bundle: Path, expected: Predictions, tmp_path: Path) -> None:
    assert run_command("convert", str(bundle), "-o", str(tmp_path / "model.keras")).returncode == 0
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "serve_fastapi:app", "--app-dir", str(EXAMPLES), "--port", str(port)]
    environment = {**os.environ, "MODEL": str(tmp_path / "model.keras")}
    environment.pop("PYTHONPATH", None)
    url = f"http://127.0.0.1:{port}/predict"

    def ask(rows: list[dict[str, Any]] = NEW) -> httpx.Response | None:
        try:
            return httpx.post(url, json=rows)
        except httpx.TransportError:
            assert server.poll() is None
            return None

    with subprocess.Popen(command, env=environment, cwd=tmp_path) as server:
        try:
            answer = eventually(ask, 120)
            misspelt = ask([{"Age": 1, "city": "Oslo", "since": None}])
            endless = ask([{"age": 1e39, "city": 7, "since": None}])
        finally:
            server.terminate()
    assert answer is not None
    assert answer.status_code == 200, answer.text
    assert misspelt is not None
    assert (misspelt.status_code, misspelt.json()["detail"]) == (
        422,
        "each row needs 'age'; null where it has no value",
    )
    assert endless is not None
    assert (endless.status_code, endless.json()) == (200, [{"class": "", "probabilities": [None, None]}])
    rows = answer.json()
    assert [row["class"] for row in rows] == expected.predicted.tolist()
    assert expected.probabilities is not None
    np.testing.assert_allclose([row["probabilities"] for row in rows], expected.probabilities, rtol=0, atol=1e-6)
