"""Webhooks: addresses that are told of the ends of studies and comparisons."""

from __future__ import annotations

from collections.abc import Sequence

from service.client.answers import fill, query
from service.client.asynchronous.transport import Transport
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

    async def add_webhook(
        self, url: str, events: Sequence[WebhookEvent] | None = None, project: str | None = None
    ) -> NewWebhookView:
        """Add a webhook, for all events when none are named; the answer alone has its secret."""
        body = query(url=url, events=None if events is None else list(events), project=project)
        return await self._read(NewWebhookView, "POST", "/v1/webhooks", json=body)

    async def webhooks(self) -> list[WebhookView]:
        """All webhooks, oldest first."""
        return (await self._read(WebhooksView, "GET", "/v1/webhooks")).webhooks

    async def webhook(self, webhook_id: str) -> WebhookView:
        """One webhook."""
        return await self._read(WebhookView, "GET", fill(_PATH, webhook_id=webhook_id))

    async def change_webhook(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[WebhookEvent] | None = None,
        enabled: bool | None = None,
    ) -> WebhookView:
        """Change a webhook; what is None stays."""
        body = query(url=url, events=None if events is None else list(events), enabled=enabled)
        return await self._read(WebhookView, "PATCH", fill(_PATH, webhook_id=webhook_id), json=body)

    async def rotate_webhook(self, webhook_id: str, grace_seconds: float | None = None) -> NewWebhookView:
        """Give a webhook a new secret, which the answer alone has; the old one signs too for a day, or as asked."""
        path = fill(_PATH + "/rotate", webhook_id=webhook_id)
        return await self._read(NewWebhookView, "POST", path, json=query(grace_seconds=grace_seconds))

    async def delete_webhook(self, webhook_id: str) -> None:
        """Remove a webhook, and what waits for it."""
        await self._send("DELETE", fill(_PATH, webhook_id=webhook_id))

    async def test_webhook(self, webhook_id: str) -> DeliveryView:
        """Send a webhook a test, once, and say what became of it."""
        return await self._read(DeliveryView, "POST", fill(_PATH + "/test", webhook_id=webhook_id))

    async def webhook_deliveries(self, webhook_id: str, limit: int = 50) -> list[DeliveryView]:
        """What a webhook was told in the last 30 days, newest first."""
        path = fill(_PATH + "/deliveries", webhook_id=webhook_id)
        return (await self._read(DeliveriesView, "GET", path, params={"limit": limit})).deliveries
