"""Trackers that two programs write to at once, as an export beside live logging: each run is there once, and whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.loggers.runs import StudyResult, StudyRun, TrialRun
from service.storage.states import TrialState

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*Any type hint:UserWarning")
START = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = {"name": "iris"}
STUDY = StudyRun("f" * 16, "iris", {"study": "iris"}, {"model": "mlp", "note": "x" * 9000}, SPEC, START, None)


def _trial(number: int = 0, epochs: int = 3, state: TrialState = TrialState.COMPLETE, **changes: Any) -> TrialRun:
    steps = range(1, epochs + 1)
    values: dict[str, Any] = {
        "key": f"{STUDY.key}-search-{number}",
        "name": f"iris trial {number}",
        "group": "search",
        "number": number,
        "state": state,
        "params": {"dropout": 0.5, "regularizer": "l1", "text": "y" * 9000},
        "curve": {"epoch": [*steps], "val_loss": [1 / step for step in steps]},
        "metrics": {"kept/val_loss": 0.25},
        "best_epoch": epochs,
        "tags": {"trial": str(number), "state": str(state), "reason": "z" * 9000},
        "started_at": START,
        "ended_at": None if state == TrialState.RUNNING else START + timedelta(seconds=9),
    }
    return TrialRun(**values | changes)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


def _mlflow_runs(uri: str, experiment: str) -> dict[str, Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    keys = [run.data.tags["regsweep.key"] for run in runs]
    assert len(keys) == len(set(keys))
    return {run.data.tags["regsweep.key"]: run for run in runs}


def test_a_trial_that_two_programs_log_to_mlflow_has_one_run(uri: str) -> None:
    from mlflow.tracking import MlflowClient

    from service.loggers.mlflow_tracker import MlflowTracker

    first, second = (MlflowTracker(uri, "two") for _ in range(2))
    for tracker in (first, second):  # neither knows of the other's trials
        tracker.open(STUDY)
    for tracker in (first, second):
        tracker.log_trial(_trial())
    runs = _mlflow_runs(uri, "two")
    assert runs.keys() == {STUDY.key, _trial().key}
    run = runs[_trial().key]
    client = MlflowClient(uri)
    assert [point.step for point in client.get_metric_history(run.info.run_id, "val_loss")] == [1, 2, 3]
    assert len(run.data.params["text"]) == 6000
    assert len(run.data.tags["reason"]) == 8000


def test_of_runs_that_were_made_in_the_same_moment_one_stays(uri: str) -> None:
    from mlflow.tracking import MlflowClient

    from service.loggers.mlflow_tracker import MlflowTracker

    tracker = MlflowTracker(uri, "moment")
    tracker.open(STUDY)
    tracker.log_trial(_trial())
    whole = _mlflow_runs(uri, "moment")[_trial().key]
    tags = {name: value for name, value in whole.data.tags.items() if name != "regsweep.digest"}
    MlflowClient(uri).create_run(whole.info.experiment_id, tags=tags)
    MlflowTracker(uri, "moment").open(STUDY)
    assert _mlflow_runs(uri, "moment")[_trial().key].info.run_id == whole.info.run_id


def test_what_a_program_left_half_done_in_mlflow_is_completed(uri: str) -> None:
    from mlflow.tracking import MlflowClient

    from service.loggers.mlflow_tracker import MlflowTracker

    client = MlflowClient(uri)
    tags = {"regsweep.study_key": STUDY.key}
    experiment = client.create_experiment("half", str(Path(uri.removeprefix("sqlite:///")).parent / "half"))
    client.create_run(experiment, tags=tags | {"regsweep.key": STUDY.key})
    trial = client.create_run(experiment, tags=tags | {"regsweep.key": _trial().key})
    client.log_param(trial.info.run_id, "dropout", 0.5)
    tracker = MlflowTracker(uri, "half")
    tracker.open(STUDY)
    tracker.log_trial(_trial())
    runs = _mlflow_runs(uri, "half")
    assert runs[STUDY.key].data.params["model"] == "mlp"
    assert [file.path for file in client.list_artifacts(runs[STUDY.key].info.run_id)] == ["study.json"]
    assert runs[_trial().key].info.run_id == trial.info.run_id
    assert runs[_trial().key].data.params["regularizer"] == "l1"
    tracker.log_trial(_trial(params={"dropout": 0.25}))  # another attempt, with params of its own
    assert _mlflow_runs(uri, "half")[_trial().key].data.params == {"dropout": "0.25"}


def test_what_mlflow_would_refuse_is_changed_so_that_nothing_is_lost(uri: str) -> None:
    from mlflow.tracking import MlflowClient

    from service.loggers.mlflow_tracker import MlflowTracker

    names = ["a@b", "a#b", "a_b", "/x//../y", "..", "n" * 300, *(f"layer{number}" for number in range(200))]
    steps = [*range(1, 1202)]
    curve = {"epoch": steps, "val_loss": [None, *steps[1:]], "loss": steps}
    empty: dict[str, Any] = {"curve": {}, "metrics": {}, "params": {}}
    tracker = MlflowTracker(uri, "names")
    tracker.open(STUDY)
    tracker.log_trial(_trial(params=dict.fromkeys(names, 1), curve=curve))
    tracker.log_trial(_trial(1, **empty))
    tags = {"state": "completed", "param.a@b": "0.5"}
    tracker.finish(StudyResult(tags, {"trials": 2.0}, "", "<html></html>", None))
    runs = _mlflow_runs(uri, "names")
    run = runs[_trial().key]
    assert len(run.data.params) == len(names)
    assert {"a_b", "layer199"} < run.data.params.keys()
    history = MlflowClient(uri).get_metric_history(run.info.run_id, "val_loss")
    assert sorted((point.step, point.value) for point in history) == [(step, float(step)) for step in steps[1:]]
    assert run.data.tags["regsweep.digest"] == _trial(params=dict.fromkeys(names, 1), curve=curve).digest
    assert (runs[_trial(1).key].data.params, runs[_trial(1).key].info.status) == ({}, "FINISHED")
    assert "0.5" in runs[STUDY.key].data.tags.values()


def _tensorboard_steps(folder: Path) -> list[int]:
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    runs = EventMultiplexer().AddRunsFromDirectory(str(folder))
    runs.Reload()
    return [event.step for event in runs.Scalars("iris/search/trial-0000", "val_loss")]


def test_a_trial_that_two_programs_log_to_tensorboard_has_each_epoch_once(tmp_path: Path) -> None:
    from service.loggers.tensorboard_tracker import TensorboardTracker

    first, second = (TensorboardTracker(tmp_path) for _ in range(2))
    for tracker in (first, second):
        tracker.open(STUDY)
    for epochs, tracker in enumerate((first, second, second, first), start=1):
        tracker.log_trial(_trial(epochs=epochs, state=TrialState.RUNNING))
    second.log_trial(_trial(epochs=5))
    first.log_trial(_trial(epochs=5))
    assert _tensorboard_steps(tmp_path) == [1, 2, 3, 4, 5]


def test_events_that_somebody_removed_are_written_again(tmp_path: Path) -> None:
    from service.loggers.tensorboard_tracker import TensorboardTracker

    tracker = TensorboardTracker(tmp_path)
    tracker.open(STUDY)
    tracker.log_trial(_trial(epochs=2, state=TrialState.RUNNING))
    [events] = tmp_path.rglob("trial-0000/events*")
    events.unlink()
    tracker.log_trial(_trial())
    assert tracker.whole_digest(_trial()) == _trial().digest
    assert _tensorboard_steps(tmp_path) == [1, 2, 3]


def test_a_trial_that_two_programs_export_to_wandb_has_one_run(tmp_path: Path) -> None:
    from service.loggers.wandb_tracker import WandbTracker

    first, second, third = (WandbTracker(tmp_path) for _ in range(3))
    for tracker in (first, second):
        tracker.open(STUDY)
    for tracker in (first, second):
        tracker.log_trial(_trial())
    third.open(STUDY)
    assert third.whole_digest(_trial()) == _trial().digest
    assert len([path for path in (tmp_path / "wandb").glob("offline-run-*") if path.is_dir()]) == 1
