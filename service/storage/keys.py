"""API keys in the database, by their digests; never the keys themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service import audit
from service.api_keys import ApiKey
from service.errors import ConflictError, NotFoundError, UnauthenticatedError
from service.scopes import Scope
from service.storage import quotas
from service.storage.clock import unix_now
from service.storage.locking import name_like
from service.storage.records import KeyRecord, SessionRecord, has_name
from service.storage.store import Store
from studies.spec.name import normalize


class KeyStore:
    """API keys in the database; revoked ones stay on record. Every method is one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(
        self, name: str, scope: Scope, seconds: float | None = None, projects: Collection[str] | None = None
    ) -> ApiKey:
        """Make a key, which is returned here and never again; it expires after so many seconds.

        It is limited to the projects, if any are named.

        Raises ConflictError when a key of this name, in letters of whatever case, was made before, also one that was
        revoked.
        Raises NotFoundError when one of the projects does not exist.
        """
        api_key = ApiKey.make()
        record = KeyRecord(
            id=api_key.id,
            name=normalize(name.strip()),
            scope=scope,
            projects=sorted(projects) if projects else None,
            digest=api_key.digest,
            created_at=unix_now(),
            expires_at=None if seconds is None else unix_now() + seconds,
        )
        with self._store.writing() as session:
            if (known := name_like(session, KeyRecord.name, name)) is not None:
                raise ConflictError(
                    f"there is a key '{known}', or was one; choose another name, or give it a new secret: "
                    "`regsweep keys rotate`"
                )
            for project in projects or ():
                quotas.find_project(session, self._store.access, project, lock=True)
            session.add(record)
        told = {"name": record.name, "scope": scope, "projects": record.projects, "seconds": seconds}
        audit.record("key.created", key_id=api_key.id, **told)
        return api_key

    def rotate(self, name_or_id: str, grace_seconds: float, seconds: float | None = None) -> ApiKey:
        """Give a key a new secret, which is returned here and never again; the old one stays valid for the grace.

        Its logins end with the grace at the latest. `seconds` is the new time until it expires, None leaves it.

        Raises NotFoundError when there is none, ConflictError when it was revoked, or has expired and would stay so.
        """
        with self._store.writing() as session:
            record = _find(session, name_or_id, lock=True)
            now = session.scalar(sa.select(unix_now())) or 0.0
            is_expired = record.expires_at is not None and record.expires_at <= now
            if record.revoked_at is not None:
                raise ConflictError(
                    f"the key '{record.name}' was revoked; make another, of another name, with `regsweep keys create`"
                )
            if is_expired and seconds is None:
                raise ConflictError(
                    f"the key '{record.name}' has expired; say with --expires how long the new one lasts"
                )
            api_key = ApiKey.make(record.id)
            record.old_digest, record.old_until = record.digest, now if is_expired else now + grace_seconds
            record.digest = api_key.digest
            if seconds is not None:
                record.expires_at = now + seconds
            late = sa.update(SessionRecord).where(
                SessionRecord.key_id == record.id, SessionRecord.expires_at > record.old_until
            )
            session.execute(late.values(expires_at=record.old_until))
        audit.record("key.rotated", key_id=record.id, name=record.name, grace_seconds=grace_seconds)
        return api_key

    def list_keys(self) -> Sequence[KeyRecord]:
        """Every key that was made, oldest first."""
        with self._store.reading() as session:
            return session.scalars(sa.select(KeyRecord).order_by(KeyRecord.created_at, KeyRecord.id)).all()

    def session_counts(self) -> Mapping[str, int]:
        """How many browsers are logged in with each key, by its id; keys with none are left out."""
        alive = sa.select(SessionRecord.key_id, sa.func.count()).where(SessionRecord.expires_at > unix_now())
        with self._store.reading() as session:
            return {row[0]: row[1] for row in session.execute(alive.group_by(SessionRecord.key_id))}

    def has_keys(self) -> bool:
        """Return whether a key was ever made, also a revoked one: revoking a leaked key must not open the service."""
        with self._store.reading() as session:
            return session.scalar(sa.select(KeyRecord.id).limit(1)) is not None

    def has_usable_keys(self) -> bool:
        """Return whether there is a key that is neither revoked nor expired."""
        with self._store.reading() as session:
            return session.scalar(sa.select(KeyRecord.id).where(is_usable()).limit(1)) is not None

    def find(self, name_or_id: str) -> KeyRecord:
        """Find a key, also one that was revoked.

        Raises NotFoundError when there is none.
        """
        with self._store.reading() as session:
            return _find(session, name_or_id)

    def authenticate(self, api_key: ApiKey) -> KeyRecord:
        """Find the record of a key that may be used.

        Raises UnauthenticatedError, which says why only to those who have its secret.
        """
        with self._store.reading() as session:
            found = session.execute(sa.select(KeyRecord, unix_now()).where(KeyRecord.id == api_key.id)).one_or_none()
        if found is None:
            raise UnauthenticatedError("this key is not known")
        record, now = found
        is_old = record.old_digest is not None and api_key.fits(record.old_digest)
        if not is_old and not api_key.fits(record.digest):
            raise UnauthenticatedError("this key is not known")
        if record.revoked_at is not None:
            raise UnauthenticatedError(f"this key was revoked on {_day(record.revoked_at)}")
        if record.expires_at is not None and record.expires_at <= now:
            raise UnauthenticatedError(f"this key expired on {_day(record.expires_at)}")
        if is_old and (record.old_until or 0.0) <= now:
            raise UnauthenticatedError("this key was replaced by a new one of the same name")
        return record

    def revoke(self, name_or_id: str) -> None:
        """End a key and every login with it, from the next request on.

        Raises NotFoundError when there is none.
        """
        with self._store.writing() as session:
            record = _find(session, name_or_id, lock=True)
            is_new = record.revoked_at is None
            if is_new:
                record.revoked_at = session.scalar(sa.select(unix_now()))
            session.execute(sa.delete(SessionRecord).where(SessionRecord.key_id == record.id))
        if is_new:
            audit.record("key.revoked", key_id=record.id, name=record.name)

    def note_use(self, key_id: str) -> None:
        """Record that a key was used now."""
        with self._store.writing() as session:
            session.execute(sa.update(KeyRecord).where(KeyRecord.id == key_id).values(last_used_at=unix_now()))


def is_usable() -> sa.ColumnElement[bool]:
    """The condition that a key was not revoked and has not expired."""
    alive = sa.or_(KeyRecord.expires_at.is_(None), KeyRecord.expires_at > unix_now())
    return sa.and_(KeyRecord.revoked_at.is_(None), alive)


def _find(session: Session, name_or_id: str, *, lock: bool = False) -> KeyRecord:
    """The key of an id, else of a name."""
    for condition in (has_name(KeyRecord.id, name_or_id), has_name(KeyRecord.name, name_or_id)):
        query = sa.select(KeyRecord).where(condition)
        record = session.scalar(query.with_for_update() if lock else query)
        if record is not None:
            return record
    raise NotFoundError(f"there is no key '{name_or_id}'; `regsweep keys list` shows names and ids")


def _day(instant: float) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%d}"
