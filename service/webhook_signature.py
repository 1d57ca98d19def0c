"""Signs what webhooks are sent, as https://www.standardwebhooks.com says."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from hmac import digest
from secrets import token_bytes

_PREFIX = "whsec_"
_SECRET_BYTES = 24


def make_secret() -> str:
    """Make a secret that sender and receiver share."""
    return _PREFIX + b64encode(token_bytes(_SECRET_BYTES)).decode()


def headers(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows the sender, signed with each secret: one that fits is enough.

    `timestamp` is the attempt's, in seconds since 1970.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [digest(b64decode(secret.removeprefix(_PREFIX)), signed, sha256) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{b64encode(signature).decode()}" for signature in signatures),
    }
