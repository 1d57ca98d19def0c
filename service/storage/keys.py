"""API keys in the database: what identifies each, never the key itself."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from service.api_keys import ApiKey, new_signing_secret
from service.errors import NotFoundError
from service.scopes import Scope
from service.storage.database import unix_now
from service.storage.records import KeyRecord
from service.storage.store import Store

_DAY = 24 * 3600.0


class KeyStore:
    """Keys in the database. Every method is one transaction. Revoked ones stay, so that it is seen that they were."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, name: str, scope: Scope, days: float | None = None) -> ApiKey:
        """A new key, which is told here and never again; it expires after so many days."""
        key = ApiKey.make()
        record = KeyRecord(
            id=key.id,
            name=name,
            scope=scope,
            digest=key.digest,
            signing_secret=new_signing_secret(),
            created_at=unix_now(),
            expires_at=None if days is None else unix_now() + days * _DAY,
        )
        with self._store.writing() as session:
            session.add(record)
        return key

    def all(self) -> Sequence[KeyRecord]:
        """Every key that was made, oldest first."""
        with self._store.reading() as session:
            return session.scalars(sa.select(KeyRecord).order_by(KeyRecord.created_at, KeyRecord.id)).all()

    def any(self) -> bool:
        """Whether a key was ever made: also one that was revoked, or a leak that is closed would open the service."""
        with self._store.reading() as session:
            return session.scalar(sa.select(KeyRecord.id).limit(1)) is not None

    def any_usable(self) -> bool:
        """Whether somebody can use the service with a key."""
        with self._store.reading() as session:
            return session.scalar(sa.select(KeyRecord.id).where(_usable()).limit(1)) is not None

    def usable(self, key_id: str) -> KeyRecord | None:
        """The key of an id, unless it was revoked or has expired."""
        with self._store.reading() as session:
            return session.scalar(sa.select(KeyRecord).where(KeyRecord.id == key_id, _usable()))

    def revoke(self, key_id: str) -> None:
        """Let a key and every login with it be of no use from the next request on; NotFoundError when there is none."""
        mine = KeyRecord.id == key_id
        with self._store.writing() as session:
            if session.scalar(sa.select(KeyRecord.id).where(mine)) is None:
                raise NotFoundError(f"there is no key '{key_id}'; `regsweep keys list` shows the ids")
            revoked = sa.update(KeyRecord).where(mine, KeyRecord.revoked_at.is_(None))
            session.execute(revoked.values(revoked_at=unix_now()))

    def note_use(self, key_id: str) -> None:
        """Record that a key is in use."""
        with self._store.writing() as session:
            session.execute(sa.update(KeyRecord).where(KeyRecord.id == key_id).values(last_used_at=unix_now()))


def _usable() -> sa.ColumnElement[bool]:
    alive = sa.or_(KeyRecord.expires_at.is_(None), KeyRecord.expires_at > unix_now())
    return sa.and_(KeyRecord.revoked_at.is_(None), alive)
