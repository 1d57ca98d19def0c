"""The server's health."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class CheckView(BaseModel):
    """What one check of the server's readiness found."""

    name: Literal["database", "schema", "artifacts", "workers"]
    status: Literal["ok", "failed"]
    detail: str | None = Field(None, description="For who may read: what was found, or what is wrong.")


class ReadinessView(BaseModel):
    """Whether the server can do its work."""

    status: Literal["ready", "not ready"]
    checks: list[CheckView]


class HealthView(BaseModel):
    """The server answers."""

    status: Literal["ok"] = "ok"
    version: str
