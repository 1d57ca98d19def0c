"""Webhooks: addresses that are told of the ends of studies and comparisons."""

from __future__ import annotations

from collections.abc import Sequence

from service.client.answers import fill, query
from service.client.blocking.transport import Transport
from service.schemas.webhooks import (
    DeliveriesView,
    DeliveryView,
    NewWebhookView,
    WebhookEvent,
    WebhooksView,
    WebhookView,
)

_PATH = "/v1/webhooks/{webhook_id}"


class WebhookCalls(Transport):
    """What an admin can do with webhooks."""

    def add_webhook(
        self, url: str, events: Sequence[WebhookEvent] | None = None, project: str | None = None
    ) -> NewWebhookView:
        """Add a webhook, for all events when none are named; the answer alone has its secret."""
        body = query(url=url, events=None if events is None else list(events), project=project)
        return self._read(NewWebhookView, "POST", "/v1/webhooks", json=body)

    def webhooks(self) -> list[WebhookView]:
        """All webhooks, oldest first."""
        return (self._read(WebhooksView, "GET", "/v1/webhooks")).webhooks

    def webhook(self, webhook_id: str) -> WebhookView:
        """One webhook."""
        return self._read(WebhookView, "GET", fill(_PATH, webhook_id=webhook_id))

    def change_webhook(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[WebhookEvent] | None = None,
        enabled: bool | None = None,
    ) -> WebhookView:
        """Change a webhook; what is None stays."""
        body = query(url=url, events=None if events is None else list(events), enabled=enabled)
        return self._read(WebhookView, "PATCH", fill(_PATH, webhook_id=webhook_id), json=body)

    def rotate_webhook(self, webhook_id: str, grace_seconds: float | None = None) -> NewWebhookView:
        """Give a webhook a new secret, which the answer alone has; the old one signs too for a day, or as asked."""
        path = fill(_PATH + "/rotate", webhook_id=webhook_id)
        return self._read(NewWebhookView, "POST", path, json=query(grace_seconds=grace_seconds))

    def delete_webhook(self, webhook_id: str) -> None:
        """Remove a webhook, and what waits for it."""
        self._send("DELETE", fill(_PATH, webhook_id=webhook_id))

    def test_webhook(self, webhook_id: str) -> DeliveryView:
        """Send a webhook a test, once, and say what became of it."""
        return self._read(DeliveryView, "POST", fill(_PATH + "/test", webhook_id=webhook_id))

    def webhook_deliveries(self, webhook_id: str, limit: int = 50) -> list[DeliveryView]:
        """What a webhook was told in the last 30 days, newest first."""
        path = fill(_PATH + "/deliveries", webhook_id=webhook_id)
        return (self._read(DeliveriesView, "GET", path, params={"limit": limit})).deliveries
