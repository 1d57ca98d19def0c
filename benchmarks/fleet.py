"""Trials an hour with one and two workers beside the server, against as many on a Ray cluster of this machine.

`python -m benchmarks.fleet [--workload NAME] [--trials N] [--rounds N]`: all on PostgreSQL, with the same data and
trials. The two fleets take turns, and the best round of each counts, for whatever else the machine does only slows it
down. Loading TensorFlow and compiling are outside the clock. Processor time a trial is told beside it, of the workers
and of what runs for them (server, keeper, actors, Ray), which a busy machine falsifies less; without PostgreSQL's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from benchmarks.server import regsweep, started, warm_up
from benchmarks.workloads import WORKLOADS
from service.client import Client
from service.storage.states import Activity
from tests.postgresql import PostgreSQL, postgresql
from tests.ray.clusters import running_of

_ROUNDS = count()


def main() -> None:
    """Print trials an hour of both, and what Ray costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", choices=list(WORKLOADS), default="breast_cancer")
    parser.add_argument("--trials", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    with postgresql() as database, _ray() as (address, folder):
        for workers in (1, 2):
            seconds: dict[str, float] = {}
            used: dict[str, dict[str, float]] = {}
            for _ in range(asked.rounds):
                for fleet in ("local", "ray"):
                    with _serving(database, fleet, address, workers) as client:
                        before = _processor_seconds(folder)
                        took = regsweep(client, asked.workload, asked.trials)
                        after = _processor_seconds(folder)
                    if took <= seconds.get(fleet, took):
                        seconds[fleet], used[fleet] = took, _difference(before, after)
            rates = {fleet: 3600 * asked.trials / took for fleet, took in seconds.items()}
            print(
                f"{asked.workload}, {asked.trials} trials, {workers} workers: {rates['local']:,.0f} an hour beside the "
                f"server, {rates['ray']:,.0f} on Ray, which costs {100 * (1 - rates['ray'] / rates['local']):.1f} %"
            )
            for fleet, parts in used.items():
                largest = sorted(parts.items(), key=lambda part: -part[1])
                each = [f"{what} {1000 * spent / asked.trials:.1f}" for what, spent in largest]
                total = 1000 * sum(parts.values()) / asked.trials
                print(f"  {fleet}: {total:.1f} ms of processor time a trial: {', '.join(each)}", flush=True)


def _processor_seconds(folder: Path) -> dict[int, tuple[str, float]]:
    """What the processes of server and cluster are, and what they have used, by their ids."""
    used: dict[int, tuple[str, float]] = {}
    for process in running_of(folder):
        files = Path(f"/proc/{process}")
        with suppress(OSError):  # it ends meanwhile
            fields = (files / "stat").read_text().rpartition(")")[2].split()
            seconds = (float(fields[11]) + float(fields[12])) / os.sysconf("SC_CLK_TCK")
            used[process] = _what((files / "cmdline").read_bytes()), seconds
    return used


def _what(command: bytes) -> str:
    words = command.replace(b"\0", b" ").decode(errors="replace").split()
    names = {"worker": "workers", "serve": "server", "service.ray.main": "keeper"}
    return next((name for word, name in names.items() if word in words), Path(words[0]).name if words else "others")


def _difference(before: dict[int, tuple[str, float]], after: dict[int, tuple[str, float]]) -> dict[str, float]:
    spent: dict[str, float] = {}
    for process, (what, used) in after.items():
        spent[what] = spent.get(what, 0.0) + used - before.get(process, (what, 0.0))[1]
    return spent


@contextmanager
def _ray() -> Iterator[tuple[str, Path]]:
    """A head and one node, for which the cores of this machine are 16; its address, and the folder of its files."""
    from ray.cluster_utils import Cluster

    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    os.environ["RAY_TMPDIR"] = str(folder)
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  # 15 otherwise, which counts where anything else runs
    small = {"include_dashboard": False, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=small | {"num_cpus": 0})
    try:
        cluster.add_node(num_cpus=16, **small)  # room beside actors of the round before, which end after their workers
        yield str(cluster.address), folder
    finally:
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _serving(database: PostgreSQL, fleet: str, address: str, workers: int) -> Iterator[Client]:
    """A server whose workers have all trained something."""
    ray = {"fleet": "ray", "ray_address": address, "min_workers": str(workers), "max_workers": str(workers)}
    ray["idle_seconds"] = "5"  # so that those of the round before have left
    # Another database each time, or a server would adopt the workers of the round before, and replace them meanwhile.
    settings = {"database_url": database.url(f"fleet{next(_ROUNDS)}")} | (ray if fleet == "ray" else {})
    with started(0 if fleet == "ray" else workers, None, **settings) as client:
        while sum(worker.activity == Activity.IDLE for worker in client.workers().workers) < workers:
            time.sleep(0.1)
        warm_up(client)
        yield client


if __name__ == "__main__":
    main()
