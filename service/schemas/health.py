"""The server's health."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class HealthView(BaseModel):
    """The server answers."""

    status: Literal["ok"] = "ok"
    version: str
