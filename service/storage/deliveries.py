"""What webhooks are told: each delivery is claimed by one server at a time, and tried again with growing pauses."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service import audit
from service.errors import NotFoundError
from service.storage import outbox, ranking
from service.storage.clock import unix_now
from service.storage.records import DeliveryRecord, StudyRecord, TrialRecord, WebhookRecord, running_in_study
from service.storage.states import ComparisonState, DeliveryStatus, Event
from service.storage.store import Store

#: Seconds before the second attempt and those after it; then a delivery is given up.
PAUSES = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0)
MAX_RETRY_AFTER = PAUSES[-1]  # of what a receiver asks to wait
KEPT_SECONDS = 30 * 86400.0
_LEASE_SECONDS = 60.0  # more than an attempt lasts: the delivery of a server that died is free again then
_JITTER = 0.2  # share of a pause that is added at most, so that many do not come back at once
_BATCH, _BATCH_OF_WEBHOOK = 20, 4  # a slow receiver must not hold up the others
_LOOKED_AT = 200
_SETTLING_SECONDS = 120.0  # the report of a comparison and the last trials of a study may follow their end
_LOOK_AGAIN_SECONDS = 2.0
_MAX_ANSWER = 300


def database_now(session: Session) -> float:
    """The database's clock."""
    return session.scalar(sa.select(unix_now())) or 0.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this server may send now."""

    id: str
    attempt: int
    timestamp: int
    url: str
    wrapped_secrets: tuple[str, ...]  # the webhook's, and the one before while that is good
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt led to."""

    delivered: bool
    answer: str  # the receiver's status and the beginning of its text, or why there is none
    gone: bool = False  # the receiver wants nothing any more
    retry_after: float = 0.0  # seconds that the receiver asks to wait, of any size


class DeliveryStore:
    """Deliveries in the database. Every method is one transaction."""

    def __init__(self, store: Store, clock: Callable[[Session], float] = database_now) -> None:
        self._store, self._clock = store, clock

    def claim(self) -> list[Claimed]:
        """Claim deliveries that are due. Each is this server's for a minute; then it is due again."""
        with self._store.reading() as session:  # most looks find nothing, and need no write lock
            if session.execute(_due(self._clock(session)).limit(1)).first() is None:
                return []
        claimed: list[Claimed] = []
        of_webhook = Counter[str]()
        with self._store.writing() as session:
            now = self._clock(session)
            due = _due(now).limit(_LOOKED_AT).with_for_update(of=DeliveryRecord, skip_locked=True)
            for delivery, webhook in session.execute(due).all():
                if len(claimed) == _BATCH or of_webhook[webhook.id] == _BATCH_OF_WEBHOOK:
                    continue
                if delivery.attempts == 0 and not _complete(session, delivery, now):
                    delivery.next_at = now + _LOOK_AGAIN_SECONDS
                    continue
                of_webhook[webhook.id] += 1
                claimed.append(_claim(delivery, webhook, now))
        return claimed

    def claim_test(self, webhook_id: str) -> Claimed:
        """Add a delivery that tests a webhook, also one that is disabled, and claim it; it is tried once.

        Raises NotFoundError when there is no such webhook.
        """
        with self._store.writing() as session:
            webhook = session.get(WebhookRecord, webhook_id)
            if webhook is None:
                raise NotFoundError(f"there is no webhook '{webhook_id}'")
            delivery = outbox.add(session, webhook.id, Event.TEST, {"webhook": webhook.id})
            now = self._clock(session)
            _complete(session, delivery, now)
            return _claim(delivery, webhook, now)

    def settle(self, claimed: Claimed, outcome: Outcome) -> None:
        """Record what an attempt led to, unless the delivery was claimed anew meanwhile."""
        disabled_for: str | None = None
        with self._store.writing() as session:
            mine = sa.and_(DeliveryRecord.id == claimed.id, DeliveryRecord.attempts == claimed.attempt)
            delivery = session.scalar(sa.select(DeliveryRecord).where(mine).with_for_update())
            if delivery is None or delivery.status != DeliveryStatus.PENDING:
                return
            now = self._clock(session)
            delivery.answer = outcome.answer[:_MAX_ANSWER]
            is_last = delivery.event == Event.TEST or delivery.attempts > len(PAUSES) or outcome.gone
            if outcome.delivered or is_last:
                delivery.status = DeliveryStatus.DELIVERED if outcome.delivered else DeliveryStatus.FAILED
                delivery.ended_at = now
            else:
                # Never sooner than without a wish: who asks for a second each time would soon be given up.
                pause = max(PAUSES[delivery.attempts - 1], min(outcome.retry_after, MAX_RETRY_AFTER))
                delivery.next_at = now + pause * (1 + _JITTER * random.random())  # noqa: S311  # not for secrets
            if delivery.status == DeliveryStatus.FAILED and delivery.event != Event.TEST:
                disabled_for = _disable(session, delivery, outcome, now)
            webhook_id = delivery.webhook_id
        if disabled_for is not None:
            audit.record("webhook.disabled", webhook_id=webhook_id, reason=disabled_for)

    def delivery(self, delivery_id: str) -> DeliveryRecord:
        """One delivery."""
        with self._store.reading() as session:
            return session.get_one(DeliveryRecord, delivery_id)

    def sweep(self) -> int:
        """Delete the deliveries of more than 30 days ago, which are counted, and old secrets that sign no more."""
        with self._store.writing() as session:
            now = self._clock(session)
            ended = sa.update(WebhookRecord).where(WebhookRecord.old_until <= now)
            session.execute(ended.values(old_secret=None, old_until=None))
            old = DeliveryRecord.created_at < now - KEPT_SECONDS
            return len(session.scalars(sa.delete(DeliveryRecord).where(old).returning(DeliveryRecord.id)).all())


def _due(now: float) -> sa.Select[DeliveryRecord, WebhookRecord]:
    query = sa.select(DeliveryRecord, WebhookRecord).join(WebhookRecord, WebhookRecord.id == DeliveryRecord.webhook_id)
    is_due = sa.and_(DeliveryRecord.status == DeliveryStatus.PENDING, DeliveryRecord.next_at <= now)
    return query.where(is_due, WebhookRecord.disabled_at.is_(None)).order_by(DeliveryRecord.next_at, DeliveryRecord.id)


def _claim(delivery: DeliveryRecord, webhook: WebhookRecord, now: float) -> Claimed:
    delivery.attempts += 1
    delivery.next_at = now + _LEASE_SECONDS
    body = json.dumps(delivery.payload, separators=(",", ":")).encode()
    secrets: tuple[str, ...] = (webhook.secret,)
    if webhook.old_secret is not None and now < (webhook.old_until or 0.0):
        secrets += (webhook.old_secret,)
    return Claimed(delivery.id, delivery.attempts, int(now), webhook.url, secrets, body)


def _complete(session: Session, delivery: DeliveryRecord, now: float) -> bool:
    """Complete what is sent with what is known by now; False when it is worth waiting for more."""
    study = None if delivery.study_id is None else session.get(StudyRecord, delivery.study_id)
    data = dict(delivery.payload)
    if study is not None:
        if delivery.created_at > now - _SETTLING_SECONDS and not _is_settled(session, delivery, study):
            return False
        data |= _result(session, study)
    ended_at = datetime.fromtimestamp(delivery.created_at, UTC)
    delivery.payload = {"type": str(delivery.event), "timestamp": ended_at.isoformat(), "data": data}
    return True


def _is_settled(session: Session, delivery: DeliveryRecord, study: StudyRecord) -> bool:
    if delivery.event == Event.COMPARISON_ENDED:  # its answer is worked out with the report
        return bool(study.published) or study.comparison_state != ComparisonState.COMPLETED
    return not session.scalar(sa.select(sa.exists().where(TrialRecord.study_id == study.id, running_in_study())))


def _result(session: Session, study: StudyRecord) -> dict[str, Any]:
    best = ranking.best_trial(session, study)
    path = f"/studies/{quote(study.name)}"
    return {
        "answer": study.answer,
        "objective": study.parsed_spec.objectives[0],
        "best_value": None if best is None else best.value,
        "path": f"/v1{path}",
        "page": path,
    }


def _disable(session: Session, delivery: DeliveryRecord, outcome: Outcome, now: float) -> str | None:
    """Disable the webhook of a delivery that was given up, unless another has arrived since; return why."""
    arrived = sa.and_(
        DeliveryRecord.webhook_id == delivery.webhook_id,
        DeliveryRecord.status == DeliveryStatus.DELIVERED,
        DeliveryRecord.ended_at > delivery.created_at,
    )
    if not outcome.gone and session.scalar(sa.select(sa.exists().where(arrived))):
        return None
    reason = f"{delivery.attempts} attempts at a delivery failed, and none at another succeeded meanwhile"
    reason = f"{'the receiver is gone' if outcome.gone else reason}; the last answer: {outcome.answer[:_MAX_ANSWER]}"
    enabled = sa.and_(WebhookRecord.id == delivery.webhook_id, WebhookRecord.disabled_at.is_(None))
    session.execute(sa.update(WebhookRecord).where(enabled).values(disabled_at=now, disabled_reason=reason))
    return reason
