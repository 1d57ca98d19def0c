"""API keys and browsers' logins as texts: made, read, and held against what the database keeps of them."""

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
    """A key as its holder has it: the id says which it is, the secret that it is."""

    id: str
    secret: str

    @classmethod
    def make(cls) -> Self:
        """A new one."""
        return cls(secrets.token_hex(6), secrets.token_hex(_SECRET_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The key that a text is, None when it is none."""
        found = _KEY.fullmatch(text)
        return cls(*found.groups()) if found else None

    @property
    def text(self) -> str:
        """What its holder sends."""
        return f"rgs_{self.id}_{self.secret}"

    @property
    def digest(self) -> str:
        """What the database keeps: SHA-256, for a random secret of this length needs no slow hash."""
        return sha256(self.secret.encode()).hexdigest()

    def fits(self, digest: str) -> bool:
        """Whether it is the key of a digest; takes as long for a wrong one."""
        return hmac.compare_digest(self.digest, digest)


@dataclass(frozen=True, slots=True)
class Login:
    """A browser's login, which its cookie holds: a key's id and an end, signed with a secret of that key's record."""

    key_id: str
    expires_at: int  # seconds since 1970
    signature: str

    @classmethod
    def sign(cls, key_id: str, expires_at: int, secret: str) -> Self:
        """A login with a key until an instant."""
        return cls(key_id, expires_at, _signature(key_id, expires_at, secret))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The login that a cookie is, None when it is none."""
        found = _LOGIN.fullmatch(text)
        return cls(found[1], int(found[2]), found[3]) if found else None

    @property
    def text(self) -> str:
        """The cookie."""
        return f"{self.key_id}.{self.expires_at}.{self.signature}"

    def holds(self, secret: str, now: float) -> bool:
        """Whether the key's record signed it and its end is to come."""
        right = _signature(self.key_id, self.expires_at, secret)
        return hmac.compare_digest(self.signature, right) and now < self.expires_at


def new_signing_secret() -> str:
    """A secret for a key's record to sign logins with."""
    return secrets.token_hex(_SECRET_BYTES)


def _signature(key_id: str, expires_at: int, secret: str) -> str:
    return hmac.new(secret.encode(), f"{key_id}.{expires_at}".encode(), sha256).hexdigest()
