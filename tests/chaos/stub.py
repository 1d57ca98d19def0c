"""Workers whose training is a formula, and the server, as processes that are forked in a moment and may be killed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from time import sleep
from typing import Any

from service.settings import Settings
from studies import faults
from studies.datasets.preprocessing import PreparedData
from studies.errors import StudiesError
from studies.hyperparameters import Hyperparameters
from studies.spec.study import StudySpec
from studies.training.result import Engine, EpochReport, Job, Trained, TrainingState, TrialResult, Trials

LANES = 3
_MODEL_BYTES = 100_000


def loss(dropout: float, seed: int, epoch: int) -> float:
    """The validation loss of a training after an epoch."""
    return dropout + (seed % 997) / 9970 + 1 / epoch


def recomputed(model: bytes) -> float:
    """The value that a kept model gives."""
    kept = json.loads(model[: model.index(b"\0")])
    return loss(kept["dropout"], kept["seed"], kept["epochs"])


def engine(epoch_seconds: float) -> Engine:
    """Trains LANES trainings at once, an epoch of all in `epoch_seconds`."""

    def run(_: Sequence[PreparedData], trials: Trials) -> None:
        seats: list[list[Any]] = []  # jobs and how many epochs they were trained
        while True:
            new = trials.next(LANES - len(seats))
            seats += [[job, 0 if job.state is None else int(job.state.facts["epochs"])] for job in new]
            if not seats:
                return
            sleep(epoch_seconds)
            for seat in seats:
                seat[1] += 1
            ending = trials.epoch([_report(job, epochs) for job, epochs in seats])
            ended = [seat for seat in seats if seat[0].number in ending or seat[1] == seat[0].spec.budget.epochs]
            seats = [seat for seat in seats if seat not in ended]
            for job, epochs in ended:
                trials.done(job, _trained(job, epochs))

    return run


def _report(job: Job, epoch: int) -> EpochReport:
    entry = {"val_loss": loss(_dropout(job.hyperparameters), job.seed, epoch)}

    def state() -> TrainingState:
        return TrainingState("stub", {"epochs": epoch, "entries": _entries(job, epoch)}, [])

    return EpochReport(job.number, epoch, entry, job.fold, None if epoch == job.spec.budget.epochs else state)


def _dropout(hyperparameters: Hyperparameters) -> float:
    return hyperparameters.regularization.layer(0).dropout


def _entries(job: Job, epochs: int) -> list[dict[str, float]]:
    return [{"val_loss": loss(_dropout(job.hyperparameters), job.seed, epoch + 1)} for epoch in range(epochs)]


def _trained(job: Job, epochs: int) -> Trained:
    value = loss(_dropout(job.hyperparameters), job.seed, epochs)
    curve = {"epoch": [float(i + 1) for i in range(epochs)], "val_loss": [e["val_loss"] for e in _entries(job, epochs)]}
    metrics = {"train_loss": value, "val_loss": value, "gap": 0.0}
    result = TrialResult(metrics, {"nonzero": 1}, {}, curve, epochs, epochs, stopped_early=False)

    def save(path: Path) -> None:
        kept = {"dropout": _dropout(job.hyperparameters), "seed": job.seed, "epochs": epochs}
        path.write_bytes(json.dumps(kept).encode().ljust(_MODEL_BYTES, b"\0"))

    return Trained(result, save)


def processes() -> ForkServerContext:
    """The context that forks from a process that has everything imported."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.chaos.preload"])
    return context


def worker(
    settings: Settings,
    name: str,
    log: Path,
    epoch_seconds: float = 0.02,
    fault: str | None = None,
    clock_seconds: float = 0.0,
    file_bytes: int | None = None,
) -> ForkServerProcess:
    """A started worker; it may be armed to die, have a clock that is wrong, and write no file beyond a size."""
    given = settings, name, log, epoch_seconds, fault, clock_seconds, file_bytes
    process = processes().Process(target=_work, args=given, daemon=True)
    process.start()
    return process


def _work(
    settings: Settings,
    name: str,
    log: Path,
    epoch_seconds: float,
    fault: str | None,
    clock_seconds: float,
    file_bytes: int | None,
) -> None:
    _begin(log)
    from service.worker.main import serve
    from service.worker.worker import Worker

    if clock_seconds:
        _set_clock(clock_seconds)
    if file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, resource.RLIM_INFINITY))
    if fault is not None:
        os.environ["REGSWEEP_FAULT"] = fault

    def engine_of(_: StudySpec, __: Sequence[PreparedData]) -> tuple[Engine, Mapping[str, Any]]:
        shown = {"engine": "lanes", "lanes": LANES, "epochs_a_call": 1, "xla": False, "why": "a stub"}
        return engine(epoch_seconds), shown

    with contextlib.suppress(StudiesError):
        serve(Worker(settings, engine_of, name=name), attached=False)


def _set_clock(seconds: float) -> None:
    """SQLite's clock is that of the process it is in."""
    from sqlalchemy.ext.compiler import compiles

    from service.storage.clock import unix_now

    @compiles(unix_now, "sqlite")
    def _wrong(*_: Any, **__: Any) -> str:
        return f"((julianday('now') - 2440587.5) * 86400.0 + {seconds})"


def server(settings: Settings, listener: socket.socket, log: Path, fault: str | None = None) -> ForkServerProcess:
    """A started server without workers, on a socket that is bound."""
    process = processes().Process(target=_serve, args=(settings, listener, log, fault), daemon=True)
    process.start()
    return process


def _serve(settings: Settings, listener: socket.socket, log: Path, fault: str | None) -> None:
    _begin(log)
    from service.api.app import create_app
    from service.api.server import Server

    faults.arm(fault)
    Server(create_app(settings)).run(sockets=[listener])


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        sleep(0.5)
    os._exit(1)


def _begin(log: Path) -> None:
    """Write to the log, and end with whoever started this process."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    from service import logs

    stream = log.open("a", buffering=1)
    os.dup2(stream.fileno(), 1)
    os.dup2(stream.fileno(), 2)
    sys.stdout = sys.stderr = io.TextIOWrapper(io.FileIO(1, "w"), line_buffering=True)
    logs.configure("info")
