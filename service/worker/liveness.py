"""The healthcheck of a worker's container; a module of its own, for it loads neither database nor TensorFlow."""

from __future__ import annotations

import time
from pathlib import Path


def missing_sign_of_life(heartbeat: Path | None, lease_seconds: float) -> str | None:
    """The reason why the worker that touches this file seems dead; None when it lives."""
    if heartbeat is None:
        return "REGSWEEP_HEARTBEAT_PATH is not set; set it for the worker and for its check"
    try:
        silent_seconds = time.time() - heartbeat.stat().st_mtime
    except OSError as error:
        return f"no heartbeat yet: {heartbeat}: {error.strerror}"
    if silent_seconds > lease_seconds:
        return f"the last heartbeat was {silent_seconds:.0f} seconds ago, and the lease is {lease_seconds:g}"
    return None
