"""Sessions: where a key is logged in, and the end of that."""

from __future__ import annotations

from service.client.answers import fill, query
from service.client.blocking.transport import Transport
from service.schemas.sessions import SessionsView


class SessionCalls(Transport):
    """What can be done with the sessions of a key."""

    def sessions(self, key: str | None = None) -> SessionsView:
        """The browsers that are logged in with this client's key; an admin may name another key."""
        return self._read(SessionsView, "GET", "/v1/sessions", params=query(key=key))

    def end_session(self, session_id: str) -> None:
        """Log one browser out."""
        self._send("DELETE", fill("/v1/sessions/{session_id}", session_id=session_id))

    def end_sessions(self, key: str | None = None) -> None:
        """Log out every browser that is logged in with this client's key; an admin may name another key."""
        self._send("DELETE", "/v1/sessions", params=query(key=key))
