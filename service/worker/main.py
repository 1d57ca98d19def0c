"""A worker as the whole of a process: its start, its signals, its end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

from service import logs, tracing
from service.settings import Settings
from service.storage import schema
from service.storage.offers import Offer
from service.storage.states import Activity
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from service.worker.keras_engines import keras_engines
from service.worker.presence import Presence
from service.worker.process import LEAVE_WHEN_IDLE, announce_ready
from service.worker.worker import Worker, worker_name
from studies import faults

_LEAVING_SECONDS = 8.0  # for the running epoch to end; then a worker leaves in the middle of it


def main(settings: Settings, study: str | None, attached: bool, offer: Offer, name: str | None = None) -> None:
    """Run a worker in this process until SIGTERM, SIGINT or, when attached, the end of standard input."""
    tracing.configure("regsweep-worker")
    schema.check(settings.database_url)
    name = name or worker_name()
    store = Store(settings.database_url)
    presence = Presence(WorkerStore(store), name, settings.lease_seconds, offer)
    try:
        presence.show(Activity.LOADING_TENSORFLOW)
        engines = keras_engines(settings, presence.compiling)
        if offer.gpus is None:
            presence.offer = replace(offer, gpus=engines.count_gpus())
        worker = Worker(settings, engines, study, name, engines.compiled_programs, presence)
        if attached:
            announce_ready()
            # In colours where the fleet's standard error is a terminal.
            logs.configure(settings.log_level, settings.log_format)
        serve(worker, attached)
    finally:
        tracing.shut_down()
        presence.remove()  # also of a worker that could not load TensorFlow
        store.close()


def serve(worker: Worker, attached: bool) -> None:
    """Run a worker until it has left; it leaves on signals and, when attached, with its parent.

    One that has grown starts anew.
    """
    faults.arm(os.environ.get("REGSWEEP_FAULT"))

    def leave() -> None:
        threading.Thread(target=worker.leave_within, args=(_LEAVING_SECONDS,), name="leaving", daemon=True).start()

    _leave_on_signals(leave)
    if attached:
        threading.Thread(target=_follow_parent, args=(worker, leave), name="parent", daemon=True).start()
    worker.run()
    if worker.has_grown and not worker.is_leaving:
        tracing.shut_down()
        # In the same process, which its fleet or its container knows.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # its own command


def _leave_on_signals(leave: Callable[[], None]) -> None:
    """Leave on SIGTERM and SIGINT; exit at once on the second."""
    seen: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)
        leave()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


def _follow_parent(worker: Worker, leave: Callable[[], None]) -> None:
    """Do what the parent writes to standard input; leave when it closes, as it does when the parent dies."""
    # The bare descriptor: a thread that waits in sys.stdin would hold its lock when the interpreter ends.
    while calls := os.read(0, 1024):
        if LEAVE_WHEN_IDLE in calls:
            worker.leave_when_idle()
        worker.wake()
    leave()
