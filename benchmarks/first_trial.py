"""Measures how long a study waits for its first trial: `python -m benchmarks.first_trial`.

Seconds from the POST of a study of the small table to its first trial that is told, and to its end, with nothing in the
cache of compiled programs: by a server that has just answered for the first time, and by its warm workers for a shape
they know, another number of rows, and another number of columns.
"""

from __future__ import annotations

import tempfile
import time

from benchmarks.server import started, warm_up
from benchmarks.workloads import document
from service.client import Client

TRIALS, WORKERS = 12, 2


def main() -> None:
    """Print the table."""
    print(f"{'small table, ' + str(TRIALS) + ' trials':<44} {'first trial':>12} {'all':>8}")
    with tempfile.TemporaryDirectory() as folder, started(WORKERS, cache_folder=folder) as client:
        _measure(client, "server just started", rows=2000, features=20)
        warm_up(client)
        _measure(client, "another number of columns", rows=2000, features=40)
        time.sleep(5)  # for the worker that came too late for it
        for seed in (1, 2, 3):
            _measure(client, "known shape", rows=2000, features=40, seed=seed)
        for rows in (1800, 2200, 3000):
            _measure(client, f"another number of rows {rows}", rows=rows, features=40)
        for columns in (39, 30):
            _measure(client, f"another number of columns {columns}", rows=2000, features=columns)


def _measure(client: Client, case: str, rows: int, features: int, seed: int = 0) -> None:
    plain = document("small table", TRIALS, name=f"{case} {time.time():.2f}", seed=seed)
    study = plain | {"dataset": plain["dataset"] | {"rows": rows, "features": features}}
    start = time.perf_counter()
    name = client.submit(study).name
    while not (progress := client.study(name).progress).complete:
        time.sleep(0.01)
    first = time.perf_counter() - start
    while progress.complete < progress.trials:
        time.sleep(0.05)
        progress = client.study(name).progress
    print(f"{case:<44} {first:>10.2f} s {time.perf_counter() - start:>6.2f} s", flush=True)


if __name__ == "__main__":
    main()
