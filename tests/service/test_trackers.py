"""Studies exported to trackers: each tracker's own reader finds every trial, and nothing stands twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml

from service.storage.pagination import Sort
from service.storage.records import TrialRecord
from service.storage.store import Store
from studies.study_file import parse
from tests.service.commanding import Completed, run_command
from tests.service.comparing import PLANNED, SEARCHED, TECHNIQUES, serving_compared, sweep_as_worker
from tests.service.documents import study
from tests.service.test_light_install import without_extras
from tests.service.tracking import mlflow_server, train_real_model, values_of, wandb_records

TRIALS = 4
#: Of the compared study: its own trials, those of each technique's search, and the confirmation. `none` has nothing to
#: search, and one trial.
COMPARED = TRIALS + len(TECHNIQUES) * SEARCHED - 1 + PLANNED
PAGE = Path(__file__).parents[2] / "docs" / "loggers.md"


def test_the_study_on_the_page_is_one() -> None:
    [shown] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert parse(yaml.safe_load(shown)).loggers == ("mlflow", "tensorboard")


def test_the_commands_on_the_page_write_what_it_says(compared: tuple[Path, httpx.Client], tmp_path: Path) -> None:
    shown = re.findall(r"^regsweep (export (?:tensorboard|wandb-offline) .*)$", PAGE.read_text(), re.MULTILINE)
    assert len(shown) == 2
    for command in shown:
        *words, output = command.replace("NAME", "iris").split()
        done = run_command(*words, str(tmp_path / output), REGSWEEP_SERVER_URL=str(compared[1].base_url))
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "iris" / "search" / "trial-0001").is_dir()
    assert any((tmp_path / "wandb-runs" / "wandb").glob("offline-run-*-search-1"))


def _export(store: Store, folder: Path, *arguments: str) -> Completed:
    place = {"REGSWEEP_DATABASE_URL": store.url, "REGSWEEP_ARTIFACTS_URL": f"file://{folder}"}
    done = run_command(*arguments, **place)
    assert done.returncode == 0, done.stderr
    return done


def _trials(store: Store) -> dict[str, TrialRecord]:
    page = store.trials("iris", (), Sort.parse("number"), 100, None)
    return {str(trial.number): trial for trial in page.items}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*Any type hint:UserWarning")
def test_mlflows_own_client_reads_every_trial_and_its_model_predicts_the_same(
    database: Path, store: Store, folder: Path, tmp_path: Path
) -> None:
    import keras
    import mlflow
    from mlflow.tracking import MlflowClient

    store.create_study(study(trials=TRIALS))
    sweep_as_worker(store, folder, "iris", train_real_model)
    records = _trials(store)
    with mlflow_server(tmp_path) as uri:
        for _ in range(2):
            again = _export(store, folder, "export", "mlflow", "iris", "--tracking-uri", uri)
        assert "4 trials were there already, 0 are new or changed" in again.stderr
        assert again.stdout == f"{uri}\n"
        asked = (tmp_path / "mlflow.log").read_text()
        assert asked.count("/runs/log-batch ") == TRIALS + 2  # of the study its params, then its result
        assert asked.count("/runs/update ") == asked.count("/runs/create ") == TRIALS + 1
        assert asked.count("/runs/get?") < TRIALS  # for files of the study
        best = store.best(store.study("iris"))[0].number
        invalid = next(number for number in records if number != str(best))
        store.mark_invalid("iris", int(invalid), "by a test")
        changed = _export(store, folder, "export", "mlflow", "iris", "--tracking-uri", uri)
        assert "3 trials were there already, 1 are new or changed" in changed.stderr
        client = MlflowClient(uri)
        runs = client.search_runs([client.get_experiment_by_name("regsweep/iris").experiment_id])
        assert len(runs) == TRIALS + 1
        trials = {run.data.tags["trial"]: run for run in runs if "trial" in run.data.tags}
        [whole] = [run for run in runs if "trial" not in run.data.tags]
        for number, record in records.items():
            run, curve = trials[number], store.curve(record)
            history = client.get_metric_history(run.info.run_id, "val_loss")
            assert curve is not None
            assert [(point.step, point.value) for point in history] == list(
                zip(curve["epoch"], curve["val_loss"], strict=True)
            )
            assert run.data.metrics["kept/val_loss"] == record.value
            assert run.data.params == {
                name: str(value) for name, value in (record.params or {}).items() if value is not None
            }
            assert run.data.tags["mlflow.parentRunId"] == whole.info.run_id
        statuses = {number: run.info.status for number, run in trials.items()}
        assert statuses == dict.fromkeys(records, "FINISHED") | {invalid: "FAILED"}
        files = {file.path for file in client.list_artifacts(whole.info.run_id)}
        assert files == {"model", "report.html", "study.json"}
        mlflow.set_tracking_uri(uri)
        [shown] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
        names: dict[str, Any] = {"rows": np.zeros((1, 4), np.float32)}
        exec(shown.replace("RUN_ID", whole.info.run_id), names)  # noqa: S102  # as the page has it
        loaded = names["model"]
    rows = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    _export(store, folder, "model", "iris", "-o", str(tmp_path / "best.keras"))
    ours = keras.models.load_model(tmp_path / "best.keras").predict(rows, verbose=0)
    np.testing.assert_array_equal(loaded.predict(rows), ours)
    signature = loaded.metadata.signature
    assert signature.inputs.to_dict()[0]["tensor-spec"] == {"dtype": "float32", "shape": (-1, 4)}
    assert signature.outputs.to_dict()[0]["tensor-spec"] == {"dtype": "float32", "shape": (-1, 3)}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, httpx.Client]]:
    """A server with a study whose comparison has ended."""
    folder = tmp_path_factory.mktemp("compared")
    with serving_compared(folder) as api:
        yield folder, api


def _export_twice(compared: tuple[Path, httpx.Client], kind: str, output: Path) -> None:
    """Over the API, then from the database: what is read differently there would be written anew."""
    folder, api = compared
    over_api = run_command("export", kind, "iris", "-o", str(output), "--server", str(api.base_url))
    assert over_api.returncode == 0, over_api.stderr
    database = f"sqlite:///{folder / 'regsweep.db'}"
    again = run_command("export", kind, "iris", "-o", str(output), "--database-url", database)
    assert again.returncode == 0, again.stderr
    assert f"{COMPARED} trials were there already, 0 are new or changed" in again.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboards_own_reader_finds_scalars_and_hparams(compared: tuple[Path, httpx.Client], tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    _export_twice(compared, "tensorboard", tmp_path)
    runs = EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    runs.Reload()
    assert len(runs.Runs()) == COMPARED + 1
    curve = compared[1].get("/v1/studies/iris/trials/1/curve").json()["curve"]
    read = [(event.step, event.value) for event in runs.Scalars("iris/search/trial-0001", "val_loss")]
    assert read == [*zip(curve["epoch"], map(np.float32, curve["val_loss"]), strict=True)]
    start = runs.SummaryMetadata("iris/search/trial-0001", "_hparams_/session_start_info")
    hparams = HParamsPluginData.FromString(start.plugin_data.content).session_start_info.hparams
    params = compared[1].get("/v1/studies/iris/trials/1").json()["params"]
    assert hparams["technique"].string_value == "search"
    assert hparams["regularizer"].string_value == params["regularizer"]
    assert hparams["dropout"].number_value == params["dropout"]
    [answer] = runs.Tensors("iris", "answer")
    assert "Use L1" in answer.tensor_proto.string_val[0].decode()
    assert (tmp_path / "iris" / "report.html").stat().st_size > 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_offline_run_of_wandb_has_the_trial(compared: tuple[Path, httpx.Client], tmp_path: Path) -> None:
    _export_twice(compared, "wandb-offline", tmp_path)
    runs = [path for path in (tmp_path / "wandb").glob("offline-run-*") if path.is_dir()]
    assert len(runs) == COMPARED + 1
    [run] = [path for path in runs if path.name.endswith("-search-1")]
    records = list(wandb_records(run))
    curve = compared[1].get("/v1/studies/iris/trials/1/curve").json()["curve"]
    history = [values_of(record.history.item) for record in records if record.HasField("history")]
    assert [(row["_step"], row["val_loss"]) for row in history] == [
        *zip(curve["epoch"], curve["val_loss"], strict=True)
    ]
    [begun] = [record.run for record in records if record.HasField("run")]
    params = compared[1].get("/v1/studies/iris/trials/1").json()["params"]
    assert values_of(begun.config.update)["dropout"] == params["dropout"]
    assert (begun.run_group, begun.display_name, begun.job_type) == ("iris", "iris trial 1", "search")
    [whole] = [path for path in runs if path.name.count("-") == "offline-run-date-key".count("-")]
    summary: dict[str, Any] = {}
    for record in wandb_records(whole):
        summary |= values_of(record.summary.update)
    assert summary["answer"].startswith("L1")
    assert {file.name for file in (whole / "files").iterdir()} == {"report.html", "model.keras"}


@pytest.mark.parametrize(
    ("kind", "extra", "flag"),
    [
        ("mlflow", "mlflow", "--tracking-uri=http://127.0.0.1:9"),
        ("tensorboard",) * 2 + ("-o=x",),
        ("wandb-offline", "wandb", "-o=x"),
    ],
)
def test_without_its_library_an_export_says_which_extra_brings_it(
    compared: tuple[Path, httpx.Client], tmp_path: Path, kind: str, extra: str, flag: str
) -> None:
    code = f"""
import sys
from service.cli.main import main
sys.argv = ["regsweep", "export", "{kind}", "iris", "{flag}"]
main()
"""
    done = without_extras(code, tmp_path, str(compared[1].base_url), missing=f"server worker {extra}")
    assert done.returncode == 2, done.stderr
    assert f'pip install "regsweep[{extra}]"' in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_tracker_that_is_away_is_told_in_a_sentence(compared: tuple[Path, httpx.Client]) -> None:
    database = f"sqlite:///{compared[0] / 'regsweep.db'}"
    done = run_command(
        "export", "mlflow", "iris", "--tracking-uri", "http://127.0.0.1:9", "--database-url", database,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("regsweep: MLflow: ")
