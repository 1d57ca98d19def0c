"""A worker outlives what goes wrong around it, and holds no trial that it does not run."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.errors import NotFoundError
from service.storage.artifacts import Artifacts
from service.storage.dataset_files import file_path
from service.storage.datasets import DatasetStore, Upload
from service.storage.pagination import Sort
from service.storage.progress import Progress
from service.storage.records import StudyRecord
from service.storage.store import Store
from service.worker import worker as worker_module
from service.worker.publishing import publish
from studies.datasets.preprocessing import PreparedData
from studies.datasets.profile import profile
from studies.datasets.tables import read
from studies.spec.study import StudySpec
from studies.spec.table import TableOptions
from studies.training.machine import memory_bytes
from studies.training.result import Job, OnEpoch, Trained
from tests.acceptance.polling import eventually
from tests.service.documents import document, study, train
from tests.service.working import LEASE_SECONDS, worker_on, working
from tests.studies.uploads import mixed, text, uploaded


def progress(store: Store, name: str) -> Progress:
    record = store.study(name)
    return store.progress([record])[record.id]


def test_a_worker_serves_the_studies_in_the_order_they_came(store: Store, folder: Path) -> None:
    for name in ("first", "second"):
        store.create_study(study(name, trials=2))
    with working(store, folder):
        eventually(lambda: store.study("second").state == "completed", 20)
    first, second = store.study("first"), store.study("second")
    assert first.state == "completed"
    assert first.ended_at is not None
    assert second.started_at is not None
    assert first.ended_at <= second.started_at


def test_an_idle_worker_that_is_woken_looks_for_work_before_its_next_poll(store: Store, folder: Path) -> None:
    store.create_study(study("first", trials=1))
    with working(store, folder, poll_seconds=600.0) as worker:
        eventually(lambda: store.study("first").state == "completed", 20)
        store.create_study(study("second", trials=1))
        worker.wake()
        eventually(lambda: store.study("second").state == "completed", 20)


@pytest.mark.parametrize("what", ["memory", "compiled programs"])
def test_a_worker_that_has_grown_returns_between_two_studies(
    what: str, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"study {number}" for number in range(10)]
    for name in names:
        store.create_study(study(name, trials=1))
    held = [0]
    monkeypatch.setattr("service.worker.worker.resident_bytes", lambda: held[0])
    compiled = 10 if what == "compiled programs" else 9
    worker = worker_on(store.url, folder, train, compiled_programs=lambda: compiled)
    held[0] = memory_bytes() if what == "memory" else 0
    worker.run()
    assert (worker.has_grown, worker.is_leaving) == (True, False)
    assert [store.study(name).state for name in names] == ["completed"] * 8 + ["queued"] * 2
    assert not worker_on(store.url, folder, train).has_grown


def test_a_worker_of_one_study_leaves_the_others_alone(store: Store, folder: Path) -> None:
    for name in ("other", "mine"):
        store.create_study(study(name, trials=2))
    with working(store, folder, only="mine"):
        eventually(lambda: store.study("mine").state == "completed", 20)
    assert store.study("other").state == "queued"


def test_a_worker_that_leaves_hands_its_trial_back(store: Store, folder: Path) -> None:
    running = threading.Event()

    def endless(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        epoch = 1
        while on_epoch(epoch, {"val_loss": 1.0}):
            running.set()
            epoch += 1
        return train(job, data, lambda *_: True)

    store.create_study(study(trials=2))
    with working(store, folder, endless):
        assert running.wait(20)
    assert (progress(store, "iris").waiting, progress(store, "iris").running) == (2, 0)
    with working(store, folder):
        eventually(lambda: store.study("iris").state == "completed", 20)
    trials = store.trials("iris", (), Sort.parse("number"), 10, None).items
    assert [(trial.number, trial.attempt) for trial in trials] == [(0, 1), (1, 1)]


def test_a_study_that_cannot_be_asked_fails_and_the_worker_goes_on(store: Store, folder: Path) -> None:
    # Such as one accepted by a version whose Optuna had this option.
    store.create_study(StudySpec.model_validate(document("odd", sampler={"name": "tpe", "no_such_option": 1})))
    store.create_study(study("good", trials=2))
    with working(store, folder):
        eventually(lambda: store.study("good").state == "completed", 20)
        odd = store.study("odd")
        assert odd.state == "failed"
        assert "no_such_option" in (odd.reason or "")
        # Who follows a study waits until nothing of it runs.
        eventually(lambda: progress(store, "odd").running == 0, 10)


@pytest.mark.parametrize("raises", [OSError("disk full"), ValueError("cannot be written")])
def test_a_model_that_cannot_be_kept_for_now_loses_no_trial(store: Store, folder: Path, raises: Exception) -> None:
    tries: list[int] = []

    def engine(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        trained = train(job, data, on_epoch)

        def save(path: Path) -> None:
            tries.append(1)
            if len(tries) == 1:
                raise raises
            trained.save(path)

        return Trained(trained.result, save)

    store.create_study(study(trials=3))
    # The same worker lives on, and its heart beats before it looks again: it must not hold what it does not run.
    with working(store, folder, engine, poll_seconds=LEASE_SECONDS):
        eventually(lambda: progress(store, "iris").running == 0 and store.study("iris").ended_at, 20)
    states = [trial.state for trial in store.trials("iris", (), Sort.parse("number"), 10, None).items]
    if isinstance(raises, OSError):  # the next try may go well
        assert (store.study("iris").state, states) == ("completed", ["COMPLETE"] * 3)
    else:  # and this one will not
        assert store.study("iris").state in {"completed", "failed"}


def test_a_study_deleted_while_it_runs_is_given_up(store: Store, folder: Path) -> None:
    running, deleted = threading.Event(), threading.Event()

    def slow(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        running.set()
        assert deleted.wait(20)
        return train(job, data, on_epoch)

    store.create_study(study("doomed", trials=2))
    with working(store, folder, slow):
        assert running.wait(20)
        store.delete_study("doomed", force=True)
        store.create_study(study("next", trials=2))
        deleted.set()
        eventually(lambda: store.study("next").state == "completed", 20)
    assert progress(store, "next").complete == 2


def test_a_study_deleted_while_it_is_published_is_no_error(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish_late(*arguments: Any) -> None:
        if arguments[2].name == "doomed":
            store.delete_study("doomed", force=False)
        publish(*arguments)

    monkeypatch.setattr(worker_module, "publish", publish_late)
    store.create_study(study("doomed", trials=2))
    store.create_study(study("next", trials=2))
    with capture_logs() as logs, working(store, folder):
        eventually(lambda: store.study("next").published, 20)
    assert [line for line in logs if line["log_level"] in {"warning", "error"}] == []
    with pytest.raises(NotFoundError):
        store.study("doomed")


@pytest.mark.parametrize(("share", "state"), [(0.1, "completed"), (1e-9, "failed")], ids=["kept", "no room"])
def test_a_worker_keeps_datasets_within_its_share_of_memory(
    store: Store, folder: Path, tmp_path: Path, share: float, state: str
) -> None:
    file = tmp_path / "table.csv"
    file.write_text(text(mixed(60)))
    dataset, _ = uploaded(file)
    upload, options = Upload(file, str(dataset.digest), file.stat().st_size), TableOptions(target="y")
    DatasetStore(store, Artifacts(f"file://{folder}")).add(
        upload, "mine", "csv", options, profile(read(file, "csv", options))
    )
    here = folder / file_path(upload.digest)
    ours = {"dataset": dataset.model_dump(mode="json")}

    def run(name: str, **changes: Any) -> StudyRecord:
        store.create_study(StudySpec.model_validate(document(name, **changes)))
        eventually(lambda: store.study(name).ended_at is not None, 20)
        return store.study(name)

    with working(store, folder, dataset_memory_share=share):
        assert run("first", **ours).state == "completed"
        here.write_text(text(mixed(61)))  # which shows whether it is read again
        assert run("between").state == "completed"
        assert run("last", **ours, seed=4).state == state
