"""A worker of the fleet, as the keeper knows it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from service.ray.actor import Status
from studies.spec.resources import Resources


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
    is_leaving: bool = False

    @property
    def was_ready(self) -> bool:
        """Whether its worker was ever ready."""
        return self.status is not None and self.status["was_ready"]

    @property
    def ending(self) -> str | None:
        """How its worker's process ended; None where it runs, or where nobody knows."""
        return None if self.status is None else self.status["ending"]
