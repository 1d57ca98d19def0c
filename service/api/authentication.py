"""Identifies the key behind a request: sent with it, or logged in with by a browser."""

from __future__ import annotations

import time

from starlette.requests import HTTPConnection

from service import audit
from service.api.failed_keys import FailedKeys
from service.api.lazy_store import LazyStore
from service.api_keys import ApiKey, SessionToken
from service.errors import UnauthenticatedError
from service.settings import Settings
from service.storage.access import Access, Quotas
from service.storage.keys import KeyStore
from service.storage.records import KeyRecord
from service.storage.sessions import SessionStore

COOKIE = "regsweep_login"
_USE_SECONDS = 24 * 3600.0  # between two records of a key's last use, for each is a write


class Authenticator:
    """Looks keys and sessions up in the database.

    On SQLite the guard asks anew only when the database has changed, or a second has passed: a key that is revoked is
    refused at once, one that expires may pass for a second more.
    """

    def __init__(self, lazy_store: LazyStore, max_failed_keys: int, *, is_behind_proxy: bool = False) -> None:
        self._lazy_store, self._is_behind_proxy = lazy_store, is_behind_proxy
        self._failed_keys = FailedKeys(max_failed_keys)

    @property
    def _keys(self) -> KeyStore:
        return KeyStore(self._lazy_store.get())

    @property
    def _sessions(self) -> SessionStore:
        return SessionStore(self._lazy_store.get())

    def is_open(self) -> bool:
        """Return whether no key was ever made and no proxy stands before, so that this machine's users need none."""
        return not self._is_behind_proxy and not self._keys.has_keys()

    def identify(self, request: HTTPConnection) -> KeyRecord:
        """Find the key of a request, and record its use at most once a day.

        Raises UnauthenticatedError when it has none, or one that is not usable.
        """
        sent = sent_key(request)
        if sent is not None:
            return self._find_key(sent)
        token = session_token(request)
        key = None if token is None else self._sessions.find_key(token)
        if key is None:
            raise UnauthenticatedError("this login has ended" if COOKIE in request.cookies else None)
        return key

    def log_in(self, request: HTTPConnection, text: str) -> SessionToken:
        """Begin a session with a key, in place of the one that the browser had.

        Raises UnauthenticatedError when the key is not usable, RateLimitedError when too many were not.
        """
        try:
            key = self._find_key(text)
        except UnauthenticatedError as error:
            self.count_failure(request, error)
            raise
        self.log_out(request)
        token = self._sessions.begin(key, request.headers.get("user-agent", ""))
        audit.record("login.succeeded", key_id=key.id, client=request.client.host if request.client else None)
        return token

    def log_out(self, request: HTTPConnection, *, everywhere: bool = False) -> None:
        """End the session of a request, or all of its key; one that has ended is no error."""
        token = session_token(request)
        key = None if token is None else self._sessions.find_key(token)
        if token is not None and key is not None:
            if everywhere:
                self._sessions.end_all(key.id)
            else:
                self._sessions.end(token.id)

    def count_failure(self, request: HTTPConnection, error: UnauthenticatedError) -> None:
        """Count a key that was of no use.

        Raises RateLimitedError when its address sent too many of them.
        """
        self._failed_keys.count(request, error.reason)

    def _find_key(self, text: str) -> KeyRecord:
        api_key = ApiKey.parse(text)
        if api_key is None:
            raise UnauthenticatedError("this is no key")
        record = self._keys.authenticate(api_key)
        if time.time() - (record.last_used_at or 0.0) > _USE_SECONDS:
            self._keys.note_use(record.id)
        return record


def access_of(record: KeyRecord | None, settings: Settings) -> Access:
    """What the holder of a key may use; without a key, which only an open server lets in, every project."""
    quotas = Quotas.of(settings)
    if record is None:
        return Access(quotas=quotas)
    projects = None if record.projects is None else frozenset(map(str, record.projects))
    return Access(record.name, record.id, projects, quotas)


def session_token(request: HTTPConnection) -> SessionToken | None:
    """What the cookie of a request holds; None when it has none."""
    return SessionToken.parse(request.cookies.get(COOKIE, ""))


def sent_key(request: HTTPConnection) -> str | None:
    """What a request sends as its key; None for nothing, and for "Bearer" alone, as a client without a key may send."""
    scheme, _, text = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return text.strip() or None
    return "" if scheme else None
