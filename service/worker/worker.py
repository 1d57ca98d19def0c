"""The work of a worker process: find a study, sweep it, find the next."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError
from structlog.contextvars import bind_contextvars, bound_contextvars

from service import tracing
from service.settings import Settings
from service.storage.artifacts import Artifacts, checkpoints_folder, preparation_path
from service.storage.claiming import Holder
from service.storage.database_errors import exceeds_limit
from service.storage.dataset_files import DatasetFiles
from service.storage.ended_trials import EndedTrials
from service.storage.ledger import TrialLedger
from service.storage.records import StudyRecord
from service.storage.states import Activity, Ending
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from service.worker.heartbeat import Heartbeat
from service.worker.idle_pause import IdlePause
from service.worker.presence import Presence
from service.worker.publishing import publish
from service.worker.set_aside import SetAside
from service.worker.traced_ledger import TracedLedger
from studies.datasets.cache import PreparedCache
from studies.datasets.preparation import Preparation
from studies.datasets.preprocessing import PreparedData
from studies.errors import LeaseLostError, OutOfMemoryError
from studies.reasons import describe, one_line
from studies.spec.study import StudySpec
from studies.sweep.loop import sweep
from studies.training.machine import memory_bytes, resident_bytes
from studies.training.result import Engine

_log = structlog.get_logger(__name__)
#: Errors of the database and the artifacts, which may be gone at the next try.
_PASSING = (LeaseLostError, SQLAlchemyError, StorageInternalError, OSError)
#: Makes the engine of a study, and the choice of it that the API shows.
EngineOf = Callable[[StudySpec, Sequence[PreparedData]], tuple[Engine, Mapping[str, Any]]]
_MAX_REASON = 500  # characters of a database's error, which repeats the statement
_MAX_RETRY_SECONDS = 5.0  # between two tries of a database that is away
#: Before a worker counts as grown: one study may need more memory than its share, and would every time.
_MIN_STUDIES = 8
_MAX_PROGRAMS = 10  # of 30 to 50 MB each; to start anew takes about as long as to compile one


class Worker:
    """Claims trials of any study, or of one, and trains them until it is told to leave."""

    def __init__(
        self,
        settings: Settings,
        engine: EngineOf,
        study: str | None = None,
        name: str | None = None,
        compiled_programs: Callable[[], int] = int,
        presence: Presence | None = None,
    ) -> None:
        self.name = name or worker_name()
        self._compiled_programs = compiled_programs
        self._settings, self._engine, self._study = settings, engine, study
        self._store = Store(settings.database_url)
        self._worker_store = WorkerStore(self._store)
        self.presence = presence or Presence(self._worker_store, self.name, settings.lease_seconds)
        self._artifacts = Artifacts(settings.artifacts_url)
        files = DatasetFiles(self._artifacts, settings.cache_folder, settings.cache_bytes)
        self._prepare = PreparedCache(settings.dataset_memory_share * memory_bytes(), files)
        self._leaving, self._left, self._awake = threading.Event(), threading.Event(), threading.Event()
        self._leaves_when_idle = False
        self._note_progress: Callable[[], None] = lambda: None  # the heartbeat's
        # Its shares lie beyond what TensorFlow, which is loaded by now, takes itself.
        shares = settings.memory_share + settings.dataset_memory_share
        self._max_bytes = resident_bytes() + shares * memory_bytes()
        self._swept = set[int]()  # ids of studies
        self._set_aside = SetAside(settings.poll_seconds)
        self._ended_trials = EndedTrials()

    @property
    def has_grown(self) -> bool:
        """True when it has compiled many programs, or taken more memory than its shares, and served several studies.

        TensorFlow never frees a program that XLA compiled, whoever forgets it.
        """
        grown = self._compiled_programs() >= _MAX_PROGRAMS or resident_bytes() > self._max_bytes
        return grown and len(self._swept) >= _MIN_STUDIES

    @property
    def is_leaving(self) -> bool:
        """True once it was told to leave."""
        return self._leaving.is_set()

    def leave(self) -> None:
        """Hand running trials back at their next epoch, and return from `run`."""
        self._leaving.set()
        self._awake.set()

    def leave_when_idle(self) -> None:
        """Leave as soon as there is no work."""
        self._leaves_when_idle = True

    def wake(self) -> None:
        """Look for work now rather than at the next poll."""
        self._awake.set()

    def leave_within(self, seconds: float) -> None:
        """Leave; when no epoch ends within these seconds, hand the trials back as they are and exit the process."""
        self.leave()
        if self._left.wait(seconds):
            return
        try:
            freed = self._worker_store.hand_back(self.name)
            self.presence.remove()
            _log.warning("worker leaves in the middle of an epoch", worker=self.name, trials=freed)
        finally:
            os._exit(0)

    def run(self) -> None:
        """Work until told to leave, or until it has grown; then close the store."""
        bind_contextvars(worker=self.name)
        _log.info("worker is ready", worker=self.name)
        settings = self._settings
        with Heartbeat(
            self._worker_store,
            self.name,
            settings.lease_seconds,
            settings.hung_seconds,
            self._exit_hung,
            settings.heartbeat_path,
            self.presence,
        ) as heartbeat:
            self._note_progress = heartbeat.note_progress
            offer = self.presence.offer
            dialect, fleet = self._store.engine.dialect.name, None if offer is None else offer.fleet
            pause = IdlePause(settings.poll_seconds, dialect, fleet)
            while not self._leaving.is_set() and not self.has_grown:
                self._awake.clear()  # before looking, so that no call in between is lost
                if self._work():
                    pause.reset()
                elif not self._leaving.is_set():
                    if self._leaves_when_idle:
                        break
                    self.presence.show(Activity.IDLE)
                    if self._awake.wait(pause.next()):
                        pause.reset()
        self.presence.remove()
        self._left.set()
        self._store.close()
        _log.info("worker starts anew, for it has grown" if self.has_grown else "worker has left", worker=self.name)

    def _keep_preparations(self, study: StudyRecord, data: Sequence[PreparedData]) -> None:
        """Save the fitted preprocessing of the kept fold, the full split and all rows, for the models kept of them."""
        if study.spec["dataset"]["kind"] != "uploaded":
            return
        spec = study.parsed_spec
        fits = spec.resampling.fits
        for fold in {spec.kept_fold(range(fits)), *range(fits, min(fits + 2, len(data)))}:
            path = preparation_path(study.id, fold)
            if self._artifacts.has(path):
                continue
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "preparation.skops")
                Preparation.of(data[fold], spec.division).save(file)
                self._artifacts.put(path, file)

    def _exit_hung(self) -> None:
        """Exit the process, for a hanging thread cannot be ended; the fleet starts another."""
        os._exit(os.EX_SOFTWARE)

    def _work(self) -> bool:
        """Sweep or publish one study; return False when there is nothing to do, or the storage does not answer."""
        study: StudyRecord | None = None
        try:
            offer = self.presence.offer
            study = self._worker_store.take_up(self._study, self.name, self._set_aside.ids(), offer)
            if study is None:
                return self._publish()
            with bound_contextvars(study=study.name, study_id=study.id, **tracing.ids(study.traceparent)):
                went_on = self._sweep(study)
            self._set_aside.remove(study.id)
        except _PASSING as error:
            _log.error("the storage does not answer", worker=self.name, error=str(error))
        # A worker that exited would leave its study to the next one, and no other would be served.
        except Exception:  # noqa: BLE001
            _log.exception("a worker cannot go on with what it does", worker=self.name)
        else:
            return went_on
        if study is not None:
            seconds = self._set_aside.add(study.id)
            _log.warning("a study is set aside for a while", worker=self.name, study=study.name, seconds=seconds)
        self._release_leases()
        return False

    def _publish(self) -> bool:
        """Publish one ended study; return False when there is none."""
        study = self._worker_store.claim_unpublished(self._study)
        if study is None:
            return False
        self.presence.show(Activity.PUBLISHING, study.id)
        # A process that ended a trial may have been unable to remove its checkpoint.
        for study_id in self._worker_store.ids_with_parts(study):
            self._artifacts.remove_folder(checkpoints_folder(study_id))
        try:
            publish(self._store, self._artifacts, study, self._settings.root_path)
        except _PASSING:
            raise
        # The report shows the same, and another try would fail as well.
        except Exception:  # noqa: BLE001
            if not self._worker_store.exists(study):
                _log.info("a study was deleted while it was published", study=study.name)
                return True
            _log.exception("an answer is not shown in the dashboard", study=study.name)
            self._worker_store.set_published(study)
        return True

    def _release_leases(self) -> None:
        """Release this worker's leases after a storage error; the attempts do not count.

        The heartbeat would renew them for ever.
        """
        seconds = self._settings.poll_seconds
        while not self._leaving.wait(seconds):
            seconds = min(2 * seconds, _MAX_RETRY_SECONDS)
            try:
                self._worker_store.hand_back(self.name)
                return
            except _PASSING as error:
                _log.warning("leases not given up", worker=self.name, error=str(error))

    def _sweep(self, study: StudyRecord) -> bool:
        """Sweep a study for a turn, or end it; return False when there was nothing to claim."""
        self._note_progress()
        # An error sets the study aside: a later version may have written it, whose workers can read it.
        spec = study.parsed_spec
        self._swept.add(study.id)
        self.presence.show(Activity.LOADING_DATA, study.id)
        settings = self._settings
        holder = Holder(
            self.name,
            settings.lease_seconds,
            settings.turn_seconds,
            self._study,
            self._leaving.is_set,
            self._note_progress,
            self.presence.offer,
        )
        try:
            data = self._prepare(spec.dataset, spec.seed, spec.resampling, spec.lookups)
            self._keep_preparations(study, data)
            with self.presence.compiling():
                engine, choice = self._engine(spec, data)
            self._worker_store.record_engine(study.id, choice, facts(spec, data))
            self.presence.show(Activity.TRAINING, study.id)
            ledger = self._ledger(study, holder, choice)
            sweep(spec, data, ledger, engine, checkpoint_seconds=settings.checkpoint_seconds)
        except _PASSING as error:
            if not exceeds_limit(error):
                raise
            _log.exception("a study's rows are larger than the database takes", worker=self.name, study=study.name)
            self._worker_store.fail_study(study.id, f"the database refuses its rows: {error}"[:_MAX_REASON], self.name)
        except (MemoryError, OutOfMemoryError) as error:
            _log.exception("trials ran out of memory", worker=self.name, study=study.name)
            ended = self._worker_store.end_attempts(self.name, Ending.OUT_OF_MEMORY, one_line(str(error)))
            if not ended:  # the data alone does not fit
                self._worker_store.fail_study(study.id, f"out of memory: {one_line(str(error))}", self.name)
        # Any other error would happen to every worker: the study ends with the reason, and the workers go on.
        except Exception as error:  # noqa: BLE001
            _log.exception("a study cannot go on", worker=self.name, study=study.name)
            self._worker_store.fail_study(study.id, describe(error), self.name)
        else:
            return ledger.has_claimed
        return True

    def _ledger(self, study: StudyRecord, holder: Holder, choice: Mapping[str, Any]) -> TrialLedger:
        if tracing.is_on():
            return TracedLedger(self._store, self._artifacts, study, holder, self._ended_trials, choice)
        return TrialLedger(self._store, self._artifacts, study, holder, self._ended_trials)


def facts(spec: StudySpec, data: Sequence[PreparedData]) -> dict[str, Any]:
    """The facts of a study's data that the API shows and a confirmation needs: names, and counts of rows."""
    full_split = data[0] if spec.resampling.kind == "holdout" else data[spec.resampling.fits]
    dataset, rows, test = data[0].dataset, data[0].rows, len(full_split.rows.test)
    train, validation = len(rows.train), len(rows.validation)
    if spec.resampling.nested:  # which judges by the fold's test rows
        train, validation = train + validation, len(rows.test)
    return {
        "feature_names": list(dataset.feature_names),
        "class_names": list(dataset.class_names),
        "rows": {"train": train, "validation": validation, "test": test},
        "delivery_folds": max(0, len(data) - spec.resampling.fits - 2),
    }


def worker_name() -> str:
    """A name that no other worker has."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
