"""Measures a worker's memory over studies of many shapes: `python -m benchmarks.memory [--studies N]`.

One worker; every study of a few trials has a table of another width, and so another program.
"""

from __future__ import annotations

import argparse
import tempfile

from benchmarks.serving import run, started
from benchmarks.workers import resident_mib, worker_process
from benchmarks.workloads import document

TRIALS, EPOCHS, FIRST = 4, 200, 10


def main() -> None:
    """Print the memory after every ten studies, and the highest against that after the first ten."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=60)
    studies = parser.parse_args().studies
    seen: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder, started(1, cache_folder=folder) as client:
        for number in range(1, studies + 1):
            plain = document("small table", TRIALS, name=f"study {number}")
            dataset, budget = plain["dataset"] | {"features": 9 + number}, plain["budget"] | {"epochs": EPOCHS}
            run(client, plain | {"dataset": dataset, "budget": budget})
            seen[number] = resident_mib(worker_process())
            if number % FIRST == 0:
                print(
                    f"memory of a worker after {number:>3} studies of as many shapes: {seen[number]:.0f} MiB",
                    flush=True,
                )
    highest = max(value for number, value in seen.items() if number >= FIRST)
    first, last = seen[FIRST], seen[studies]
    print(f"after {studies} over after {FIRST}: {last / first:.2f}; the highest over it: {highest / first:.2f}")


if __name__ == "__main__":
    main()
