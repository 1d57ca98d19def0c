"""Records what webhooks are told of, in the transaction in which it happens, so that no crash loses it."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.clock import unix_now
from service.storage.records import DeliveryRecord, StudyRecord, WebhookRecord
from service.storage.states import DeliveryStatus, Event

_MAX_REASON = 200  # what is told is small


def record_end(session: Session, event: Event, study: StudyRecord, state: str, reason: str | None = None) -> None:
    """Record an end for each webhook that listens to it; an end of this kind that was not sent yet is replaced."""
    # Locked, so that no webhook is deleted before the deliveries that name it are committed.
    listening = sa.select(WebhookRecord).where(
        WebhookRecord.disabled_at.is_(None),
        sa.or_(WebhookRecord.project.is_(None), WebhookRecord.project == study.project),
    )
    webhooks = session.scalars(listening.order_by(WebhookRecord.id).with_for_update(read=True, key_share=True)).all()
    if not webhooks:
        return
    unsent = sa.and_(
        DeliveryRecord.study_id == study.id,
        DeliveryRecord.event == event,
        DeliveryRecord.status == DeliveryStatus.PENDING,
        DeliveryRecord.attempts == 0,
    )
    session.execute(sa.delete(DeliveryRecord).where(unsent))
    data = {
        "study": study.name,
        "project": study.project,
        "state": state,
        "reason": reason and reason[:_MAX_REASON],
    }
    for webhook in webhooks:
        if event in webhook.events:
            add(session, webhook.id, event, data, study.id)


def add(
    session: Session, webhook_id: str, event: Event, data: dict[str, Any], study_id: int | None = None
) -> DeliveryRecord:
    """Record what a webhook is told next."""
    now = session.scalar(sa.select(unix_now())) or 0.0
    delivery = DeliveryRecord(
        id=f"msg_{token_hex(16)}",
        webhook_id=webhook_id,
        event=event,
        study_id=study_id,
        payload=data,
        status=DeliveryStatus.PENDING,
        attempts=0,
        next_at=now,
        created_at=now,
    )
    session.add(delivery)
    return delivery
