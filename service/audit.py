"""The audit: one log line for each change, each refusal and each login, of the logger `audit` at the level info.

Who did it stands beside the event's own ids: the request's id and key, the worker, or the user of a command.
docs/operation.md has a table.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog

#: Each event with what it says; names are stable.
EVENTS: Mapping[str, str] = {
    "study.submitted": "a study was accepted",
    "study.changed": "its priority, its `max_workers` or its budget was changed",
    "study.paused": "it was paused",
    "study.resumed": "it was resumed",
    "study.ended": "it ended, with its state; again when an extension has ended, or its last trial left no result",
    "study.deleted": "it was deleted",
    "study.repaired": "`regsweep db check --repair` mended something of it",
    "trial.enqueued": "params were enqueued",
    "trial.invalidated": "a trial was marked invalid",
    "comparison.begun": "a comparison was asked for",
    "comparison.part_ended": "the search of a technique, or the confirmation, ended",
    "comparison.ended": "a comparison ended, with its state",
    "comparison.deleted": "a comparison was deleted",
    "dataset.added": "a version of a dataset was added",
    "dataset.deleted": "a dataset, or a version of it, was deleted",
    "dashboard.changed": "the Optuna dashboard changed something",
    "dashboard.refused": "a write of the Optuna dashboard was refused",
    "project.created": "a project was made",
    "project.changed": "it was given quotas of its own, or the server's again",
    "project.deleted": "it was deleted with its webhooks",
    "key.created": "an API key was made",
    "key.rotated": "an API key got a new secret",
    "key.revoked": "an API key was revoked",
    "secrets.rewrapped": "`regsweep db rewrap` wrapped the secrets in the database with the first key",
    "login.succeeded": "a browser logged in",
    "login.ended": "a login was ended by its logout, or in the list of logins",
    "login.refused": "a login was refused",
    "webhook.created": "a webhook was added",
    "webhook.changed": "its URL, events or project was changed, or it was disabled or enabled by a user",
    "webhook.rotated": "it got a new secret",
    "webhook.disabled": "it was disabled, for its receiver is gone or has not answered for long",
    "webhook.deleted": "a webhook was deleted",
    "request.refused": "a request was refused: 401, 403 or 429",
}

_log = structlog.get_logger("audit")
_WINDOW_SECONDS = 60.0
_MAX_REFUSALS = 60  # lines of one event a window; strangers must not fill the disk
_NO_LINES = logging.CRITICAL  # a level that no line of the audit has


class _Bound:
    """Lets some lines of each event through in a window, and counts the others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = -_WINDOW_SECONDS
        self._written, self._left_out = Counter[str](), Counter[str]()

    def admit(self, event: str) -> int | None:
        """The number of lines left out before this one; None when it is left out as well."""
        with self._lock:
            now = time.monotonic()
            if now - self._began >= _WINDOW_SECONDS:
                self._began = now
                self._written.clear()
            if self._written[event] >= _MAX_REFUSALS:
                self._left_out[event] += 1
                return None
            self._written[event] += 1
            return self._left_out.pop(event, 0)


_refusals = _Bound()


def set_shown(is_shown: bool) -> None:
    """Write lines, as from the start, or write none from now on."""
    logging.getLogger("audit").setLevel(logging.NOTSET if is_shown else _NO_LINES)


def record(event: str, **ids: object) -> None:
    """Write one line about an event of EVENTS, with the ids it is about; those that are None are left out.

    Raises ValueError when there is no such event.
    """
    if event not in EVENTS:
        raise ValueError(f"'{event}' is no event of the audit; choose from {', '.join(EVENTS)}")
    _log.info(event, **{name: value for name, value in ids.items() if value is not None})


@contextmanager
def by_user(name: str | None) -> Iterator[None]:
    """Name the user of a command that changes a database in its lines.

    They are written whatever the log's level, but where `set_shown` said that none are.
    """
    logger = logging.getLogger("audit")
    before = logger.level
    if before != _NO_LINES:
        logger.setLevel(logging.INFO)
    try:
        with structlog.contextvars.bound_contextvars(**({} if name is None else {"user": name})):
            yield
    finally:
        logger.setLevel(before)


def record_refusal(event: str, **ids: object) -> None:
    """Write one line about a refusal, at most 60 of an event a minute; the next one counts those that were left out."""
    left_out = _refusals.admit(event)
    if left_out is not None:
        record(event, **ids, left_out=left_out or None)
