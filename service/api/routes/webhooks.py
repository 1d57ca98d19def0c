"""Webhooks: add, list, change, remove, test, and what they were told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, cast

from fastapi import APIRouter, Body, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from service import audit, webhook_signature
from service.api.dependencies import Limit, SettingsDependency, StoreDependency
from service.api.json_route import JsonRoute
from service.api.webhook_sender import WebhookSender
from service.errors import InvalidWebhookError
from service.schemas.webhooks import (
    DeliveriesView,
    DeliveryView,
    NewWebhook,
    NewWebhookView,
    WebhookChange,
    WebhookRotation,
    WebhooksView,
    WebhookView,
)
from service.secret_wrapping import open_wrapper
from service.settings import Settings
from service.storage.states import Event
from service.storage.webhooks import WebhookChanges, WebhookStore
from service.views.webhooks import delivery_view, webhook_view
from service.webhook_addresses import AllowList, check_url

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=JsonRoute)

WebhookId = Annotated[str, Path(max_length=100)]


@router.post("", status_code=201)
def add_webhook(
    body: NewWebhook, response: Response, store: StoreDependency, settings: SettingsDependency
) -> NewWebhookView:
    """Add a webhook: an address that is told when a study or a comparison ends. Its secret is shown here alone."""
    host = _check(body.url, settings)
    secret = webhook_signature.make_secret()
    wrapped = open_wrapper(settings).wrap(secret)
    record = WebhookStore(store).add(body.url, _events(body.events), body.project, wrapped)
    audit.record("webhook.created", webhook_id=record.id, host=host)
    response.headers["Location"] = f"/v1/webhooks/{record.id}"
    return NewWebhookView(**webhook_view(record, 0).model_dump(), secret=secret)


@router.get("")
def list_webhooks(store: StoreDependency) -> WebhooksView:
    """List the webhooks."""
    webhooks = WebhookStore(store)
    waiting = webhooks.waiting()
    return WebhooksView(webhooks=[webhook_view(one, waiting.get(one.id, 0)) for one in webhooks.list_webhooks()])


@router.get("/{webhook_id}")
def read_webhook(webhook_id: WebhookId, store: StoreDependency) -> WebhookView:
    """Read a webhook."""
    webhooks = WebhookStore(store)
    return webhook_view(webhooks.find(webhook_id), webhooks.waiting().get(webhook_id, 0))


@router.patch("/{webhook_id}")
def change_webhook(
    webhook_id: WebhookId, body: WebhookChange, store: StoreDependency, settings: SettingsDependency
) -> WebhookView:
    """Change a webhook's address or events, or disable or enable it. Enabled again, it is told what waited."""
    if body.url is not None:
        _check(body.url, settings)
    webhooks = WebhookStore(store)
    changes = WebhookChanges(body.url, None if body.events is None else _events(body.events), body.enabled)
    return webhook_view(webhooks.change(webhook_id, changes), webhooks.waiting().get(webhook_id, 0))


@router.post("/{webhook_id}/rotate")
def rotate_webhook(
    webhook_id: WebhookId,
    store: StoreDependency,
    settings: SettingsDependency,
    rotation: Annotated[WebhookRotation | None, Body()] = None,
) -> NewWebhookView:
    """Give a webhook a new secret, shown here alone. For a day, or as asked, the old one signs its messages too."""
    secret = webhook_signature.make_secret()
    wrapped = open_wrapper(settings).wrap(secret)
    webhooks = WebhookStore(store)
    record = webhooks.rotate(webhook_id, wrapped, (rotation or WebhookRotation()).grace_seconds)
    shown = webhook_view(record, webhooks.waiting().get(webhook_id, 0))
    return NewWebhookView(**shown.model_dump(), secret=secret)


@router.delete("/{webhook_id}", status_code=204)
def delete_webhook(webhook_id: WebhookId, store: StoreDependency) -> None:
    """Remove a webhook, and what waits for it."""
    WebhookStore(store).delete(webhook_id)


@router.post("/{webhook_id}/test")
async def try_webhook(webhook_id: WebhookId, store: StoreDependency, request: Request) -> DeliveryView:
    """Send a webhook an event `webhook.test`, once, and answer with what became of it; a disabled one too."""
    await run_in_threadpool(WebhookStore(store).find, webhook_id)
    sender = cast(WebhookSender, request.app.state.webhook_sender)
    return delivery_view(await sender.test(webhook_id))


@router.get("/{webhook_id}/deliveries")
def list_deliveries(webhook_id: WebhookId, store: StoreDependency, limit: Limit = 50) -> DeliveriesView:
    """List what a webhook was told in the last 30 days, and what it is yet to be told."""
    found = WebhookStore(store).deliveries(webhook_id, limit)
    return DeliveriesView(deliveries=[delivery_view(one) for one in found])


def _events(names: Sequence[str]) -> list[Event]:
    return [Event(name) for name in dict.fromkeys(names)]


def _check(url: str, settings: Settings) -> str:
    """Check a URL, and return its host."""
    try:
        return check_url(url, AllowList.parse(settings.webhook_allow)).host
    except ValueError as error:
        raise InvalidWebhookError("url", f"url: {error}") from error
