"""Webhooks and their deliveries as the API shows them."""

from __future__ import annotations

from service.schemas.webhooks import DeliveryView, WebhookView
from service.storage.records import DeliveryRecord, WebhookRecord
from service.views.instants import utc, utc_or_none


def webhook_view(webhook: WebhookRecord, waiting: int) -> WebhookView:
    """A webhook without its secret."""
    return WebhookView(
        id=webhook.id,
        url=webhook.url,
        events=webhook.events,
        project=webhook.project,
        enabled=webhook.disabled_at is None,
        disabled_at=utc_or_none(webhook.disabled_at),
        disabled_reason=webhook.disabled_reason,
        waiting=waiting,
        created_by=webhook.created_by,
        created_at=utc(webhook.created_at),
        old_secret_until=utc_or_none(webhook.old_until),
    )


def delivery_view(delivery: DeliveryRecord) -> DeliveryView:
    """What a webhook was told, or is yet to be told."""
    data = delivery.payload.get("data", delivery.payload)  # the whole message from its first attempt on
    return DeliveryView(
        id=delivery.id,
        event=delivery.event.value,
        study=data.get("study"),
        status=delivery.status.value,
        attempts=delivery.attempts,
        next_at=utc_or_none(delivery.next_at if delivery.ended_at is None else None),
        answer=delivery.answer,
        created_at=utc(delivery.created_at),
        ended_at=utc_or_none(delivery.ended_at),
    )
