"""Ends the attempts of workers that gave no sign of life.

A lease is watched, not timed: it is lost when nobody has renewed it for `lease_seconds` of the watcher's own monotonic
clock. So no wrong clock, no laptop that slept and no outage of the database takes a trial from a worker that lives.
Amazon's DynamoDB lock client does the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from service.storage.worker_store import Lease, WorkerStore


class Reaper:
    """Watches all leases, and ends the attempts whose lease is not renewed."""

    def __init__(self, store: WorkerStore, lease_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._lease_seconds, self._clock = store, lease_seconds, clock
        #: By trial, its lease as it was last seen, and the time at which that was first seen.
        self._seen: dict[int, tuple[Lease, float]] = {}
        self._looked_at = -math.inf

    def look(self) -> int:
        """Look at all leases once, and end the attempts whose lease is lost; return their number.

        Call this three times a lease. A watcher that could not look for most of a lease starts over: it was stopped
        itself, or the database was away, and so the others may have been unable to renew.
        """
        leases, now = self._store.leases(), self._clock()
        known = self._seen if now - self._looked_at < 0.75 * self._lease_seconds else {}
        self._looked_at = now
        self._seen = {
            trial_id: known[trial_id] if trial_id in known and known[trial_id][0] == lease else (lease, now)
            for trial_id, lease in leases.items()
        }
        lost = {
            trial_id: lease for trial_id, (lease, since) in self._seen.items() if now - since >= self._lease_seconds
        }
        return self._store.reap(lost, self._lease_seconds) if lost else 0
