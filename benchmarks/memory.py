"""Measures a worker's memory over studies of many shapes: `python -m benchmarks.memory [--studies N]`.

One worker; every study of a few trials has a table of another width, and so another program.
"""

from __future__ import annotations

import argparse
import tempfile

from benchmarks.server import run, started
from benchmarks.workers import resident_mib, worker_process
from benchmarks.workloads import document

TRIALS, EPOCHS, FIRST = 4, 200, 10


def main() -> None:
    """Print the most memory among every ten studies, and the most of all against that of the first ten."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=60)
    studies = parser.parse_args().studies
    seen: dict[int, float] = {}
    process = 0
    with tempfile.TemporaryDirectory() as folder, started(1, cache_folder=folder) as client:
        for number in range(1, studies + 1):
            plain = document("small table", TRIALS, name=f"study {number}")
            dataset, budget = plain["dataset"] | {"features": 9 + number}, plain["budget"] | {"epochs": EPOCHS}
            run(client, plain | {"dataset": dataset, "budget": budget})
            process = process or worker_process()  # which a worker keeps when it starts anew
            seen[number] = resident_mib(process)
            if number % FIRST == 0:
                highest = max(seen[n] for n in range(number - FIRST + 1, number + 1))
                print(
                    f"studies {number - FIRST + 1:>3} to {number:>3}: at most {highest:.0f} MiB after one", flush=True
                )
    first, later = (max(seen[n] for n in seen if (n <= FIRST) == of_first) for of_first in (True, False))
    print(f"the most after any later study over the most after any of the first {FIRST}: {later / first:.2f}")


if __name__ == "__main__":
    main()
