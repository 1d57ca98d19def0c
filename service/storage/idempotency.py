"""Requests that may be repeated: what an Idempotency-Key did is done once, and its answer given again word for word."""

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
    """What a request was answered with."""

    body: str
    location: str | None = None
    repeated: bool = False  # whether it was given before


def once(store: Store, key: str | None, asked: str, act: Callable[[Session], Answer]) -> Answer:
    """Act in one transaction and keep its answer; for a key that has been seen give that answer and do nothing.

    KeyReusedError when the key came with something else.
    """
    if key is None:
        with database.transaction(store.optuna) as session:
            return act(session)
    fingerprint = sha256(asked.encode()).hexdigest()
    try:
        faults.point("request received")
        with database.transaction(store.optuna) as session:
            known = session.get(RequestRecord, key)
            answer = _act(session, key, fingerprint, act) if known is None else _again(known, fingerprint)
            faults.point("before the request commits")
        faults.point("after the request commits")
        return answer
    except _SeenError:
        # The same request came in twice at once: the other one has been answered now.
        with store.reading() as session:
            return _again(session.get_one(RequestRecord, key), fingerprint)


class _SeenError(Exception):
    """The key came in between."""


def _act(session: Session, key: str, fingerprint: str, act: Callable[[Session], Answer]) -> Answer:
    session.execute(sa.delete(RequestRecord).where(RequestRecord.created_at < unix_now() - _KEPT_SECONDS))
    kept = RequestRecord(key=key, fingerprint=fingerprint, answer="", created_at=unix_now())
    session.add(kept)
    try:
        # Now, so that the same key waits for the end of this transaction.
        session.flush()
    except sa.exc.IntegrityError as error:
        raise _SeenError from error
    answer = act(session)
    kept.answer, kept.location = answer.body, answer.location
    return answer


def _again(kept: RequestRecord, fingerprint: str) -> Answer:
    if kept.fingerprint != fingerprint:
        raise KeyReusedError(kept.key)
    return Answer(kept.answer, kept.location, repeated=True)
