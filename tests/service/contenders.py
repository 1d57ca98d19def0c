"""What other processes run against one database; importable, for they are spawned."""

from __future__ import annotations

import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.ledger import TrialLedger
from service.storage.store import Store
from studies.datasets.preprocessing import prepare_folds
from studies.spec.study import StudySpec
from studies.sweep.loop import sweep
from studies.training.sequential import sequential
from tests.service.documents import train

_gate: Barrier | None = None


def processes(count: int) -> ProcessPoolExecutor:
    """Processes that `at_once` lets go together."""
    context = get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=_enter, initargs=(context.Barrier(count),))


def _enter(gate: Barrier) -> None:
    global _gate  # noqa: PLW0603  # a spawned process has no other place for it
    _gate = gate


def at_once() -> None:
    """Wait until every process has come here."""
    assert _gate is not None
    _gate.wait(60)


def prepare_schema(url: str) -> str:
    """Open an empty database the moment the others do; the journal mode it ended in."""
    at_once()
    store = Store(url)
    try:
        with store.engine.connect() as connection:
            return str(connection.exec_driver_sql("PRAGMA journal_mode").scalar())
    finally:
        store.close()


def _ledger(store: Store, folder: Path, name: str, worker: str) -> TrialLedger:
    return TrialLedger(store, Artifacts(f"file://{folder}"), store.study(name), Holder(worker, 600.0))


def claim_all(url: str, folder: Path, name: str, threads: int) -> list[int]:
    """The places that threads of this process claim, until there is none."""
    store = Store(url)
    start = threading.Barrier(threads)

    def claim(thread: int) -> list[int]:
        book = _ledger(store, folder, name, f"thread {thread}")
        start.wait(60)
        found = []
        while claims := book.claim(1):
            found += [claim.trial_id for claim in claims]
        return found

    at_once()
    try:
        with ThreadPoolExecutor(threads) as pool:
            return [place for places in pool.map(claim, range(threads)) for place in places]
    finally:
        store.close()


def sweep_study(url: str, folder: Path, name: str, worker: str) -> int:
    """Sweep a study with the counting engine; the number of trials closed."""
    store = Store(url)
    try:
        at_once()
        return sweep_here(store, folder, name, worker)
    finally:
        store.close()


def sweep_here(store: Store, folder: Path, name: str, worker: str = "a") -> int:
    """The same in this process."""
    spec = StudySpec.model_validate(store.study(name).spec)
    data = prepare_folds(spec.dataset, spec.seed, spec.resampling)
    return sweep(spec, data, _ledger(store, folder, name, worker), sequential(train), 0.0)
