"""Identifies the key behind a request: sent with it, or logged in with by a browser."""

from __future__ import annotations

import time

from starlette.requests import HTTPConnection

from service.api.lazy_store import LazyStore
from service.api_keys import ApiKey, Login
from service.storage.keys import KeyStore
from service.storage.records import KeyRecord

COOKIE = "regsweep_login"
LOGIN_SECONDS = 12 * 3600
_USE_SECONDS = 24 * 3600.0  # between two records of a key's last use, for each is a write


class Authenticator:
    """Looks keys up in the database at every request, so that a revoked key is refused at once."""

    def __init__(self, lazy_store: LazyStore, *, is_behind_proxy: bool = False) -> None:
        self._lazy_store, self._is_behind_proxy = lazy_store, is_behind_proxy

    @property
    def _keys(self) -> KeyStore:
        return KeyStore(self._lazy_store.get())

    def is_open(self) -> bool:
        """Return whether no key was ever made and no proxy stands before, so that this machine's users need none."""
        return not self._is_behind_proxy and not self._keys.has_keys()

    def identify(self, request: HTTPConnection) -> KeyRecord | None:
        """The record of a request's key; None when it has no key, or one that is not usable."""
        authorization = request.headers.get("authorization")
        if authorization is None:
            return self._find_login(request.cookies.get(COOKIE, ""))
        scheme, _, text = authorization.partition(" ")
        return self.find_key(text.strip()) if scheme.lower() == "bearer" else None

    def find_key(self, text: str) -> KeyRecord | None:
        """Find a usable key, and record its use at most once a day; None when there is none."""
        api_key = ApiKey.parse(text)
        record = None if api_key is None else self._keys.find_usable(api_key.id)
        if api_key is None or record is None or not api_key.fits(record.digest):
            return None
        if time.time() - (record.last_used_at or 0.0) > _USE_SECONDS:
            self._keys.note_use(record.id)
        return record

    def _find_login(self, cookie: str) -> KeyRecord | None:
        login = Login.parse(cookie)
        record = None if login is None else self._keys.find_usable(login.key_id)
        if login is None or record is None or not login.is_valid(record.signing_secret, time.time()):
            return None
        return record


def new_login(record: KeyRecord) -> Login:
    """A login that starts now, with the key of a record."""
    return Login.sign(record.id, int(time.time()) + LOGIN_SECONDS, record.signing_secret)
