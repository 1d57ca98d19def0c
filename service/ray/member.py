"""A worker of the fleet, as the keeper knows it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from service.ray.actor import Status
from studies.spec.resources import Resources

#: How a worker is told to end; "end" is for an actor that no node had room for.
Farewell = Literal["leave", "leave_when_idle", "end"]


@dataclass
class Member:
    """An actor, from the moment it was asked for."""

    name: str
    handle: Any
    resources: Resources
    created_at: float = field(default_factory=time.monotonic)
    question: Any = None  # that it has not answered
    status: Status | None = None  # None until a node had room for it
    idle_since: float | None = None
    farewell: Farewell | None = None
    shown_at: float | None = None  # among the workers, by the keeper

    @property
    def is_leaving(self) -> bool:
        """Whether it was told to end."""
        return self.farewell is not None

    @property
    def was_ready(self) -> bool:
        """Whether its worker was ever ready."""
        return self.status is not None and self.status["was_ready"]

    @property
    def ending(self) -> str | None:
        """How its worker's process ended; None where it runs, or where nobody knows."""
        return None if self.status is None else self.status["ending"]


def offered(status: Status) -> Resources:
    """What an actor says that its worker offers; one of another version may know more kinds."""
    offers = status["offers"]
    return Resources(cpus=offers["cpus"], gpus=offers["gpus"], memory=offers["memory"])
