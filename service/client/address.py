"""Where a client's server is, and the key that it is sent."""

from __future__ import annotations

from service.settings import Settings


def server_and_key(url: str | None, key: str | None) -> tuple[str, str | None]:
    """The URL and the key that are given or, of a server that is not named, those of the settings.

    The settings' key is sent to no other server than theirs.
    """
    settings = Settings()
    if url not in (None, settings.server_url) or key is not None or settings.key is None:
        return url or settings.server_url, key
    return settings.server_url, settings.key.get_secret_value()
