"""A worker that hangs, dies or must leave at once lets go of its trials, and another runs them."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.invariants import violations
from service.storage.ledger import TrialLedger
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from service.worker.fleet import Fleet
from service.worker.heartbeat import Heartbeat
from tests.acceptance.polling import eventually
from tests.service.contenders import sweep_here
from tests.service.documents import study
from tests.service.dying import ended
from tests.service.ledgers import claimed, expire, ledger, opened


def ends(store: Store, number: int = 0) -> list[tuple[str | None, str | None]]:
    return [(attempt.ending, attempt.reason) for attempt in store.attempts(store.trial("iris", number))]


def goes_on(store: Store, folder: Path) -> None:
    """Nothing is held, and whoever comes runs the whole budget."""
    assert WorkerStore(store).leases() == {}
    sweep_here(store, folder, "iris", "heir")
    accepted = store.study("iris")
    assert store.progress([accepted])[accepted.id].complete == accepted.spec["budget"]["trials"]
    assert violations(store, Artifacts(f"file://{folder}")) == []


def test_a_worker_whose_training_hangs_ends_itself_and_its_trial_is_tried_again(store: Store, folder: Path) -> None:
    store.create_study(study(trials=2))
    assert ended("hanging", store.url, folder) == os.EX_SOFTWARE
    assert ends(store) == [("hung", "its training ended no epoch for 0.5 seconds")]
    goes_on(store, folder)
    assert [ending for ending, _ in ends(store)] == ["hung", "told"]


def test_a_worker_that_must_leave_in_the_middle_of_an_epoch_frees_its_trial_as_it_is(
    store: Store, folder: Path
) -> None:
    store.create_study(study(trials=2))
    assert ended("leaving", store.url, folder) == 0
    assert ends(store) == []  # through no fault of the trial
    goes_on(store, folder)
    assert store.trial("iris", 0).attempt == 1


def test_a_worker_with_nothing_to_do_leaves_by_itself(store: Store, folder: Path) -> None:
    assert ended("idle", store.url, folder) == 3


def test_a_worker_that_holds_nothing_is_not_hung(store: Store, folder: Path) -> None:
    store.create_study(study(trials=2))
    claimed(ledger(store, folder, "iris", "other"))
    hung, seen = threading.Event(), WorkerStore(store).leases()
    with (
        Heartbeat(WorkerStore(store), "idle", 2.0, 0.02, hung.set),
        Heartbeat(WorkerStore(store), "other", 0.05, 600.0, hung.set),
    ):
        eventually(lambda: WorkerStore(store).leases() != seen, 20)  # the other's heart beat, and this one's more often
        seen = WorkerStore(store).leases()
        eventually(lambda: WorkerStore(store).leases() != seen, 20)
    assert not hung.is_set()
    assert len(WorkerStore(store).leases()) == 1


def test_a_training_that_goes_on_is_not_hung_however_long_it_takes(store: Store, folder: Path) -> None:
    spec = study(trials=1)
    store.create_study(spec)
    hung, hung_seconds = threading.Event(), 2.0
    with Heartbeat(WorkerStore(store), "a", 30.0, hung_seconds, hung.set) as heart:
        book = TrialLedger(
            store,
            Artifacts(f"file://{folder}"),
            store.study("iris"),
            Holder("a", 30.0, note_progress=heart.note_progress),
        )
        claim, _ = opened(book, spec)
        until = time.monotonic() + 1.25 * hung_seconds
        while time.monotonic() < until:
            book.report([])
        assert not hung.is_set()
        assert claim.trial_id in WorkerStore(store).leases()
        assert hung.wait(20)  # it reports no longer
    assert ends(store) == [("hung", "its training ended no epoch for 2 seconds")]


def test_a_trial_taken_over_has_its_whole_time_from_its_claim(store: Store, folder: Path) -> None:
    spec = study(trials=1)
    store.create_study(spec)
    opened(ledger(store, folder, "iris", "a"), spec)
    expire(store)
    heard: list[str] = []
    holder = Holder("b", 600.0, note_progress=lambda: heard.append("progress"))
    # It may have waited for long before, and a trial that is opened already writes nothing until its first report.
    claimed(TrialLedger(store, Artifacts(f"file://{folder}"), store.study("iris"), holder))
    assert heard


#: In place of a worker: the first opens a trial and is killed with it, those after it only wait.
STAND_IN = """#!{python}
import os, signal, sys
from pathlib import Path

sys.path.insert(0, {here!r})
from service.storage.store import Store
from tests.service.documents import study
from tests.service.ledgers import ledger, opened

if not Path({died!r}).exists():
    name = sys.argv[sys.argv.index("--name") + 1]
    opened(ledger(Store(os.environ["REGSWEEP_DATABASE_URL"]), Path({folder!r}), "iris", name), study(trials=2))
    Path({died!r}).touch()
    os.kill(os.getpid(), signal.SIGKILL)
while os.read(0, 1024):
    pass
"""


def test_the_trials_of_a_worker_that_was_killed_wait_again_at_once(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create_study(study(trials=2))
    stand_in, died = tmp_path / "worker", tmp_path / "died"
    names = {"python": sys.executable, "here": str(Path.cwd()), "folder": str(folder), "died": str(died)}
    stand_in.write_text(STAND_IN.format(**names))
    stand_in.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    fleet = Fleet(Settings(database_url=store.url, artifacts_url=f"file://{folder}", lease_seconds=600.0), 1)
    fleet.start()
    try:
        eventually(died.exists, 30)
        eventually(lambda: not WorkerStore(store).leases(), 30)  # which last 600 seconds
    finally:
        fleet.stop()
    assert ends(store) == [("lost", "its process ended with signal 9")]
    goes_on(store, folder)
