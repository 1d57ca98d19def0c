"""API keys in the database, by their digests; never the keys themselves."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from service import audit
from service.api_keys import ApiKey, new_signing_secret
from service.errors import NotFoundError
from service.scopes import Scope
from service.storage.database import unix_now
from service.storage.records import KeyRecord
from service.storage.store import Store

_DAY = 24 * 3600.0


class KeyStore:
    """API keys in the database; revoked ones stay on record. Every method is one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, name: str, scope: Scope, days: float | None = None) -> ApiKey:
        """Make a key, which is returned here and never again; it expires after so many days."""
        api_key = ApiKey.make()
        record = KeyRecord(
            id=api_key.id,
            name=name,
            scope=scope,
            digest=api_key.digest,
            signing_secret=new_signing_secret(),
            created_at=unix_now(),
            expires_at=None if days is None else unix_now() + days * _DAY,
        )
        with self._store.writing() as session:
            session.add(record)
        audit.record("key.created", key_id=api_key.id, name=name, scope=scope, days=days)
        return api_key

    def list_keys(self) -> Sequence[KeyRecord]:
        """Every key that was made, oldest first."""
        with self._store.reading() as session:
            return session.scalars(sa.select(KeyRecord).order_by(KeyRecord.created_at, KeyRecord.id)).all()

    def has_keys(self) -> bool:
        """Return whether a key was ever made, also a revoked one: revoking a leaked key must not open the service."""
        with self._store.reading() as session:
            return session.scalar(sa.select(KeyRecord.id).limit(1)) is not None

    def has_usable_keys(self) -> bool:
        """Return whether there is a key that is neither revoked nor expired."""
        with self._store.reading() as session:
            return session.scalar(sa.select(KeyRecord.id).where(_usable()).limit(1)) is not None

    def find_usable(self, key_id: str) -> KeyRecord | None:
        """The key of an id; None when it was revoked, has expired or never was."""
        with self._store.reading() as session:
            return session.scalar(sa.select(KeyRecord).where(KeyRecord.id == key_id, _usable()))

    def revoke(self, key_id: str) -> None:
        """End a key and every login with it, from the next request on.

        Raises NotFoundError when there is none.
        """
        with_id = KeyRecord.id == key_id
        with self._store.writing() as session:
            if session.scalar(sa.select(KeyRecord.id).where(with_id)) is None:
                raise NotFoundError(f"there is no key '{key_id}'; `regsweep keys list` shows the ids")
            revoked = sa.update(KeyRecord).where(with_id, KeyRecord.revoked_at.is_(None))
            session.execute(revoked.values(revoked_at=unix_now()))
        audit.record("key.revoked", key_id=key_id)

    def note_use(self, key_id: str) -> None:
        """Record that a key was used now."""
        with self._store.writing() as session:
            session.execute(sa.update(KeyRecord).where(KeyRecord.id == key_id).values(last_used_at=unix_now()))


def _usable() -> sa.ColumnElement[bool]:
    alive = sa.or_(KeyRecord.expires_at.is_(None), KeyRecord.expires_at > unix_now())
    return sa.and_(KeyRecord.revoked_at.is_(None), alive)
