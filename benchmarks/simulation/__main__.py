"""Simulates many workers on PostgreSQL, and says what limits them.

`python -m benchmarks.simulation [--workers N --trials N --studies N --ended N --deaths p]`: no training; the
real store, scheduler, ledger and sampler, and recorded trainings in virtual time. All workers share one process and, by
turns, its connections: times are those of one client that waits for nobody. `--trials` wait in the live studies;
`--ended` ones stand there before, half of them in as many studies that have ended. The measurement begins when every
worker has begun, and lasts until so many trials are closed (`--window`; 0: until nothing is left), or so many seconds
are over.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import structlog

from benchmarks.simulation.filling import Filling, fill
from benchmarks.simulation.meter import Meter, ServerTime
from benchmarks.simulation.workers import Conduct, Crowd
from service.storage.artifacts import Artifacts
from service.storage.pagination import Sort
from service.storage.store import Store
from service.storage.work import work_now
from studies.study_file import parse
from studies.training.machine import resident_bytes
from tests.postgresql import postgresql

TEMPLATE, TEMPLATE_TRIALS = "template", 32
_SHOWN = 12  # statements


def main() -> None:
    """Fill a database, let workers work on it, and print what that takes."""
    parsed = _parsed()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with _database(parsed.database) as url, tempfile.TemporaryDirectory() as folder:
        store = Store(url)
        crowd = Crowd(store, Artifacts(f"file://{folder}"), Conduct(parsed.lanes, parsed.slower, parsed.deaths))
        began = time.perf_counter()
        fill_from_template(store, folder, Filling(parsed.studies, parsed.trials, parsed.ended))
        print(f"filled in {time.perf_counter() - began:.0f} s", flush=True)
        _simulate(crowd, parsed)
        _print_reads(store)
        store.close()


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=1_000_000, help="that wait")
    parser.add_argument("--studies", type=int, default=1000, help="that are live")
    parser.add_argument("--ended", type=int, default=0, help="trials that ended before")
    parser.add_argument("--deaths", type=float, default=0.0, help="chance of a node's death at each heartbeat")
    parser.add_argument("--lanes", type=int, default=Conduct.lanes)
    parser.add_argument("--slower", type=float, default=Conduct.slower, help="times that a training takes as long")
    parser.add_argument("--window", type=int, default=3_000, help="trials to measure; 0: all")
    parser.add_argument("--seconds", type=float, default=120.0, help="real seconds to measure at most")
    parser.add_argument("--database", help="an empty PostgreSQL database; a server of its own when left out")
    return parser.parse_args()


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    with nullcontext() if url else postgresql() as server:
        yield url or server.url()  # type: ignore[union-attr]


def fill_from_template(store: Store, folder: str, filling: Filling) -> None:
    """Run one small study to its end, and copy it and its trials."""
    document: dict[str, Any] = {"name": TEMPLATE, "dataset": {"kind": "builtin", "name": "digits"}}
    document["budget"] = {"trials": TEMPLATE_TRIALS, "epochs": 60, "best_seeds": 1, "max_attempts": 20}
    store.create_study(parse(document))
    crowd = Crowd(store, Artifacts(f"file://{folder}"), Conduct(slower=1.0))
    crowd.start(1)
    crowd.time.run(lambda: crowd.is_done(1))
    fill(store, TEMPLATE, filling)


def _simulate(crowd: Crowd, parsed: argparse.Namespace) -> None:
    memory = resident_bytes()
    crowd.start(parsed.workers, within=10.0)
    began = time.perf_counter()
    with crowd.meter.watching():
        crowd.time.run(lambda: crowd.time.monotonic() > 12.0)
        print(f"all workers have begun after {time.perf_counter() - began:.0f} s", flush=True)
        crowd.meter.reset()
        server, began, virtual, closed = (
            ServerTime(crowd.store.engine),
            time.perf_counter(),
            crowd.time.monotonic(),
            crowd.closed,
        )

        def is_over() -> bool:
            enough = crowd.closed - closed >= parsed.window if parsed.window else crowd.is_done(parsed.workers)
            return enough or time.perf_counter() - began >= parsed.seconds

        crowd.time.run(is_over)
    seconds, used, trials = time.perf_counter() - began, server.seconds(), crowd.closed - closed
    virtual = crowd.time.monotonic() - virtual
    print(
        f"{trials:,} trials in {seconds:.0f} s, {virtual:.0f} virtual ones: {trials / virtual:,.0f} a virtual second; "
        f"{crowd.died} nodes died, {crowd.reaped} attempts were reaped"
    )
    print(f"{(resident_bytes() - memory) / parsed.workers / 1e6:.2f} MB a worker")
    _print(crowd.meter, max(1, trials), used)


def _print(meter: Meter, trials: int, used: float) -> None:
    statements = 1000 * sum(meter.seconds.values()) / trials
    print(f"{1000 * used / trials:.2f} ms of PostgreSQL's processors a trial, {statements:.2f} ms in statements")
    claims = len(meter.parts["claim"]) / sum(meter.parts["claim"]) if meter.parts["claim"] else 0
    print(f"{claims:,.0f} claims a second on one connection")
    for name in sorted(meter.parts, key=lambda part: -meter.by_part[part]):
        calls, own = len(meter.parts[name]), 1000 * meter.by_part[name] / trials
        print(
            f"  {name:18} {calls / trials:6.2f} calls a trial, p50 {meter.percentile(name, 0.5):8.2f} ms, p99 "
            f"{meter.percentile(name, 0.99):8.2f} ms; statements {own:6.2f} ms a trial"
        )
    for text, seconds in meter.seconds.most_common(_SHOWN):
        count = meter.counts[text]
        print(f"  {1000 * seconds / trials:6.2f} ms a trial, {1000 * seconds / count:7.2f} ms each: {text[:160]}")


def _print_reads(store: Store) -> None:
    """What readers wait for: pages of studies and trials, and the metrics."""

    def metrics() -> object:
        with store.reading() as session:
            return work_now(session)

    reads = {
        "a page of studies": lambda: store.progress(store.studies(None, 50, None).items),
        "a page of trials": lambda: store.trials("study 1", [], Sort.parse("value"), 50, None),
        "the best trial": lambda: store.best(store.study("study 1")),
        "metrics": metrics,
    }
    for name, read in reads.items():
        times = []
        for _ in range(5):
            began = time.perf_counter()
            read()
            times.append(1000 * (time.perf_counter() - began))
        print(f"  {name:18} {min(times):8.2f} ms")


if __name__ == "__main__":
    main()
