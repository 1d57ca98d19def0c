"""Webhooks, and what they are told."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from service.storage.records.table import Record, one_of
from service.storage.states import DeliveryStatus, Event


class WebhookRecord(Record):
    """An address that is told of the ends of studies and comparisons."""

    __tablename__ = "regsweep_webhooks"

    id: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    url: Mapped[str] = mapped_column(sa.String(2000))
    events: Mapped[list[Any]]  # of states.Event
    project: Mapped[str | None] = mapped_column(sa.String(100))  # whose studies it is told of; None for all
    secret: Mapped[str]  # wrapped, see service/secret_wrapping.py
    old_secret: Mapped[str | None]  # the one before the last rotation, wrapped too; it signs until then
    old_until: Mapped[float | None]
    created_by: Mapped[str | None] = mapped_column(sa.String(100))  # name of the key; None where none was needed
    created_at: Mapped[float]
    disabled_at: Mapped[float | None]
    disabled_reason: Mapped[str | None] = mapped_column(sa.String(500))


class DeliveryRecord(Record):
    """An event that a webhook is told of; written by the transaction that ends what it is about."""

    __tablename__ = "regsweep_deliveries"
    __table_args__ = (
        sa.Index("ix_regsweep_deliveries_webhook", "webhook_id", "created_at"),
        sa.Index("ix_regsweep_deliveries_due", "status", "next_at"),
        sa.Index("ix_regsweep_deliveries_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)  # `webhook-id`, the same at every attempt
    webhook_id: Mapped[str] = mapped_column(sa.ForeignKey("regsweep_webhooks.id", ondelete="CASCADE"))
    event: Mapped[Event] = mapped_column(one_of(Event, 40))
    study_id: Mapped[int | None]  # of a deleted study too; None of a test
    payload: Mapped[dict[str, Any]]  # complete from the first attempt on
    status: Mapped[DeliveryStatus] = mapped_column(one_of(DeliveryStatus, 10))
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[float]  # of the next attempt; while one goes on, the end of its lease
    answer: Mapped[str | None] = mapped_column(sa.String(300))  # the last one's status and beginning, or the error
    created_at: Mapped[float]
    ended_at: Mapped[float | None]
