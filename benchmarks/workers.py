"""Two workers against one, a reproducible study against a plain one, and the memory of a worker as it runs more trials.

`python -m benchmarks.workers`
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.server import regsweep, serving
from benchmarks.workloads import document
from service.client import Client

TRIALS = 300
COUNTS = (10, 100, 1_000)


def main() -> None:
    """Print both."""
    seconds = {}
    for workers in (1, 2):
        with serving(workers) as client:
            regsweep(client, "small table", TRIALS)  # so that the program is compiled
            seconds[workers] = regsweep(client, "small table", TRIALS)
            print(f"small table, {TRIALS} trials, {workers} workers: {seconds[workers]:.1f} s", flush=True)
            regsweep(client, "small table", 16, reproducible=True)
            fixed = regsweep(client, "small table", TRIALS, reproducible=True)
            print(f"the same, reproducible: {fixed:.1f} s", flush=True)
    print(f"two workers are {seconds[1] / seconds[2]:.2f} times as fast as one")
    with serving(workers=1) as client:
        _memory(client)


def _memory(client: Client) -> None:
    """Resident memory of the one worker after some numbers of trials of one study."""
    worker = worker_process()
    name = client.submit(document("breast_cancer", max(COUNTS), name="memory")).name
    for count in COUNTS:
        while client.study(name).progress.complete < count:
            time.sleep(0.1)
        print(f"memory of a worker after {count:>5,} trials: {resident_mib(worker):.0f} MiB", flush=True)


def worker_process() -> int:
    """The process of the one worker."""
    [worker] = [int(file.parent.name) for file in Path("/proc").glob("[0-9]*/cmdline") if _is_worker(file)]
    return worker


def resident_mib(process: int) -> float:
    """The resident memory of a process."""
    [line] = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def _is_worker(cmdline: Path) -> bool:
    try:
        return b"worker" in cmdline.read_bytes().split(b"\0")
    except OSError:  # ended meanwhile
        return False


if __name__ == "__main__":
    main()
