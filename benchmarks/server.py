"""A server with workers, warm, for measurements through REST."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import tokens
from benchmarks.workloads import document
from service.cli.demo import free_port
from service.client import Client


@contextmanager
def serving(workers: int, port: int | None = None) -> Iterator[Client]:
    """A server whose workers have loaded TensorFlow and trained something."""
    with started(workers, port) as client:
        warm_up(client)
        yield client


def warm_up(client: Client) -> None:
    """Let every worker train something."""
    iris = {"dataset": {"kind": "builtin", "name": "iris"}, "budget": {"trials": 8, "epochs": 2}}
    run(client, iris | {"name": "first"})
    time.sleep(5)  # for the worker that came too late for the first
    run(client, iris | {"name": "second"})


@contextmanager
def started(workers: int, port: int | None = None, **settings: str) -> Iterator[Client]:
    """A server that answers; its workers may not be ready yet."""
    with server_process(workers, port, **settings) as url, Client(url) as client:
        while not client.is_healthy():
            time.sleep(0.05)
        yield client


@contextmanager
def server_process(workers: int, port: int | None = None, **settings: str) -> Iterator[str]:
    """A server that may not answer yet; its URL."""
    port = port or free_port()
    command = [sys.executable, "-m", "service.cli.main", "serve", "--port", str(port), "--workers", str(workers)]
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "REGSWEEP_DATABASE_URL": f"sqlite:///{folder}/regsweep.db",
            "REGSWEEP_ARTIFACTS_URL": f"file://{folder}/artifacts",
            "REGSWEEP_LOG_LEVEL": "error",
            **{f"REGSWEEP_{name.upper()}": value for name, value in settings.items()},
        }
        server = subprocess.Popen(command, env=environment)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def regsweep(client: Client, workload: str, trials: int, **changes: object) -> float:
    """Seconds from the submission of a workload's study to its end; a file of its own is uploaded before."""
    study = document(workload, trials, name=f"{workload} {trials} {time.time():.0f}")
    if study["dataset"]["kind"] == "uploaded":
        with tempfile.TemporaryDirectory() as folder:
            client.add_dataset_or_find(tokens.write(Path(folder)), {"name": "tokens", "format": "npz", "target": "y"})
    return run(client, study | changes)


def run(client: Client, study: dict[str, object]) -> float:
    """Seconds that a study takes."""
    start = time.perf_counter()
    name = client.submit(study).name
    while (seen := client.study(name)).state in ("queued", "running"):
        time.sleep(0.25)  # as `regsweep watch` does; each look takes time from the workers
    if seen.progress.complete + seen.progress.pruned != seen.progress.trials:
        raise SystemExit(f"{name} ended with {seen.progress}")
    return time.perf_counter() - start
