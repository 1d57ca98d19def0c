"""What workers offer, against what studies need of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from service.storage.records import StudyRecord, WorkerRecord
from service.storage.states import Activity, FleetKind
from studies.spec.resources import Resources

NO_WORKER = (
    "No worker is running, so the study waits. Where neither Ray nor Kubernetes starts one, start it where the server "
    "runs: regsweep worker"
)
NO_NODE = (
    "The study waits for a node of the Ray cluster with room for its worker; the server's log says what is missing"
)
NO_START = "The study waits for a worker on the Ray cluster that cannot start; the server's log says why"
ALL_ELSEWHERE = (
    "Every worker that is running serves one other study (--study), so this one waits. Start one: regsweep worker"
)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a worker offers, and where it runs."""

    cpus: float | None = None
    gpus: int | None = None  # None until TensorFlow is loaded
    memory: int | None = None  # bytes
    node: str | None = None  # the name of its machine
    fleet: FleetKind | None = None
    only_study: str | None = None  # the name of the one that it serves, with its comparison; None: any

    def is_enough(self, needs: Resources) -> bool:
        """Return whether a study with these needs may be given to the worker; what is not known is no obstacle."""
        pairs = (needs.cpus, self.cpus), (needs.gpus or None, self.gpus), (needs.memory, self.memory)
        return all(need is None or offered is None or offered >= need for need, offered in pairs)


def may_serve(offer: Offer) -> sa.ColumnElement[bool]:
    """Studies that need no more than a worker offers, as Offer.is_enough; in a query of StudyRecord."""
    pairs = (
        (StudyRecord.needs_cpus, offer.cpus),
        (StudyRecord.needs_gpus, offer.gpus),
        (StudyRecord.needs_memory, offer.memory),
    )
    limits = [sa.or_(need.is_(None), need <= offered) for need, offered in pairs if offered is not None]
    return sa.and_(sa.true(), *limits)


def enough_for_study() -> sa.ColumnElement[bool]:
    """Workers that serve a study and offer what it needs, as Offer.is_enough; of WorkerRecord beside StudyRecord."""
    pairs = (
        (StudyRecord.needs_cpus, WorkerRecord.cpus),
        (StudyRecord.needs_gpus, WorkerRecord.gpus),
        (StudyRecord.needs_memory, WorkerRecord.memory),
    )
    root = aliased(StudyRecord)
    name = (
        sa.select(root.name)
        .where(root.id == sa.func.coalesce(StudyRecord.parent_id, StudyRecord.id))
        .correlate(StudyRecord)
    )
    serves = sa.or_(WorkerRecord.only_study.is_(None), WorkerRecord.only_study == name.scalar_subquery())
    return sa.and_(serves, *(sa.or_(need.is_(None), offered.is_(None), offered >= need) for need, offered in pairs))


def waits_for(
    needs: Resources, offers: Sequence[Offer], unstarted: Sequence[tuple[Activity, Offer]] = (), elsewhere: int = 0
) -> str | None:
    """Say what a study waits for that none of the workers can serve; None where one can.

    The offers are of the workers that would serve it, and of those on Ray that have no process and what they do; so
    many more serve other studies alone.
    """
    if any(offer.is_enough(needs) for offer in offers):
        return None
    awaited = {activity for activity, offer in unstarted if offer.is_enough(needs)}
    if awaited:
        return NO_START if Activity.CANNOT_START in awaited else NO_NODE
    if not offers:
        return ALL_ELSEWHERE if elsewhere else NO_WORKER
    start = "Start one on a machine that does: regsweep worker"
    return f"No worker that is running offers {needs}, so the study waits. {start}"
