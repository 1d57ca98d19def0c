"""Studies logged while they run: epoch by epoch, once each, whatever the tracker or the logger does meanwhile."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from service.errors import TrackerError
from service.loggers import live
from service.loggers.live import LiveLogger
from service.loggers.main import make_tracker, within
from service.loggers.runs import StudyResult, StudyRun, TrialRun
from service.settings import Settings
from service.storage.pagination import Sort
from service.storage.records import StudyRecord, TrackedRecord, TrialRecord
from service.storage.states import StudyState
from service.storage.store import Store
from studies.datasets.preprocessing import PreparedData
from studies.spec.logger import LoggerName
from studies.training.result import Job, OnEpoch, Trained
from tests.acceptance.polling import eventually
from tests.service.comparing import sweep_as_worker
from tests.service.conftest import served, settings_in
from tests.service.documents import EPOCHS, document, study, trial_result
from tests.service.tracking import mlflow_server, train_real_model
from tests.service.working import working

TRIALS = 3
PATIENT: dict[str, Any] = {
    "early_stopping": {"monitor": "val_loss"},
    "space": {"patience": 2},
}  # every training has all its epochs
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*Any type hint:UserWarning")


def _settings(store: Store, folder: Path, tmp_path: Path, **changes: Any) -> Settings:
    places: dict[str, Any] = {
        "mlflow_uri": f"sqlite:///{tmp_path / 'mlflow.db'}",
        "tensorboard_folder": tmp_path / "tensorboard",
    }
    return Settings(database_url=store.url, artifacts_url=f"file://{folder}", **places | changes)


def _logger(store: Store, settings: Settings, name: LoggerName) -> LiveLogger:
    return LiveLogger(store, settings, name, lambda: make_tracker(name, settings))


def _look(store: Store, logger: LiveLogger) -> None:
    """Look now, without the pause before a study is due again."""
    with store.writing() as session:
        session.execute(sa.update(TrackedRecord).where(TrackedRecord.holder.is_not(None)).values(next_at=0.0))
        session.execute(sa.update(TrackedRecord).where(TrackedRecord.failures > 0).values(next_at=0.0))
    logger.look()


def _record(store: Store) -> TrackedRecord:
    with store.reading() as session:
        return session.scalars(sa.select(TrackedRecord)).one()


def _epochs(name: LoggerName, settings: Settings) -> dict[str, list[int]]:
    """The steps of `val_loss` of each trial, as the tracker's own reader gives them."""
    if name == "tensorboard":
        from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

        runs = EventMultiplexer().AddRunsFromDirectory(str(settings.tensorboard_folder))
        runs.Reload()
        trials = {run: tags["scalars"] for run, tags in runs.Runs().items() if "trial-" in run}
        return {
            str(int(run[-4:])): [event.step for event in runs.Scalars(run, "val_loss")] if "val_loss" in tags else []
            for run, tags in trials.items()
        }
    return _mlflow_epochs(str(settings.mlflow_uri))


def _mlflow_epochs(uri: str) -> dict[str, list[int]]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("regsweep/iris")
    runs = [] if experiment is None else client.search_runs([experiment.experiment_id])
    return {
        run.data.tags["trial"]: sorted(point.step for point in client.get_metric_history(run.info.run_id, "val_loss"))
        for run in runs
        if "trial" in run.data.tags
    }


def _write_nothing(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("name", ["mlflow", "tensorboard"])
def test_epochs_are_logged_while_a_trial_runs_and_another_process_goes_on(
    store: Store, folder: Path, tmp_path: Path, name: LoggerName
) -> None:
    settings = _settings(store, folder, tmp_path)
    store.create_study(study(trials=TRIALS, loggers=[name]))
    goes_on = threading.Event()

    def train_on(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        """Three epochs; the second trial goes on until it is told to end."""
        epoch, is_over = 0, False
        while not is_over:
            epoch += 1
            on_epoch(epoch, {"loss": 1.0, "val_loss": 0.5 + 1 / epoch, "val_accuracy": 0.5})
            is_over = epoch > EPOCHS and (job.number != 1 or goes_on.wait(0.1))
        return Trained(trial_result(0.5, epoch), _write_nothing)

    make_tracker(name, settings)  # imports it, which beside the worker's imports in this process would clash
    first, second, third = (_logger(store, settings, name) for _ in range(3))
    with working(store, folder, train_on):

        def grown(logger: LiveLogger, size: int) -> list[int]:
            _look(store, logger)
            epochs = _epochs(name, settings).get("1", [])
            return epochs if len(epochs) > size else []

        began = eventually(lambda: grown(first, 0), 30)
        more = eventually(lambda: grown(first, len(began)), 30)
        assert more[: len(began)] == began
        _look(store, second)  # another server's, which leaves the study to the first
        assert _record(store).failures == 0
        with store.writing() as session:  # the first was killed, and its lease has ended
            session.execute(sa.update(TrackedRecord).values(next_at=TrackedRecord.next_at - 200))
        still_more = eventually(lambda: grown(second, len(more)), 30)
        assert still_more[: len(more)] == more
        goes_on.set()
        eventually(lambda: store.study("iris").state == StudyState.COMPLETED, 30)
    with store.writing() as session:  # no files that Keras wrote
        session.execute(sa.update(TrialRecord).values(model=None))
    _look(store, second)
    ends = {
        str(trial.number): trial.epochs or 0 for trial in store.trials("iris", (), Sort.parse("number"), 9, None).items
    }
    whole = {number: [*range(1, last + 1)] for number, last in ends.items()}
    assert _epochs(name, settings) == whole
    assert _record(store).done_at is not None
    second.close()
    store.mark_invalid("iris", 0, "by a test")
    third.look()
    assert _epochs(name, settings) == whole


@contextmanager
def _silent_port() -> Iterator[int]:
    """A tracker that takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def _closed_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield port


@pytest.mark.parametrize("tracker", [_silent_port, _closed_port])
def test_a_tracker_that_hangs_or_refuses_fails_no_trial_and_gets_later_what_it_missed(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracker: Any
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    settings = _settings(store, folder, tmp_path)
    store.create_study(study(trials=TRIALS, loggers=["mlflow"], **PATIENT))
    with tracker() as port:
        away = _logger(store, settings.model_copy(update={"mlflow_uri": f"http://127.0.0.1:{port}"}), "mlflow")
        away.look()
        sweep_as_worker(store, folder, "iris", train_real_model)
        _look(store, away)
    record = _record(store)
    assert (record.failures, record.holder, record.done_at) == (2, None, None)
    assert str(record.problem).startswith("MLflow: ")
    assert store.study("iris").state == StudyState.COMPLETED
    assert [trial.state for trial in store.best(store.study("iris"))] == ["COMPLETE"]
    back = _logger(store, settings, "mlflow")
    _look(store, back)
    assert _epochs("mlflow", settings) == {str(number): [1, 2, 3] for number in range(TRIALS)}
    assert (_record(store).problem, _record(store).failures) == (None, 0)


def test_a_trial_that_the_tracker_refuses_is_told_and_keeps_no_other_waiting(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    store.create_study(study(trials=TRIALS, loggers=["mlflow"]))
    sweep_as_worker(store, folder, "iris")

    def begin_first(at: float) -> None:
        with store.writing() as session:
            session.execute(sa.update(TrialRecord).values(model=None))  # no files that Keras wrote
            first = sa.update(TrialRecord).where(TrialRecord.number == 0)
            session.execute(first.values(started_at=at, ended_at=at + 1))

    begin_first(-1e6)  # in 1969, which MLflow refuses
    settings = _settings(store, folder, tmp_path)
    logger = _logger(store, settings, "mlflow")
    _look(store, logger)
    assert str(_record(store).problem).startswith("MLflow: iris trial 0 is refused: ")
    assert _epochs("mlflow", settings) == {"0": [], "1": [1], "2": [1]}
    begin_first(1e6)
    _look(store, logger)
    assert (_record(store).problem, _record(store).done_at is None) == (None, False)
    assert _epochs("mlflow", settings) == {"0": [1], "1": [1], "2": [1]}


@pytest.mark.slow
def test_a_tracker_that_dies_in_the_middle_is_caught_up_with_when_it_is_back(
    database: Path, store: Store, folder: Path, tmp_path: Path
) -> None:
    store.create_study(study(trials=TRIALS, loggers=["mlflow"], **PATIENT))
    with mlflow_server(tmp_path) as uri:
        logger = _logger(store, _settings(store, folder, tmp_path, mlflow_uri=uri), "mlflow")

        def train_and_log(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
            _look(store, logger)
            return train_real_model(job, data, on_epoch)

        sweep_as_worker(store, folder, "iris", train_and_log)
        assert _mlflow_epochs(uri).keys() >= {"0", "1"}
    _look(store, logger)
    assert str(_record(store).problem).startswith("MLflow: ")
    with mlflow_server(tmp_path, int(uri.rpartition(":")[2])) as uri:
        _look(store, logger)
        assert _mlflow_epochs(uri) == {str(number): [1, 2, 3] for number in range(TRIALS)}
    assert (_record(store).problem, _record(store).done_at is None) == (None, False)


class _Notes:
    """A tracker that notes which studies it gets, and does something with each."""

    def __init__(self, on_open: Callable[[str], None] = lambda _: None) -> None:
        self.opened: list[str] = []
        self._on_open = on_open

    def open(self, study: StudyRun) -> None:
        self.opened.append(study.name)
        self._on_open(study.name)

    def whole_digest(self, trial: TrialRun) -> str | None:
        return trial.digest

    def log_trial(self, trial: TrialRun) -> None:
        pass

    def finish(self, result: StudyResult) -> None:
        pass


def test_a_study_whose_turn_comes_late_is_left_to_the_server_that_has_it_meanwhile(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(store, folder, tmp_path)
    for name in ("one", "two"):
        store.create_study(study(name, loggers=["mlflow"]))
    theirs = _Notes()
    other = LiveLogger(store, settings, "mlflow", lambda: theirs)

    def take_long(name: str) -> None:
        """So long that the leases of this look end, and the other server looks."""
        with store.writing() as session:
            later = sa.update(TrackedRecord).values(next_at=TrackedRecord.next_at - 200)
            session.execute(later.where(TrackedRecord.study_id != store.study(name).id))
        monkeypatch.setattr(live, "RENEWED_AFTER_SECONDS", 0.0)
        other.look()

    ours = _Notes(take_long)
    LiveLogger(store, settings, "mlflow", lambda: ours).look()
    assert (len(ours.opened), sorted(ours.opened + theirs.opened)) == (1, ["one", "two"]), (ours.opened, theirs.opened)


def test_a_logger_whose_server_has_gone_begins_no_other_study_and_leaves_it(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    settings = _settings(store, folder, tmp_path)
    for name in ("one", "two"):
        store.create_study(study(name, loggers=["mlflow"]))
    notes, others = _Notes(), _Notes()
    logger = LiveLogger(store, settings, "mlflow", lambda: notes)
    logger.look(lambda: len(notes.opened) == 1)
    assert len(notes.opened) == 1
    logger.close()
    LiveLogger(store, settings, "mlflow", lambda: others).look()
    assert sorted(others.opened) == ["one", "two"]


def test_a_study_of_long_ago_that_begins_again_is_logged_where_all_are(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    settings = _settings(store, folder, tmp_path, loggers=("mlflow",))
    store.create_study(study(trials=1))
    sweep_as_worker(store, folder, "iris")
    with store.writing() as session:
        session.execute(sa.update(StudyRecord).values(created_at=StudyRecord.created_at - 9000))
    notes = _Notes()
    logger = LiveLogger(store, settings, "mlflow", lambda: notes)
    logger.look()
    assert notes.opened == []
    store.change("iris", budget={"trials": 2})
    logger.look()
    assert notes.opened == ["iris"]


def test_a_call_that_never_returns_is_ended() -> None:
    with pytest.raises(TrackerError, match=r"no answer within 0\.05 seconds"), within(0.05):
        threading.Event().wait(60)


#: Ends a logger's process before it begins, as a lack of memory would, for as long as the file is there.
_DIES = """
import os, sys
if "service.loggers.main" in sys.orig_argv:
    os.write(2, b"MemoryError: none is left\\n")
    os._exit(3)
"""


def test_a_server_logs_every_study_where_its_owner_says_so_and_tells_when_the_logger_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"tensorboard_folder": tmp_path / "runs", "loggers": ("tensorboard",)}
    settings = settings_in(tmp_path).model_copy(update=place)
    deadly = tmp_path / "sitecustomize.py"
    deadly.write_text(_DIES)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    with served(settings) as api, closing(Store(settings.database_url)) as store:
        refused = api.post("/v1/studies", json=document("other", loggers=["mlflow"]))
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "loggers"
        assert "REGSWEEP_MLFLOW_URI" in refused.json()["errors"][0]["message"]
        api.post("/v1/studies", json=document(trials=2)).raise_for_status()
        sweep_as_worker(store, tmp_path / "artifacts", "iris")

        def loggers() -> list[tuple[str, str]]:
            return [(each["tracker"], each["state"]) for each in api.get("/v1/studies/iris").json()["loggers"]]

        eventually(lambda: loggers() == [("tensorboard", "failing")], 20)
        [logger] = api.get("/v1/studies/iris").json()["loggers"]
        assert logger["problem"] == "its process ended with status 3: MemoryError: none is left"
        assert api.get("/v1/studies/iris").json()["progress"]["complete"] == 2
        assert "tensorboard: failing" in api.get("/studies/iris").text
        deadly.unlink()
        eventually(lambda: loggers() == [("tensorboard", "logged")], 20)
        assert "tensorboard: logged" in api.get("/studies/iris").text
    assert (tmp_path / "runs" / "iris" / "search" / "trial-0001" / "events.out.tfevents.regsweep").is_file()
    assert not os.path.lexists(tmp_path / "mlruns")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mlflow_uri": "file:///etc"}, "must begin with http"),
        ({"mlflow_uri": "https://user:pass@mlflow.example"}, "must have no user and no password"),
        ({"loggers": "wandb"}, "mlflow"),
    ],
)
def test_a_place_that_is_none_is_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**values)  # type: ignore[arg-type]
