"""Chooses which worker of another version, or of other settings, leaves next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from service.ray.launch import Launch
from service.ray.member import Member

_SUCCESSOR_SECONDS = 600.0  # in which an autoscaler has added a node


class Replacing:
    """One leaves at a time, and the next once as many are ready as before.

    Who waits for a node is no successor: where more workers are asked for than the nodes have room for, some always
    wait. After ten minutes without a successor, whose node may be gone, the next leaves.
    """

    def __init__(self, launch: Launch, clock: Callable[[], float] = time.monotonic) -> None:
        self._launch, self._clock = launch, clock
        self._ready_before, self._left_at = 0, clock()

    def choose(self, members: Sequence[Member], wanted: int) -> Member | None:
        """The member to leave now; None where all are current, or must stay. `wanted` are asked for in all."""
        outdated = [one for one in members if one.status is not None and not self._launch.is_current(one.name)]
        if not outdated or any(one.farewell == "leave" for one in members):
            return None
        ready = sum(one.was_ready and not one.is_leaving for one in members)
        is_succeeded = ready >= min(self._ready_before, wanted)
        if not is_succeeded and self._clock() - self._left_at < _SUCCESSOR_SECONDS:
            return None
        self._ready_before, self._left_at = ready, self._clock()
        return outdated[0]
