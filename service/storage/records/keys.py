"""API keys, the sessions of browsers, and the answers to requests."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from service.storage.records.table import Record


class RequestRecord(Record):
    """A request with an Idempotency-Key, and its answer."""

    __tablename__ = "regsweep_requests"

    api_key: Mapped[str] = mapped_column(sa.String(12), primary_key=True)  # id of the one it came with; empty for none
    key: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(sa.String(64))  # of the request; the same key with another is refused
    answer: Mapped[str]  # the body
    location: Mapped[str | None]  # the header
    created_at: Mapped[float] = mapped_column(index=True)


class KeyRecord(Record):
    """An API key, without its secret, which only its holder has."""

    __tablename__ = "regsweep_keys"

    id: Mapped[str] = mapped_column(sa.String(12), primary_key=True)  # the first part of the key
    name: Mapped[str] = mapped_column(sa.String(100), index=True, unique=True)  # of its holder or its purpose
    scope: Mapped[str] = mapped_column(sa.String(10))  # service.scopes.Scope
    projects: Mapped[list[Any] | None]  # names of those that it is limited to; None for every project
    digest: Mapped[str] = mapped_column(sa.String(64))  # SHA-256 of its secret
    old_digest: Mapped[str | None] = mapped_column(sa.String(64))  # of the secret before the last rotation
    old_until: Mapped[float | None]  # the end of that secret
    created_at: Mapped[float]
    expires_at: Mapped[float | None]
    revoked_at: Mapped[float | None]
    last_used_at: Mapped[float | None]  # precise to a day


class SessionRecord(Record):
    """A browser that is logged in with a key; its cookie has the secret."""

    __tablename__ = "regsweep_sessions"

    id: Mapped[str] = mapped_column(sa.String(12), primary_key=True)
    key_id: Mapped[str] = mapped_column(sa.ForeignKey("regsweep_keys.id"), index=True)
    digest: Mapped[str] = mapped_column(sa.String(64))  # SHA-256 of its secret
    created_at: Mapped[float]
    expires_at: Mapped[float]
    seen_at: Mapped[float]  # precise to five minutes
    user_agent: Mapped[str] = mapped_column(sa.String(100))  # the beginning of what the browser says of itself
