"""Sessions of browsers that are logged in."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class SessionView(BaseModel):
    """A browser that is logged in with a key."""

    id: str
    created_at: datetime = Field(description="When it logged in.")
    expires_at: datetime = Field(description="When it has to log in again.")
    seen_at: datetime = Field(description="Its last request, precise to five minutes.")
    user_agent: str = Field(description="The beginning of what the browser says of itself.")
    current: bool = Field(description="Whether the request came from this session.")


class SessionsView(BaseModel):
    """The sessions of a key."""

    key: str | None = Field(description="The key's name; null where the server needs none.")
    sessions: list[SessionView] = Field(description="The newest first; at most 100.")
