"""A study through the real server and its workers, from the request to the model."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.acceptance.polling import eventually
from tests.acceptance.processes import Server
from tests.acceptance.studies import TRIALS, document, ended, finished, ran_exactly, read, slow, submit, trials

pytestmark = pytest.mark.xdist_group("acceptance")

ROOT = Path(__file__).parents[2]


def test_a_study_runs_exactly_its_budget(api: httpx.Client, ran: str) -> None:
    ran_exactly(api, ran, TRIALS)
    study = read(api, ran)
    assert study["created_at"] <= study["started_at"] <= study["ended_at"]


def test_every_trial_tells_what_it_was_and_what_it_gave(api: httpx.Client, ran: str) -> None:
    for trial in trials(api, ran):
        assert (trial["state"], trial["reason"], trial["attempt"]) == ("COMPLETE", None, 1)
        assert trial["params"].keys() == {
            "regularizer", "lambda", "l1_ratio", "dropout", "patience", "learning_rate", "batch_size",
        }  # fmt: skip
        assert trial["values"] == [trial["value"]] == [trial["metrics"]["val_loss"]]
        kinds = ("loss", "penalized_loss", "accuracy", "auc")
        assert trial["metrics"].keys() >= {f"{part}_{kind}" for part in ("train", "val") for kind in kinds}
        assert trial["metrics"]["val_penalized_loss"] >= trial["metrics"]["val_loss"]
        assert 0 <= trial["weights"]["zero_share"] <= 1
        assert 1 <= trial["best_epoch"] <= trial["epochs"] <= 3
        assert trial["started_at"] < trial["ended_at"]


def test_the_value_of_a_trial_is_the_best_epochs_of_its_curve(api: httpx.Client, ran: str) -> None:
    for trial in trials(api, ran):
        curve = api.get(f"/v1/studies/{ran}/trials/{trial['number']}/curve").json()["curve"]
        assert curve["epoch"] == [1, 2, 3][: trial["epochs"]]
        assert math.isclose(curve["val_loss"][trial["best_epoch"] - 1], trial["value"], rel_tol=1e-5)
        assert math.isclose(min(curve["val_loss"]), trial["value"], rel_tol=1e-5)


def test_the_best_trial_is_the_least_loss_and_the_table_holds_all(api: httpx.Client, ran: str) -> None:
    items = trials(api, ran)
    best = min(items, key=lambda trial: trial["value"])
    assert api.get(f"/v1/studies/{ran}/best").json()["items"] == [best]
    assert read(api, ran)["best"]["number"] == best["number"]
    rows = list(csv.DictReader(io.StringIO(api.get(f"/v1/studies/{ran}/trials.csv").text)))
    assert [float(row["value"]) for row in rows] == [trial["value"] for trial in items]


def test_the_model_and_the_snippet_give_the_recorded_loss(api: httpx.Client, tmp_path: Path) -> None:
    values, folders = {}, []
    for engine in ("lanes", "fit"):
        ran, folder = f"taken away {engine}", tmp_path / engine
        folder.mkdir()
        submit(api, document(ran, 2, training={"engine": engine}))
        study = ended(api, ran)
        for path, file in (("model", "model.keras"), ("snippet", "snippet.py")):
            response = api.get(f"/v1/studies/{ran}/{path}")
            assert response.status_code == 200
            (folder / file).write_bytes(response.content)
        (folder / "spec.json").write_text(json.dumps(study["spec"]))
        values[engine] = study["best"]["value"]
        folders.append(str(folder))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.acceptance.rebuild", *folders]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    lanes, fit = json.loads(done.stdout.splitlines()[-1])
    assert abs(lanes["model"] - values["lanes"]) < 1e-5
    assert abs(fit["model"] - values["fit"]) < 1e-5
    # Lanes draw initial weights and data order by themselves, so only a trial of fit is repeated by the pasted code.
    assert abs(fit["snippet"] - values["fit"]) < 1e-3


def test_the_dashboard_shows_the_study_with_its_curves(api: httpx.Client, ran: str) -> None:
    assert ran in [study["study_name"] for study in api.get("/api/studies").json()["study_summaries"]]
    path = read(api, ran)["dashboard"]
    shown = api.get(path.replace("/dashboard/", "/api/")).json()
    assert shown["objective_names"] == ["val_loss"]
    for ours, theirs in zip(trials(api, ran), shown["trials"], strict=True):
        assert len(theirs["intermediate_values"]) == ours["epochs"]
        assert theirs["values"] == ours["values"]
    assert api.get(path).status_code == 200


def test_the_server_process_never_loads_tensorflow(api: httpx.Client, server: Server, ran: str) -> None:
    api.get(f"/v1/studies/{ran}/snippet").raise_for_status()
    api.get(f"/v1/studies/{ran}/model").raise_for_status()
    loaded = Path(f"/proc/{server.pid}/maps").read_text()
    assert "numpy" in loaded  # the look sees libraries
    assert "tensorflow" not in loaded


def test_a_training_that_diverges_is_a_failed_trial_with_its_reason(api: httpx.Client) -> None:
    space = {"learning_rate": 1e3, "regularizer": "l2", "lambda": 1e6, "dropout": [0.0, 0.1]}
    submit(api, document("diverging", 2, space=space, training={"optimizer": {"name": "sgd"}}))
    found = ended(api, "diverging")
    assert (found["state"], found["reason"][:53]) == ("failed", "no trial is complete: 2 failed; most often: DivergedE")
    ran_exactly(api, "diverging", 2)
    for trial in trials(api, "diverging"):
        assert trial["state"] == "FAIL"
        assert "DivergedError" in trial["reason"]
        assert trial["value"] is None
    assert read(api, "diverging")["best"] is None
    assert api.get("/v1/studies/diverging/model").status_code == 404


def test_images_and_a_regression_run_too(api: httpx.Client) -> None:
    cnn = {"kind": "cnn", "filters": [2], "hidden_units": []}
    images = {"kind": "builtin", "name": "digits_images"}
    submit(api, document("images", 1, 1, dataset=images, model=cnn, space={"batch_size": 256}))
    diabetes = {"kind": "builtin", "name": "diabetes"}
    submit(api, document("progression", 2, dataset=diabetes, objectives=["val_mae", "epochs"]))
    for name in ("images", "progression"):
        assert ended(api, name)["progress"]["complete"] > 0
    assert {trial["metrics"].keys() >= {"val_mae", "val_r2"} for trial in trials(api, "progression")} == {True}
    assert api.get("/v1/studies/progression/best").json()["items"]


def test_a_study_is_paused_and_resumed(api: httpx.Client) -> None:
    submit(api, slow("paused", 8))
    assert api.post("/v1/studies/paused/pause").json()["state"] == "paused"

    # What runs is finished, then nothing runs while the study is paused: another study runs in between.
    eventually(lambda: read(api, "paused")["progress"]["running"] == 0)
    submit(api, document("meanwhile", 2, 1))
    ended(api, "meanwhile")
    resting = read(api, "paused")
    assert resting["state"] == "paused"
    assert resting["progress"]["running"] == 0
    assert resting["progress"]["waiting"] > 0
    api.post("/v1/studies/paused/resume")
    ended(api, "paused")
    ran_exactly(api, "paused", 8)


def test_a_stopped_study_keeps_what_it_has_and_starts_no_more(api: httpx.Client) -> None:
    submit(api, slow("stopped", 50))
    eventually(lambda: finished(api, "stopped"))
    assert api.post("/v1/studies/stopped/stop").json()["state"] == "stopped"
    study = ended(api, "stopped")
    progress = study["progress"]
    assert progress["waiting"] == 0
    assert 0 < progress["complete"] < 50
    assert {trial["state"] for trial in trials(api, "stopped")} <= {"COMPLETE", "PRUNED"}
    theirs = api.get(study["dashboard"].replace("/dashboard/", "/api/")).json()["trials"]
    assert "Running" not in {trial["state"] for trial in theirs}
