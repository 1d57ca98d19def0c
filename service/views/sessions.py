"""Sessions of browsers as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence

from service.schemas.sessions import SessionsView, SessionView
from service.storage.records import SessionRecord
from service.views.instants import utc


def sessions_view(key: str | None, sessions: Sequence[SessionRecord], current: str | None = None) -> SessionsView:
    """The sessions of a key; `current` is the id of the one that asks."""
    return SessionsView(
        key=key,
        sessions=[
            SessionView(
                id=session.id,
                created_at=utc(session.created_at),
                expires_at=utc(session.expires_at),
                seen_at=utc(session.seen_at),
                user_agent=session.user_agent,
                current=session.id == current,
            )
            for session in sessions
        ],
    )
