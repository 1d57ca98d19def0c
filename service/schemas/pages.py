"""One page of a listing."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, Field

Item = TypeVar("Item")


class ListView(BaseModel, Generic[Item]):
    """One page of a listing."""

    items: list[Item]
    next: str | None = Field(description="Cursor of the next page; null on the last.")
