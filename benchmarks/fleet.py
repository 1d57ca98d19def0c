"""Trials an hour with one and two workers beside the server, against as many on a Ray cluster of this machine.

`python -m benchmarks.fleet [--workload NAME] [--trials N] [--rounds N]`: all on PostgreSQL, with the same data and
trials. The two fleets take turns, and the best round of each counts, for whatever else the machine does only slows it
down. Loading TensorFlow and compiling are outside the clock.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.server import regsweep, started, warm_up
from benchmarks.workloads import WORKLOADS
from service.client import Client
from tests.postgresql import PostgreSQL, postgresql


def main() -> None:
    """Print trials an hour of both, and what Ray costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", choices=list(WORKLOADS), default="breast_cancer")
    parser.add_argument("--trials", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    with postgresql() as database, _ray() as address:
        for workers in (1, 2):
            seconds: dict[str, float] = {}
            for _ in range(asked.rounds):
                for fleet in ("local", "ray"):
                    with _serving(database, fleet, address, workers) as client:
                        took = regsweep(client, asked.workload, asked.trials)
                    seconds[fleet] = min(took, seconds.get(fleet, took))
            rates = {fleet: 3600 * asked.trials / took for fleet, took in seconds.items()}
            print(
                f"{asked.workload}, {asked.trials} trials, {workers} workers: {rates['local']:,.0f} an hour beside the "
                f"server, {rates['ray']:,.0f} on Ray, which costs {100 * (1 - rates['ray'] / rates['local']):.1f} %",
                flush=True,
            )


@contextmanager
def _ray() -> Iterator[str]:
    """A head and one node with all cores of this machine; its address."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  # 15 otherwise, which counts where anything else runs
    small = {"include_dashboard": False, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=small | {"num_cpus": 0})
    try:
        cluster.add_node(num_cpus=os.cpu_count(), **small)
        yield str(cluster.address)
    finally:
        cluster.shutdown()


@contextmanager
def _serving(database: PostgreSQL, fleet: str, address: str, workers: int) -> Iterator[Client]:
    """A server whose workers have all trained something."""
    ray = {"fleet": "ray", "ray_address": address, "min_workers": str(workers), "max_workers": str(workers)}
    settings = {"database_url": database.url("fleet")} | (ray if fleet == "ray" else {})
    with started(0 if fleet == "ray" else workers, None, **settings) as client:
        while len(client.workers().workers) < workers:
            time.sleep(0.1)
        warm_up(client)
        yield client


if __name__ == "__main__":
    main()
