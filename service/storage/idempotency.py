"""Does a request with an Idempotency-Key once, and repeats its answer word for word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import KeyReusedError
from service.storage import database
from service.storage.database import unix_now
from service.storage.records import RequestRecord
from service.storage.store import Store
from studies import faults

_KEPT_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request."""

    body: str
    location: str | None = None
    repeated: bool = False  # whether it was sent before


def run_once(store: Store, idempotency_key: str | None, request: str, act: Callable[[Session], Answer]) -> Answer:
    """Act in one transaction and keep its answer; for a key used before, return its answer and do nothing.

    Raises KeyReusedError when the key was used with another request.
    """
    if idempotency_key is None:
        with database.transaction(store.optuna) as session:
            return act(session)
    fingerprint = sha256(request.encode()).hexdigest()
    try:
        faults.point("request received")
        with database.transaction(store.optuna) as session:
            record = session.get(RequestRecord, idempotency_key)
            answer = (
                _act(session, idempotency_key, fingerprint, act) if record is None else _repeat(record, fingerprint)
            )
            faults.point("before the request commits")
        faults.point("after the request commits")
        return answer
    except _KeyInUseError:
        # The same request came twice at once: the other one is answered by now.
        with store.reading() as session:
            return _repeat(session.get_one(RequestRecord, idempotency_key), fingerprint)


class _KeyInUseError(Exception):
    """Another transaction used the key in between."""


def _act(session: Session, idempotency_key: str, fingerprint: str, act: Callable[[Session], Answer]) -> Answer:
    session.execute(sa.delete(RequestRecord).where(RequestRecord.created_at < unix_now() - _KEPT_SECONDS))
    record = RequestRecord(key=idempotency_key, fingerprint=fingerprint, answer="", created_at=unix_now())
    session.add(record)
    try:
        # Now, so that the same key waits for the end of this transaction.
        session.flush()
    except sa.exc.IntegrityError as error:
        raise _KeyInUseError from error
    answer = act(session)
    record.answer, record.location = answer.body, answer.location
    return answer


def _repeat(record: RequestRecord, fingerprint: str) -> Answer:
    if record.fingerprint != fingerprint:
        raise KeyReusedError(record.key)
    return Answer(record.answer, record.location, repeated=True)
