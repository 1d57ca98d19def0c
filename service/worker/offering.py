"""What a worker offers: its machine, as far as it may use it, or what it was told to offer."""

from __future__ import annotations

import socket

from service.storage.offers import Offer
from service.storage.states import FleetKind
from studies.training.machine import memory_bytes, usable_cpus


def offer_of(
    cpus: float | None, gpus: int | None, memory: int | None, fleet: FleetKind, only_study: str | None = None
) -> Offer:
    """The offer of a worker of this machine; `gpus` of None stays so until TensorFlow is loaded."""
    cpus = usable_cpus() if cpus is None else cpus
    memory = memory_bytes() if memory is None else memory
    return Offer(cpus, gpus, memory, socket.gethostname(), fleet, only_study)
