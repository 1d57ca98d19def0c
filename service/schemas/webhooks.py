"""Webhooks, and what they are told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, Field, StrictBool

from studies.frozen_model import AtMost, FrozenModel

WebhookEvent = Literal["study.ended", "comparison.ended"]
EVENTS: tuple[WebhookEvent, ...] = get_args(WebhookEvent)
Events = Annotated[
    list[WebhookEvent], AtMost(2), Field(min_length=1, description="What it is told of; each at most once.")
]
GRACE_SECONDS = 86400.0
MAX_GRACE_SECONDS = 30 * 86400.0
_URL = "https://…, or http://… of a host that REGSWEEP_WEBHOOK_ALLOW lists."


class NewWebhook(FrozenModel):
    """A webhook to add."""

    url: str = Field(description=_URL)
    events: Events = Field(["study.ended", "comparison.ended"])
    project: str | None = Field(None, description="Whose studies it is told of; left out, all.")


class WebhookChange(FrozenModel):
    """What of a webhook to change; what is left out stays."""

    url: str | None = Field(None, description=_URL)
    events: Events | None = None
    enabled: StrictBool | None = Field(None, description="False: it is told nothing until it is enabled again.")


class WebhookRotation(FrozenModel):
    """How a webhook gets a new secret."""

    grace_seconds: float = Field(
        GRACE_SECONDS,
        ge=0,
        le=MAX_GRACE_SECONDS,
        strict=True,
        description="How long the old secret signs beside the new one.",
    )


class WebhookView(BaseModel):
    """A webhook."""

    id: str
    url: str
    events: list[WebhookEvent]
    project: str | None = Field(description="Whose studies it is told of; null: all.")
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    waiting: int = Field(description="Deliveries that are not over.")
    created_by: str | None = Field(description="The name of the key that added it; null where none was needed.")
    created_at: datetime
    old_secret_until: datetime | None = Field(
        description="Until when the secret before the last rotation signs too; null: none does."
    )


class NewWebhookView(WebhookView):
    """A webhook with its new secret."""

    secret: str = Field(description="What its messages are signed with; shown now, and never again.")


class WebhooksView(BaseModel):
    """All webhooks."""

    webhooks: list[WebhookView] = Field(description="The oldest first; at most 100.")


class DeliveryView(BaseModel):
    """What a webhook was told, or is yet to be told."""

    id: str = Field(description="The header webhook-id, the same at every attempt.")
    event: Literal["study.ended", "comparison.ended", "webhook.test"]
    study: str | None = Field(description="The study that it is about.")
    status: Literal["pending", "delivered", "failed"] = Field(description="failed: given up.")
    attempts: int
    next_at: datetime | None = Field(description="When it is tried next; null when it is over.")
    answer: str | None = Field(description="The receiver's last status and the beginning of its text, or the error.")
    created_at: datetime
    ended_at: datetime | None


class DeliveriesView(BaseModel):
    """What a webhook was told in the last 30 days."""

    deliveries: list[DeliveryView] = Field(description="The newest first.")
