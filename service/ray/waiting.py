"""Shows the workers that no node has room for, and says why."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import structlog

from service.ray.connection import Cluster, amounts
from service.ray.freeing import PASSING
from service.ray.member import Member
from service.storage.states import Activity
from service.storage.store import Store
from service.storage.worker_store import WorkerStore

_log = structlog.get_logger(__name__)
_START_SECONDS = 8.0  # in which an actor starts where a node has room
_SHOWN_SECONDS = 20.0


class Waiting:
    """Shows members without a node among the workers; each new reason is one line of the log."""

    def __init__(self, cluster: Cluster, store: Store, others: Mapping[str, float]) -> None:
        self._cluster, self._worker_store, self._others = cluster, WorkerStore(store), others
        self._said: str | None = None

    def show(self, members: Sequence[Member], seen: Mapping[str, Activity]) -> None:
        """Show those that have waited for longer than a start takes; `seen` is what workers show themselves."""
        since = time.monotonic() - _START_SECONDS
        waiting = [
            member
            for member in members
            if member.status is None and not member.is_leaving and member.created_at < since
            and seen.get(member.name) in {None, Activity.WAITING_FOR_NODE}
        ]  # fmt: skip
        sentence = self._why(waiting[0]) if waiting else None
        if sentence is not None and sentence != self._said:
            _log.warning("a worker waits for a node", why=sentence, workers=len(waiting))
        self._said = sentence
        try:
            for member in waiting:
                self._worker_store.show_worker(member.name, Activity.WAITING_FOR_NODE, None, _SHOWN_SECONDS)
        except PASSING as error:
            _log.warning("what a worker does is not shown", error=str(error))

    def _why(self, member: Member) -> str:
        needs = amounts(member.resources, self._others)
        text = ", ".join([str(member.resources), *(f"{amount:g} {name}" for name, amount in self._others.items())])
        if any(node.fits(needs) for node in self._cluster.nodes()):
            return f"all that have {text} are in use"
        return f"no node of the Ray cluster has {text}; add one, or ask for less"
