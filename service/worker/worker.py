"""One worker process: find a study with work, sweep it, look again."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

import structlog
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from service import logs
from service.settings import Settings
from service.storage import database
from service.storage.artifacts import Artifacts, checkpoints_folder, preparation_path
from service.storage.claiming import Holder
from service.storage.datasets import Files
from service.storage.ledger import TrialLedger
from service.storage.records import StudyRecord
from service.storage.states import Ending
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from service.worker.heartbeat import Heartbeat
from service.worker.process import announce_ready
from service.worker.publishing import publish
from studies import faults
from studies.datasets.cache import PreparedCache
from studies.datasets.preparation import Preparation
from studies.datasets.preprocessing import PreparedData
from studies.errors import LeaseLostError, OutOfMemoryError
from studies.spec.study import StudySpec
from studies.sweep.loop import sweep
from studies.training.machine import fingerprint, memory_bytes
from studies.training.result import Engine

_log = structlog.get_logger(__name__)
#: What may be different at the next try: the database, the artifacts' folder.
_PASSING = (LeaseLostError, SQLAlchemyError, StorageInternalError, OSError)
#: The engine of a study, and what the API shows of it.
EngineOf = Callable[[StudySpec, Sequence[PreparedData]], tuple[Engine, Mapping[str, Any]]]
_MOST_SECONDS = 5.0  # between two tries of a database that is away
_LEAVING_SECONDS = 8.0  # before a worker that is to leave does so in the middle of an epoch


class Worker:
    """Claims trials of any study, or of one, and runs them until it is told to leave."""

    def __init__(self, settings: Settings, engine: EngineOf, study: str | None = None, name: str | None = None) -> None:
        self.name = name or worker_name()
        self._settings, self._engine, self._study = settings, engine, study
        self._store = Store(settings.database_url)
        self._worker_store = WorkerStore(self._store)
        self._artifacts = Artifacts(settings.artifacts_url)
        files = Files(self._artifacts, settings.cache_folder)
        self._prepare = PreparedCache(settings.dataset_memory_share * memory_bytes(), files)
        self._leaving, self._left = threading.Event(), threading.Event()
        self._progressed: Callable[[], None] = lambda: None  # the heartbeat's

    def leave(self) -> None:
        """Hand the running trial back at its next epoch and end."""
        self._leaving.set()

    def leave_within(self, seconds: float) -> None:
        """The same; when the training has not come to an epoch's end by then, free its trials as they are and exit."""
        self.leave()
        if self._left.wait(seconds):
            return
        try:
            freed = self._worker_store.hand_back(self.name)
            _log.warning("worker leaves in the middle of an epoch", worker=self.name, trials=freed)
        finally:
            os._exit(0)

    def run(self) -> None:
        """Work until told to leave."""
        _log.info("worker is ready", worker=self.name)
        settings = self._settings
        with Heartbeat(
            self._worker_store,
            self.name,
            settings.lease_seconds,
            settings.hung_seconds,
            self._hung,
            settings.heartbeat_path,
        ) as heartbeat:
            self._progressed = heartbeat.progressed
            while not self._leaving.is_set():
                if not self._work():
                    self._leaving.wait(settings.poll_seconds)
        self._left.set()
        self._store.close()
        _log.info("worker has left", worker=self.name)

    def _keep_preparations(self, study: StudyRecord, data: Sequence[PreparedData]) -> None:
        """Keep what prepares raw rows for the models that can be kept: of the first fold, and of what is behind all."""
        if study.spec["dataset"]["kind"] != "uploaded":
            return
        fits = study.parsed_spec.resampling.fits
        for fold in {0, *range(fits, min(fits + 2, len(data)))}:
            path = preparation_path(study.id, fold)
            if self._artifacts.has(path):
                continue
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "preparation.skops")
                Preparation.of(data[fold]).save(file)
                self._artifacts.put(path, file)

    def _hung(self) -> None:
        """End this process, for nothing ends a thread that hangs; whoever started it starts it again."""
        os._exit(os.EX_SOFTWARE)

    def _work(self) -> bool:
        """Sweep one study; False when there was nothing to do or what is needed did not answer."""
        try:
            study = self._worker_store.next_study(self._study, self.name)
            return self._sweep(study) > 0 if study is not None else self._publish()
        except _PASSING as error:
            _log.error("the storage does not answer", worker=self.name, error=str(error))
            self._give_up()
        return False

    def _publish(self) -> bool:
        """Put the answer of a study that has ended into the dashboard; False when there is none to put."""
        study = self._worker_store.claim_unpublished(self._study)
        if study is None:
            return False
        # Whoever ended a trial that had one need not have been at the files.
        for study_id in self._worker_store.ids_with_parts(study):
            self._artifacts.remove_folder(checkpoints_folder(study_id))
        try:
            publish(self._store, self._artifacts, study)
        except _PASSING:
            raise
        # The answer stands in the report all the same, and another try would fail as well.
        except Exception:  # noqa: BLE001
            _log.exception("an answer is not shown in the dashboard", study=study.name)
            self._worker_store.set_published(study)
        return True

    def _give_up(self) -> None:
        """Let go of what an interrupted sweep held, which the heartbeat would hold for ever; it is not to blame."""
        seconds = self._settings.poll_seconds
        while not self._leaving.wait(seconds):
            seconds = min(2 * seconds, _MOST_SECONDS)
            try:
                self._worker_store.hand_back(self.name)
                return
            except _PASSING as error:
                _log.warning("leases not given up", worker=self.name, error=str(error))

    def _sweep(self, study: StudyRecord) -> int:
        self._progressed()
        self._worker_store.begin_turn(study)
        settings = self._settings
        holder = Holder(
            self.name,
            settings.lease_seconds,
            settings.turn_seconds,
            self._study,
            self._leaving.is_set,
            self._progressed,
        )
        try:
            spec = study.parsed_spec
            ledger = TrialLedger(self._store, self._artifacts, study, holder)
            data = self._prepare(spec.dataset, spec.seed, spec.resampling)
            self._keep_preparations(study, data)
            engine, shown = self._engine(spec, data)
            self._worker_store.record_engine(study.id, shown, facts(spec, data))
            return sweep(spec, data, ledger, engine, checkpoint_seconds=settings.checkpoint_seconds)
        except _PASSING:
            raise
        except (MemoryError, OutOfMemoryError) as error:
            _log.exception("trials ran out of memory", worker=self.name, study=study.name)
            ended = self._worker_store.end_attempts(self.name, Ending.OUT_OF_MEMORY, str(error))
            if not ended:  # the data alone does not fit
                self._worker_store.fail_study(study.id, f"out of memory: {error}", self.name)
            return ended
        # Anything else will happen again with every worker: the study ends, with the reason, and the workers live on.
        except Exception as error:  # noqa: BLE001
            _log.exception("a study cannot go on", worker=self.name, study=study.name)
            self._worker_store.fail_study(study.id, f"{type(error).__name__}: {error}", self.name)
            return 0


def facts(spec: StudySpec, data: Sequence[PreparedData]) -> dict[str, Any]:
    """What the API shows of a study's data without loading it."""
    whole = data[0] if spec.resampling.kind == "holdout" else data[spec.resampling.fits]
    dataset, rows, test = data[0].dataset, data[0].rows, len(whole.rows.test)
    train, judging = len(rows.train), len(rows.validation)
    if spec.resampling.nested:
        train, judging = train + judging, len(rows.test)
    return {
        "feature_names": list(dataset.feature_names),
        "class_names": list(dataset.class_names),
        "rows": {"train": train, "validation": judging, "test": test},
        "delivery_folds": max(0, len(data) - spec.resampling.fits - 2),
    }


def main(settings: Settings, study: str | None, attached: bool, name: str | None = None) -> None:
    """Run a worker in this process until SIGTERM, SIGINT or, when attached, the end of standard input."""
    database.check(settings.database_url)
    worker = Worker(settings, keras_engines(settings), study, name)
    if attached:
        announce_ready()
        logs.configure(settings.log_level)  # in colours where the fleet's standard error is a terminal
    serve(worker, attached)


def serve(worker: Worker, attached: bool) -> None:
    """Run a worker as the whole of this process."""
    faults.arm(os.environ.get("REGSWEEP_FAULT"))

    def leave() -> None:
        threading.Thread(target=worker.leave_within, args=(_LEAVING_SECONDS,), name="leaving", daemon=True).start()

    _leave_on_signals(leave)
    if attached:
        threading.Thread(target=_leave_with_parent, args=(leave,), name="parent", daemon=True).start()
    worker.run()


def worker_name() -> str:
    """A name that no other worker has."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"


def keras_engines(settings: Settings) -> EngineOf:
    """The engines of a worker; loads TensorFlow with one thread, for there is a worker a core."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # Its errors reach Python as exceptions; what it logs at that level is XLA wondering at its own kept programs.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN gains nothing on models of this size, rounds by the number of threads, and announces itself in every log.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    _keep_compiled_programs(settings.cache_folder / "programs" / fingerprint())
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from studies.training.engines import Engines

    engines = Engines(settings.lanes, settings.memory_share, settings.cache_folder)

    def engine_of(spec: StudySpec, data: Sequence[PreparedData]) -> tuple[Engine, Mapping[str, Any]]:
        choice = engines.choose(spec, data)
        return engines.make(choice, spec), asdict(choice)

    return engine_of


def _keep_compiled_programs(folder: Path) -> None:
    """Let XLA load what a worker of this machine has compiled before."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _log.warning("compiled programs are not kept", folder=str(folder), error=str(error))
        return
    os.environ.setdefault("TF_XLA_FLAGS", f"--tf_xla_persistent_cache_directory={folder}")


def _leave_on_signals(leave: Callable[[], None]) -> None:
    seen: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)
        leave()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


def _leave_with_parent(leave: Callable[[], None]) -> None:
    # The bare descriptor: a thread that waits in sys.stdin would hold its lock when the interpreter ends.
    while os.read(0, 1024):
        pass
    leave()
