"""Webhooks: what users add, change and look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from secrets import token_hex

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service import audit
from service.errors import ConflictError, InvalidWebhookError, NotFoundError
from service.storage import quotas
from service.storage.clock import unix_now
from service.storage.records import DeliveryRecord, WebhookRecord, has_name
from service.storage.states import DeliveryStatus, Event
from service.storage.store import Store

MAX_WEBHOOKS = 100  # each end of a study is a row for each of them


@dataclass(frozen=True, slots=True)
class WebhookChanges:
    """What of a webhook a user changes; None leaves it. Not whose studies it is told of."""

    url: str | None = None
    events: Sequence[Event] | None = None
    enabled: bool | None = None


class WebhookStore:
    """Webhooks in the database, as far as a key sees their projects. Every method is one transaction.

    Methods that take an id raise NotFoundError when no webhook that is to be seen has it.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._access = store, store.access

    def add(self, url: str, events: Sequence[Event], project: str | None, wrapped_secret: str) -> WebhookRecord:
        """Add a webhook for the studies of a project, or of all where the key sees all and none is named.

        Raises ConflictError when there are too many, InvalidWebhookError when there is no such project, and
        BadRequestError when the key is limited to several and none is named.
        """
        with self._store.writing() as session:
            if project is not None or self._access.projects is not None:
                project = self._lock_project(session, project)
            if (session.scalar(sa.select(sa.func.count()).select_from(WebhookRecord)) or 0) >= MAX_WEBHOOKS:
                raise ConflictError(f"there are {MAX_WEBHOOKS} webhooks, and there may be no more; remove one first")
            record = WebhookRecord(
                id=token_hex(8),
                url=url,
                events=[str(event) for event in events],
                project=project,
                secret=wrapped_secret,
                created_by=self._access.name,
                created_at=session.scalar(sa.select(unix_now())) or 0.0,
            )
            session.add(record)
        return record

    def list_webhooks(self) -> Sequence[WebhookRecord]:
        """The webhooks that are to be seen, oldest first."""
        query = sa.select(WebhookRecord).order_by(WebhookRecord.created_at, WebhookRecord.id)
        with self._store.reading() as session:
            return [record for record in session.scalars(query) if self._sees(record)]

    def find(self, webhook_id: str) -> WebhookRecord:
        """The webhook of an id."""
        with self._store.reading() as session:
            return self._find(session, webhook_id)

    def change(self, webhook_id: str, changes: WebhookChanges) -> WebhookRecord:
        """Change a webhook; one that is enabled again is sent what still waited for it."""
        with self._store.writing() as session:
            record = self._find(session, webhook_id, lock=True)
            record.url = record.url if changes.url is None else changes.url
            record.events = record.events if changes.events is None else [str(event) for event in changes.events]
            if changes.enabled:
                record.disabled_at, record.disabled_reason = None, None
            elif changes.enabled is not None and record.disabled_at is None:
                record.disabled_at = session.scalar(sa.select(unix_now()))
                record.disabled_reason = "disabled by a user"
        audit.record("webhook.changed", webhook_id=webhook_id)
        return record

    def rotate(self, webhook_id: str, wrapped_secret: str, grace_seconds: float) -> WebhookRecord:
        """Give a webhook a new secret; the one before signs beside it for the grace, one still before no more."""
        with self._store.writing() as session:
            record = self._find(session, webhook_id, lock=True)
            until = (session.scalar(sa.select(unix_now())) or 0.0) + grace_seconds
            record.old_secret, record.old_until = (record.secret, until) if grace_seconds > 0 else (None, None)
            record.secret = wrapped_secret
        audit.record("webhook.rotated", webhook_id=webhook_id, grace_seconds=grace_seconds)
        return record

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook with all that waits for it."""
        with self._store.writing() as session:
            session.delete(self._find(session, webhook_id, lock=True))
        audit.record("webhook.deleted", webhook_id=webhook_id)

    def rewrap(self, rewrap: Callable[[str], str]) -> int:
        """Wrap the secret of every webhook anew, or none when one cannot be; return how many there are."""
        with self._store.writing() as session:
            records = session.scalars(sa.select(WebhookRecord).order_by(WebhookRecord.id).with_for_update()).all()
            for record in records:
                record.secret = rewrap(record.secret)
                record.old_secret = None if record.old_secret is None else rewrap(record.old_secret)
        audit.record("secrets.rewrapped", secrets=len(records))
        return len(records)

    def deliveries(self, webhook_id: str, limit: int) -> Sequence[DeliveryRecord]:
        """What a webhook was told or is yet to be told, newest first."""
        with self._store.reading() as session:
            webhook = self._find(session, webhook_id)
            mine = sa.select(DeliveryRecord).where(DeliveryRecord.webhook_id == webhook.id)
            newest = mine.order_by(DeliveryRecord.created_at.desc(), DeliveryRecord.id).limit(limit)
            return session.scalars(newest).all()

    def waiting(self) -> dict[str, int]:
        """The number of deliveries that wait, by their webhook."""
        pending = DeliveryRecord.status == DeliveryStatus.PENDING
        query = sa.select(DeliveryRecord.webhook_id, sa.func.count()).where(pending).group_by(DeliveryRecord.webhook_id)
        with self._store.reading() as session:
            return {row[0]: row[1] for row in session.execute(query)}

    def _find(self, session: Session, webhook_id: str, *, lock: bool = False) -> WebhookRecord:
        query = sa.select(WebhookRecord).where(has_name(WebhookRecord.id, webhook_id))
        record = session.scalar(query.with_for_update() if lock else query)
        if record is None or not self._sees(record):
            raise NotFoundError(f"there is no webhook '{webhook_id}'; `regsweep webhooks list` shows the ids")
        return record

    def _lock_project(self, session: Session, name: str | None) -> str:
        """The name of the project that is asked for, or of the key's; it is not deleted before the commit."""
        try:
            return quotas.find_project(session, self._access, self._access.choose(name), lock=True).name
        except NotFoundError as error:
            raise InvalidWebhookError("project", f"project: {error}") from error

    def _sees(self, record: WebhookRecord) -> bool:
        if self._access.projects is None:
            return True
        return record.project is not None and self._access.sees(record.project)
