"""Shows the workers that no node has room for, and one that cannot start."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence, Set

import structlog
from sqlalchemy.orm import Session

from service.ray.connection import Cluster, amounts
from service.ray.freeing import PASSING
from service.ray.member import Member
from service.storage import workers
from service.storage.offers import Offer
from service.storage.states import Activity, FleetKind
from service.storage.store import Store
from studies.spec.resources import Resources

_log = structlog.get_logger(__name__)
_START_SECONDS = 8.0  # in which an actor starts where a node has room
_SHOWN_SECONDS = 20.0
_SHOW_SECONDS = 5.0  # between two times: each is a write, and a thousand may wait


class Waiting:
    """Shows members without a node among the workers; each new reason is one line of the log."""

    def __init__(self, cluster: Cluster, store: Store, others: Mapping[str, float]) -> None:
        self._cluster, self._store, self._others = cluster, store, others
        self._said: str | None = None

    def show(self, members: Sequence[Member], seen: Mapping[str, Activity]) -> None:
        """Show those that wait; `seen` is what workers show themselves."""
        waiting = [
            member
            for member in members
            if member.status is None
            and not member.is_leaving
            and seen.get(member.name) in {None, Activity.WAITING_FOR_NODE}
        ]
        nodes = self._cluster.nodes() if waiting else []
        kinds = {member.resources for member in waiting}  # few, where members and nodes are many
        fitting = {kind for kind in kinds if any(node.fits(amounts(kind, self._others)) for node in nodes)}
        whys = [(member, why) for member in waiting if (why := self._why(member, fitting)) is not None]
        sentence = whys[0][1] if whys else None
        if sentence is not None and sentence != self._said:
            _log.warning("a worker waits for a node", why=sentence, workers=[why for _, why in whys].count(sentence))
        self._said = sentence
        now = time.monotonic()
        due = [one for one, _ in whys if one.shown_at is None or now - one.shown_at >= _SHOW_SECONDS]
        if not due:
            return
        try:
            with self._store.writing() as session:
                for member in due:
                    _show(session, member, Activity.WAITING_FOR_NODE)
                    member.shown_at = now
        except PASSING as error:
            _log.warning("what a worker does is not shown", error=str(error))

    def show_unstarted(self, member: Member, *, is_over: bool) -> None:
        """Show the last worker that could not start, until one of its successors has: `is_over`."""
        try:
            with self._store.writing() as session:
                if is_over:
                    workers.remove(session, member.name)
                else:
                    _show(session, member, Activity.CANNOT_START)
        except PASSING as error:
            _log.warning("what a worker does is not shown", error=str(error))

    def _why(self, member: Member, fitting: Set[Resources]) -> str | None:
        """Why it waits; None where it may be starting."""
        text = ", ".join([str(member.resources), *(f"{amount:g} {name}" for name, amount in self._others.items())])
        if member.resources not in fitting:
            return f"no node of the Ray cluster has {text}; add one, or ask for less"
        starts = time.monotonic() - member.created_at < _START_SECONDS
        return None if starts else f"all nodes that have {text} are in use"


def _show(session: Session, member: Member, activity: Activity) -> None:
    has = member.resources
    offer = Offer(has.cpus, has.gpus, has.memory, None, FleetKind.RAY)
    workers.show(session, member.name, activity, None, _SHOWN_SECONDS, memory_bytes=None, offer=offer)
