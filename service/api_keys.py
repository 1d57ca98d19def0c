"""API keys, and the sessions of browsers that are logged in with one: makes them and checks them against digests."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, Self

_SECRET_BYTES = 32  # 256 bits: nobody guesses one


@dataclass(frozen=True, slots=True)
class _Credential:
    """What a client sends: an id to find its record by, and a random secret that proves it."""

    id: str
    secret: str
    _PREFIX: ClassVar[str]

    @classmethod
    def make(cls, known_id: str | None = None) -> Self:
        """Make a new one, or a new secret for the one of an id."""
        return cls(known_id or secrets.token_hex(6), secrets.token_hex(_SECRET_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse its text; return None when it is not one."""
        match = re.fullmatch(rf"{cls._PREFIX}_([0-9a-f]{{12}})_([0-9a-f]{{64}})", text)
        return cls(*match.groups()) if match else None

    @property
    def text(self) -> str:
        """The text that its holder sends."""
        return f"{self._PREFIX}_{self.id}_{self.secret}"

    @property
    def digest(self) -> str:
        """The SHA-256 that the database keeps: a random secret of this length needs no slow hash."""
        return sha256(self.secret.encode()).hexdigest()

    def fits(self, digest: str) -> bool:
        """Compare the digest with this one's, in constant time."""
        return hmac.compare_digest(self.digest, digest)


class ApiKey(_Credential):
    """A key as its holder has it."""

    __slots__ = ()
    _PREFIX = "rgs"


class SessionToken(_Credential):
    """A browser's session, as its cookie holds it."""

    __slots__ = ()
    _PREFIX = "rgl"
