"""API keys and browsers' logins: makes them, parses their texts, and checks them against the database's records."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

_SECRET_BYTES = 32  # 256 bits: nobody guesses one, so failed attempts need not be counted
_KEY = re.compile(r"rgs_([0-9a-f]{12})_([0-9a-f]{64})")
_LOGIN = re.compile(r"([0-9a-f]{12})\.([0-9]{1,12})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its holder has it: an id to find its record by, and a secret that proves it."""

    id: str
    secret: str

    @classmethod
    def make(cls) -> Self:
        """Make a new key."""
        return cls(secrets.token_hex(6), secrets.token_hex(_SECRET_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse a key's text; return None when it is not a key."""
        match = _KEY.fullmatch(text)
        return cls(*match.groups()) if match else None

    @property
    def text(self) -> str:
        """The text that its holder sends."""
        return f"rgs_{self.id}_{self.secret}"

    @property
    def digest(self) -> str:
        """The SHA-256 that the database keeps: a random secret of this length needs no slow hash."""
        return sha256(self.secret.encode()).hexdigest()

    def fits(self, digest: str) -> bool:
        """Compare the digest with this key's, in constant time."""
        return hmac.compare_digest(self.digest, digest)


@dataclass(frozen=True, slots=True)
class Login:
    """A browser's login, kept in its cookie: a key's id and an expiry, signed with a secret of that key's record."""

    key_id: str
    expires_at: int  # seconds since 1970
    signature: str

    @classmethod
    def sign(cls, key_id: str, expires_at: int, secret: str) -> Self:
        """Make a login that expires at an instant."""
        return cls(key_id, expires_at, _signature(key_id, expires_at, secret))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse a cookie; return None when it is not a login."""
        match = _LOGIN.fullmatch(text)
        return cls(match[1], int(match[2]), match[3]) if match else None

    @property
    def text(self) -> str:
        """The cookie's text."""
        return f"{self.key_id}.{self.expires_at}.{self.signature}"

    def is_valid(self, secret: str, now: float) -> bool:
        """Return whether this secret signed it and it has not expired."""
        expected = _signature(self.key_id, self.expires_at, secret)
        return hmac.compare_digest(self.signature, expected) and now < self.expires_at


def new_signing_secret() -> str:
    """Make a secret for a key's record to sign logins with."""
    return secrets.token_hex(_SECRET_BYTES)


def _signature(key_id: str, expires_at: int, secret: str) -> str:
    return hmac.new(secret.encode(), f"{key_id}.{expires_at}".encode(), sha256).hexdigest()
