"""A whole worker in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.settings import Settings
from service.storage.offers import Offer
from service.storage.store import Store
from service.worker.worker import Worker
from studies.training.sequential import Train, sequential
from tests.service.documents import train

LEASE_SECONDS = 2.0  # the least there may be
SHOWN = {"engine": "fit", "lanes": 1, "epochs_a_call": 1, "xla": False, "why": "a test"}


def worker_on(
    url: str,
    folder: Path,
    engine: Train,
    only: str | None = None,
    compiled_programs: Callable[[], int] = int,
    offer: Offer | None = None,
    **changes: Any,
) -> Worker:
    """A worker that trains by a function; `changes` are settings."""
    plain: dict[str, Any] = {"lease_seconds": LEASE_SECONDS, "poll_seconds": 0.05, "workers": 0}
    plain["artifacts_url"] = f"file://{folder}"
    settings = Settings(database_url=url, **plain | changes)
    worker = Worker(settings, lambda *_: (sequential(engine), SHOWN), only, compiled_programs=compiled_programs)
    worker.presence.offer = offer
    return worker


@contextmanager
def working(
    store: Store, folder: Path, engine: Train = train, only: str | None = None, **changes: Any
) -> Iterator[Worker]:
    """Such a worker in a thread; what it dies of is raised here."""
    worker = worker_on(store.url, folder, engine, only, **changes)
    died: list[BaseException] = []

    def work() -> None:
        try:
            worker.run()
        except BaseException as error:  # noqa: BLE001  # raised again below
            died.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield worker
    finally:
        worker.leave()
        thread.join()
    if died:
        raise died[0]
