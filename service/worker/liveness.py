"""What a container's healthcheck asks of a worker; apart from it, for it loads neither the database nor TensorFlow."""

from __future__ import annotations

import time
from pathlib import Path


def missing(heartbeat: Path | None, lease_seconds: float) -> str | None:
    """Why no worker is taken to live that touches this file three times a lease; None when one does."""
    if heartbeat is None:
        return "REGSWEEP_HEARTBEAT_PATH is not set; set it for the worker and for its check"
    try:
        silent_seconds = time.time() - heartbeat.stat().st_mtime
    except OSError as error:
        return f"no heartbeat yet: {heartbeat}: {error.strerror}"
    if silent_seconds > lease_seconds:
        return f"the last heartbeat was {silent_seconds:.0f} seconds ago, and the lease is {lease_seconds:g}"
    return None
