"""Measures in virtual time how a large study and small ones share workers: `python -m benchmarks.simulation.fairness`.

A large study has all workers when small ones come. The figures are the virtual seconds from then until each small one
has ended, beside those that it takes alone, and the most workers that ever held trials of the large one at once.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
import structlog

from benchmarks.simulation.workers import Conduct, Crowd
from service.storage.artifacts import Artifacts
from service.storage.records import StudyRecord, TrialRecord, running
from service.storage.states import LIVE_STUDY
from service.storage.store import Store
from studies.study_file import parse
from tests.postgresql import postgresql

LARGE = "large"
_LOOK_SECONDS = 1.0


@dataclass
class Fair:
    """What was seen of a simulation."""

    ended_after: dict[str, float] = field(default_factory=dict)  # seconds, by study
    most_workers: int = 0  # of the large study


def main() -> None:
    """Print how long small studies take beside a large one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--large", type=int, default=20_000, help="trials of the large study")
    parser.add_argument("--small", type=int, default=20, help="small studies")
    parser.add_argument("--trials", type=int, default=16, help="trials of each small study")
    parser.add_argument("--max-workers", type=int, help="of the large study")
    parsed = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    names = [f"small {number}" for number in range(parsed.small)]
    with postgresql() as server, tempfile.TemporaryDirectory() as folder:
        for title, large in (("alone", 0), ("beside a large one", parsed.large)):
            store = Store(server.url())
            crowd = Crowd(store, Artifacts(f"file://{folder}"), Conduct(lanes=4))
            seen = share(crowd, parsed.workers, large, names, parsed.trials, parsed.max_workers)
            after = sorted(seen.ended_after.values())
            print(
                f"{title}: {len(names)} studies of {parsed.trials} trials ended after {statistics.median(after):.0f} s "
                f"(median), {after[-1]:.0f} s (last); the large one had at most {seen.most_workers} workers",
                flush=True,
            )
            store.close()


def share(
    crowd: Crowd, workers: int, large: int, small: Iterable[str], trials: int, max_workers: int | None = None
) -> Fair:
    """Let workers serve a large study of so many trials for a minute, then small ones beside it until they end."""
    seen, small = Fair(), list(small)
    if large:
        _submit(crowd.store, LARGE, large, {} if max_workers is None else {"max_workers": max_workers})
    crowd.start(workers)
    crowd.time.run(lambda: crowd.time.monotonic() >= (60.0 if large else 1.0))
    for name in small:
        _submit(crowd.store, name, trials, {})
    came = looked = crowd.time.monotonic()

    def all_ended() -> bool:
        nonlocal looked
        if crowd.time.monotonic() - looked >= _LOOK_SECONDS:
            looked = crowd.time.monotonic()
            _look(crowd.store, small, seen, looked - came)
        return len(seen.ended_after) == len(small)

    crowd.time.run(all_ended)
    return seen


def _submit(store: Store, name: str, trials: int, more: dict[str, Any]) -> None:
    budget = {"trials": trials, "epochs": 60, "best_seeds": 1}
    store.create_study(
        parse({"name": name, "dataset": {"kind": "builtin", "name": "digits"}, "budget": budget, **more})
    )


def _look(store: Store, small: Iterable[str], seen: Fair, after: float) -> None:
    with store.reading() as session:
        live = set(session.scalars(sa.select(StudyRecord.name).where(StudyRecord.state.in_(LIVE_STUDY))))
        holders = sa.select(sa.func.count(TrialRecord.worker.distinct()))
        holders = holders.join(StudyRecord, StudyRecord.id == TrialRecord.study_id)
        count = session.scalar(holders.where(running(), StudyRecord.name == LARGE)) or 0
    seen.most_workers = max(seen.most_workers, count)
    for name in small:
        if name not in live:
            seen.ended_after.setdefault(name, after)


if __name__ == "__main__":
    main()
