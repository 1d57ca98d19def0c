"""Does a request with an Idempotency-Key once, and repeats its answer word for word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import KeyReusedError
from service.storage.access import Access
from service.storage.clock import unix_now
from service.storage.records import RequestRecord
from service.storage.store import Store
from studies import faults

_KEPT_SECONDS = 7 * 24 * 3600.0
_BEFORE = "before"  # in place of the API key's id, of a request that came before they were kept


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request."""

    body: str
    location: str | None = None
    repeated: bool = False  # whether it was sent before


def run_once(store: Store, idempotency_key: str | None, request: str, act: Callable[[Session], Answer]) -> Answer:
    """Act in one transaction and keep its answer; for a key used before, return its answer and do nothing.

    The idempotency keys of an API key are its own: another may use the same, and neither meets the other's answer.

    Raises KeyReusedError when the key was used with another request.
    """
    if idempotency_key is None:
        with store.transaction() as session:
            return act(session)
    fingerprint = sha256(request.encode()).hexdigest()
    try:
        faults.point("request received")
        with store.transaction() as session:
            record = _find(session, store.access, idempotency_key)
            answer = (
                _act(session, store.access.key_id, idempotency_key, fingerprint, act)
                if record is None
                else _repeat(record, fingerprint)
            )
            faults.point("before the request commits")
        faults.point("after the request commits")
        return answer
    except _KeyInUseError:
        # The same request came twice at once: the other one is answered by now.
        with store.reading() as session:
            return _repeat(session.get_one(RequestRecord, (store.access.key_id, idempotency_key)), fingerprint)


class _KeyInUseError(Exception):
    """Another transaction used the key in between."""


def _find(session: Session, access: Access, idempotency_key: str) -> RequestRecord | None:
    record = session.get(RequestRecord, (access.key_id, idempotency_key))
    # Which key it came with was not kept by earlier versions, whose keys saw every project.
    if record is None and access.projects is None:
        record = session.get(RequestRecord, (_BEFORE, idempotency_key))
    return record


def _act(
    session: Session, api_key: str, idempotency_key: str, fingerprint: str, act: Callable[[Session], Answer]
) -> Answer:
    session.execute(sa.delete(RequestRecord).where(RequestRecord.created_at < unix_now() - _KEPT_SECONDS))
    record = RequestRecord(
        api_key=api_key, key=idempotency_key, fingerprint=fingerprint, answer="", created_at=unix_now()
    )
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
