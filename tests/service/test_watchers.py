"""Few workers watch all leases, and always some."""

from __future__ import annotations

from service.storage.states import Activity
from service.storage.store import Store
from service.storage.worker_store import WorkerStore

NAMES = [f"worker {index}" for index in range(6)]


def watchers(store: WorkerStore) -> list[str]:
    return [name for name in NAMES if store.watches_leases(name)]


def test_the_oldest_three_that_live_watch_and_on_sqlite_all(store: Store) -> None:
    workers = WorkerStore(store)
    assert watchers(workers) == NAMES  # nobody is known
    for known, name in enumerate(NAMES, start=1):
        workers.show_worker(name, Activity.TRAINING, None, 30.0)
        assert len(watchers(workers)) >= min(known, 3)
    on_sqlite = store.engine.dialect.name == "sqlite"
    assert watchers(workers) == (NAMES if on_sqlite else NAMES[:3])
    workers.show_worker(NAMES[1], Activity.TRAINING, None, -1.0)  # it gave no sign of life since
    assert watchers(workers) == (NAMES if on_sqlite else [NAMES[0], *NAMES[2:4]])
    workers.show_worker(NAMES[2], Activity.WAITING_FOR_NODE, None, 60.0)  # no heart beats yet
    assert watchers(workers) == (NAMES if on_sqlite else [NAMES[0], *NAMES[3:5]])
    workers.show_worker(NAMES[2], Activity.LOADING_TENSORFLOW, None, 60.0)
    assert watchers(workers) == (NAMES if on_sqlite else [NAMES[0], *NAMES[3:5]])
    for ghost in (Activity.WAITING_FOR_NODE, Activity.CANNOT_START):  # of Ray's fleet, which shows them itself
        workers.show_worker(NAMES[0], ghost, None, 60.0)
        assert watchers(workers) == (NAMES if on_sqlite else NAMES[3:])
    for name in NAMES[:4]:
        workers.remove_worker(name)
    assert watchers(workers) == NAMES  # two are left
