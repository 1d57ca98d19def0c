"""Sessions of browsers that are logged in with a key, by their digests; an ended one is no longer there."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from service import audit
from service.api_keys import SessionToken
from service.storage.clock import unix_now
from service.storage.keys import is_usable
from service.storage.records import KeyRecord, SessionRecord, has_name
from service.storage.store import Store

MAX_SECONDS = 12 * 3600
MAX_SESSIONS = 100  # of a key; a login more ends the oldest
_SEEN_SECONDS = 300.0  # between two records of a session's last request, for each is a write
_MAX_USER_AGENT = 100


class SessionStore:
    """Sessions in the database. Every method is one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, key: KeyRecord, user_agent: str) -> SessionToken:
        """Begin a session, which lasts 12 hours and no longer than its key; sweep those that have expired."""
        token = SessionToken.make()
        mine = sa.select(SessionRecord.id).where(SessionRecord.key_id == key.id)
        newest = mine.order_by(SessionRecord.created_at.desc(), SessionRecord.id).limit(MAX_SESSIONS - 1)
        too_many = sa.and_(SessionRecord.key_id == key.id, SessionRecord.id.not_in(newest.scalar_subquery()))
        with self._store.writing() as session:
            session.execute(sa.delete(SessionRecord).where(sa.or_(SessionRecord.expires_at <= unix_now(), too_many)))
            now = session.scalar(sa.select(unix_now())) or 0.0
            record = SessionRecord(
                id=token.id,
                key_id=key.id,
                digest=token.digest,
                created_at=now,
                expires_at=now + MAX_SECONDS if key.expires_at is None else min(now + MAX_SECONDS, key.expires_at),
                seen_at=now,
                user_agent="".join(filter(str.isprintable, user_agent))[:_MAX_USER_AGENT],
            )
            session.add(record)
        return token

    def find_key(self, token: SessionToken) -> KeyRecord | None:
        """The key of a session; None when the session has ended or its key is not usable. Records that it was seen."""
        alive = sa.and_(SessionRecord.id == token.id, SessionRecord.expires_at > unix_now(), is_usable())
        joined = sa.select(KeyRecord, SessionRecord, unix_now()).join(
            SessionRecord, SessionRecord.key_id == KeyRecord.id
        )
        with self._store.reading() as session:
            found = session.execute(joined.where(alive)).one_or_none()
        if found is None or not token.fits(found[1].digest):
            return None
        key, record, now = found
        if now - record.seen_at > _SEEN_SECONDS:
            with self._store.writing() as session:
                seen = sa.update(SessionRecord).where(SessionRecord.id == record.id)
                session.execute(seen.values(seen_at=unix_now()))
        return key

    def list_sessions(self, key_id: str) -> Sequence[SessionRecord]:
        """The sessions of a key that have not ended, newest first."""
        alive = sa.and_(SessionRecord.key_id == key_id, SessionRecord.expires_at > unix_now())
        with self._store.reading() as session:
            query = sa.select(SessionRecord).where(alive)
            return session.scalars(query.order_by(SessionRecord.created_at.desc(), SessionRecord.id)).all()

    def end(self, session_id: str, key_id: str | None = None) -> bool:
        """End a session, of the key where one is named; return whether there was one."""
        alive = sa.and_(has_name(SessionRecord.id, session_id), SessionRecord.expires_at > unix_now())
        mine = alive if key_id is None else sa.and_(alive, SessionRecord.key_id == key_id)
        with self._store.writing() as session:
            ended = session.scalar(sa.delete(SessionRecord).where(mine).returning(SessionRecord.key_id))
        if ended is not None:
            audit.record("login.ended", key_id=ended, sessions=1)
        return ended is not None

    def end_all(self, key_id: str) -> int:
        """End all sessions of a key; return how many that were."""
        with self._store.writing() as session:
            every = sa.delete(SessionRecord).where(SessionRecord.key_id == key_id).returning(SessionRecord.id)
            count = len(session.scalars(every).all())
        if count:
            audit.record("login.ended", key_id=key_id, sessions=count)
        return count
