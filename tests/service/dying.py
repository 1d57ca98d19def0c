"""Workers that end in the middle of their work; importable, for they are spawned."""

from __future__ import annotations

import os
import threading
from multiprocessing import get_context
from pathlib import Path

from studies.datasets.preprocessing import PreparedData
from studies.training.result import Job, OnEpoch, Trained
from tests.service.working import worker_on


def ended(target: str, url: str, folder: Path) -> int | None:
    """The exit status of a worker in a process of its own."""
    process = get_context("spawn").Process(target=_TARGETS[target], args=(url, folder), daemon=True)
    process.start()
    process.join(60)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode


def _hang(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
    """A training that ends one epoch and no other."""
    on_epoch(1, {"val_loss": 1.0})
    threading.Event().wait()
    raise AssertionError("it went on")


def _hanging(url: str, folder: Path) -> None:
    worker_on(url, folder, _hang, hung_seconds=0.5).run()


def _leaving(url: str, folder: Path) -> None:
    """A worker that is told to leave while its training hangs, and has no time to wait for it."""

    def hang(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        on_epoch(1, {"val_loss": 1.0})
        threading.Thread(target=worker.leave_within, args=(0.1,), daemon=True).start()
        return _hang(job, data, on_epoch)

    worker = worker_on(url, folder, hang)
    worker.run()


def _idle(url: str, folder: Path) -> None:
    """A worker that is told to leave while it has nothing to do."""
    worker = worker_on(url, folder, _hang)
    thread = threading.Thread(target=worker.run)
    thread.start()
    worker.leave_within(30.0)
    thread.join()
    os._exit(3)  # it came to its end by itself


_TARGETS = {"hanging": _hanging, "leaving": _leaving, "idle": _idle}
