"""What pages say of the workers: who is alive, what each does, how fast it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.pages import phrases
from service.schemas.workers import WorkerView
from service.storage.store import Store
from service.views.workers import workers_view
from studies.spec.resources import resources_text


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker: its name, what it does, and the study that it serves (empty for none)."""

    name: str
    activity: str
    study: str
    lanes: int
    offers: str  # "8 CPUs and 64 GiB of memory"; empty of an earlier version's worker
    node: str
    since: str


@dataclass(frozen=True, slots=True)
class WorkerSection:
    """The workers of all machines; `summary` is empty when none is alive."""

    summary: str
    rows: Sequence[WorkerRow]


def worker_section(store: Store) -> WorkerSection:
    """Read the workers."""
    view = workers_view(store)
    if not view.workers:
        return WorkerSection("", ())
    lanes = sum(worker.lanes for worker in view.workers)
    counts = phrases.count(len(view.workers), "worker"), f"{phrases.count(lanes, 'lane')} in use"
    speed = f"{phrases.count(round(view.trials_a_minute), 'trial')} a minute"
    return WorkerSection(" · ".join([*counts, speed]), [_row(worker) for worker in view.workers])


def _row(worker: WorkerView) -> WorkerRow:
    since = phrases.age(worker.started_at)
    offers = resources_text(worker.cpus, worker.gpus or 0, worker.memory)
    node = f"{worker.node or ''} ({worker.fleet})" if worker.fleet else worker.node or ""
    return WorkerRow(worker.name, worker.activity, worker.study or "", worker.lanes, offers, node, since)
