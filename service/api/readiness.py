"""Checks whether this server can do its work: database, schema, artifacts, workers; each bounded in time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import monotonic
from typing import Literal

import structlog
from sqlalchemy.exc import SQLAlchemyError

from service.api.lazy_store import LazyStore
from service.errors import StorageError
from service.storage import orphans, schema, workers
from service.storage.artifacts import Artifacts

_log = structlog.get_logger(__name__)

_BOUND_SECONDS = 3.0  # for all checks together; one that lasts longer has failed
_FRESH_SECONDS = 3.0  # in which an answer is given again
_LOOKED_FOR = 5  # datasets and models, of which one at least must be there: a single lost file stops no server


Name = Literal["database", "schema", "artifacts", "workers"]


class NotReadyError(Exception):
    """Something that a check looked at is not as it must be; the text is for who has a key."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found."""

    is_ok: bool
    detail: str  # names hosts and paths: for who has a key


class Readiness:
    """The checks by their names, made at most every few seconds, each in a thread of its own."""

    def __init__(self, lazy_store: LazyStore, artifacts: Artifacts, lease_seconds: float) -> None:
        self._lazy_store, self._artifacts, self._lease_seconds = lazy_store, artifacts, lease_seconds
        self._checks: Mapping[Name, Callable[[], str]] = {
            "database": self._check_database,
            "schema": self._check_schema,
            "artifacts": self._check_artifacts,
            "workers": self._check_workers,
        }
        self._pool = ThreadPoolExecutor(len(self._checks), thread_name_prefix="readiness")
        self._running: dict[Name, Future[str]] = {}
        self._lock = threading.Lock()
        self._found: dict[Name, Check] = {}
        self._found_at = -_FRESH_SECONDS

    def check(self) -> dict[Name, Check]:
        """Check everything, or give what was found a moment ago."""
        with self._lock:
            if monotonic() - self._found_at >= _FRESH_SECONDS:
                found = self._check_all()
                _log_changes(self._found, found)
                self._found, self._found_at = found, monotonic()
            return self._found

    def close(self) -> None:
        """Wait for no check that still runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check_all(self) -> dict[Name, Check]:
        # One that hangs is asked no second time, or threads would pile up.
        for name, check in self._checks.items():
            if name not in self._running:
                self._running[name] = self._pool.submit(check)
        wait(self._running.values(), _BOUND_SECONDS)
        return {name: self._result(name) for name in self._checks}

    def _result(self, name: Name) -> Check:
        future = self._running[name]
        if not future.done():
            return Check(False, f"no answer within {_BOUND_SECONDS:g} seconds")
        del self._running[name]
        try:
            return Check(True, future.result())
        except (NotReadyError, StorageError, SQLAlchemyError) as error:
            return Check(False, str(getattr(error, "orig", error)))

    def _check_database(self) -> str:
        schema.check_writable(self._lazy_store.get().engine)
        return "a row was written"

    def _check_schema(self) -> str:
        schema.check_current(self._lazy_store.get().engine)
        return f"the schema is {schema.HEAD}"

    def _check_artifacts(self) -> str:
        paths = self._kept_paths()
        self._artifacts.check_reachable()
        # A folder that is not mounted can be written all the same. Twice, for they may be deleted at this moment.
        if self._lacks(paths) and self._lacks(self._kept_paths()):
            raise NotReadyError(
                "none of the files that the database names is there; see whether REGSWEEP_ARTIFACTS_URL names the "
                "right place, and whether it is mounted"
            )
        return "they can be reached"

    def _kept_paths(self) -> list[str]:
        try:
            return orphans.oldest_paths(self._lazy_store.get(), _LOOKED_FOR)
        except (StorageError, SQLAlchemyError):  # which the check of the database tells
            return []

    def _lacks(self, paths: Sequence[str]) -> bool:
        return bool(paths) and not any(map(self._artifacts.has, paths))

    def _check_workers(self) -> str:
        with self._lazy_store.get().reading() as session:
            silent = sorted(workers.silent_seconds(session))
        if not silent:
            raise NotReadyError("no worker is alive")
        if silent[0] > self._lease_seconds:
            raise NotReadyError(f"no worker gave a sign of life in the last {silent[0]:.0f} seconds")
        if len(silent) == 1:
            return f"1 alive; its last sign of life was {silent[0]:.0f} seconds ago"
        return f"{len(silent)} alive; their last signs of life were {silent[0]:.0f} to {silent[-1]:.0f} seconds ago"


def _log_changes(before: Mapping[Name, Check], now: Mapping[Name, Check]) -> None:
    for name, check in now.items():
        was_ok = before[name].is_ok if name in before else True
        if was_ok and not check.is_ok:
            _log.warning("not ready", check=name, detail=check.detail)
        elif check.is_ok and not was_ok:
            _log.info("ready again", check=name)
