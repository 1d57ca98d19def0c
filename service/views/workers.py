"""Workers as the API shows them."""

from __future__ import annotations

from service.schemas.workers import WorkersView, WorkerView
from service.storage import workers
from service.storage.store import Store
from service.views.instants import utc


def workers_view(store: Store) -> WorkersView:
    """The workers that are alive."""
    with store.reading() as session:
        alive, lanes = workers.alive(session), workers.running_by_worker(session)
        rate = workers.trials_a_minute(session)
    views = [
        WorkerView(
            name=seen.name,
            activity=seen.activity,
            study=seen.study,
            lanes=lanes[seen.name],
            cpus=seen.offer.cpus,
            gpus=seen.offer.gpus,
            memory=seen.offer.memory,
            node=seen.offer.node,
            fleet=seen.offer.fleet,
            started_at=utc(seen.started_at),
            seen_at=utc(seen.seen_at),
        )
        for seen in alive
    ]
    return WorkersView(workers=views, trials_a_minute=rate)
