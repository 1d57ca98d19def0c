"""Whose request it is: by a key, or by the login of a browser that one was given in."""

from __future__ import annotations

import time

from starlette.requests import HTTPConnection

from service.api.lazy_store import Opening
from service.api_keys import ApiKey, Login
from service.storage.keys import KeyStore
from service.storage.records import KeyRecord

COOKIE = "regsweep_login"
LOGIN_SECONDS = 12 * 3600
_USE_SECONDS = 24 * 3600.0  # between two notes that a key is in use, for each is a write


class Authenticator:
    """Looks keys up in the database, at every request, so that a revoked one is of no use at once."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening

    @property
    def _keys(self) -> KeyStore:
        return KeyStore(self._opening.store())

    def open(self) -> bool:
        """Whether no key was ever made, so that nobody can be asked for one."""
        return not self._keys.any()

    def identify(self, request: HTTPConnection) -> KeyRecord | None:
        """The record of the key that a request comes with, None when it has none that is good."""
        authorization = request.headers.get("authorization")
        if authorization is None:
            return self._of_login(request.cookies.get(COOKIE, ""))
        scheme, _, text = authorization.partition(" ")
        return self.of_key(text.strip()) if scheme.lower() == "bearer" else None

    def of_key(self, text: str) -> KeyRecord | None:
        """The record of a key."""
        key = ApiKey.parse(text)
        record = None if key is None else self._keys.usable(key.id)
        if key is None or record is None or not key.fits(record.digest):
            return None
        if time.time() - (record.last_used_at or 0.0) > _USE_SECONDS:
            self._keys.note_use(record.id)
        return record

    def _of_login(self, cookie: str) -> KeyRecord | None:
        login = Login.parse(cookie)
        record = None if login is None else self._keys.usable(login.key_id)
        if login is None or record is None or not login.holds(record.signing_secret, time.time()):
            return None
        return record


def new_login(record: KeyRecord) -> Login:
    """A login with a key that was given in just now."""
    return Login.sign(record.id, int(time.time()) + LOGIN_SECONDS, record.signing_secret)
