"""Measures what those who follow a study cost its sweep: the same study with listeners and without, by turns.

`python -m benchmarks.listeners [--listeners 200] [--trials 1000] [--turns 3]`: a server with two workers, warm. The
listeners are connections of one other process, which takes what comes and looks at none of it; its CPU time, which is
the machine's as well, is shown beside the seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from urllib.parse import quote, urlsplit

import httpx

from benchmarks.server import serving
from benchmarks.workloads import document
from service.cli.demo import free_port

_END = b"event: end\n"


def main() -> None:
    """Print the seconds of each run, and their ratio."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--listeners", type=int, default=200)
    arguments.add_argument("--trials", type=int, default=1000)
    arguments.add_argument("--turns", type=int, default=3)
    arguments.add_argument("--listen", nargs=2, metavar=("URL", "STUDY"), help="be the listeners; for this program")
    parsed = arguments.parse_args()
    if parsed.listen:
        url, study = parsed.listen
        asyncio.run(_listen(url, study, parsed.listeners))
        return
    seconds: dict[int, list[float]] = {0: [], parsed.listeners: []}
    port = free_port()
    with serving(workers=2, port=port), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        _seconds(client, "before", parsed.trials, 0)  # so that the program of this workload is compiled
        for turn in range(parsed.turns):
            for count in (0, parsed.listeners) if turn % 2 == 0 else (parsed.listeners, 0):
                seconds[count].append(_seconds(client, f"turn {turn} of {count}", parsed.trials, count))
                print(f"{count:>4} listeners: {seconds[count][-1]:6.2f} s", flush=True)
    without, listened = (median(of) for of in seconds.values())
    print(f"{parsed.listeners} listeners: {listened / without:.3f} times as long ({listened:.2f} s, {without:.2f} s)")


def _seconds(client: httpx.Client, name: str, trials: int, listeners: int) -> float:
    """Seconds that a study takes, from the moment that all listen."""
    client.post("/v1/studies", json=document("breast_cancer", trials, name=name)).raise_for_status()
    path = f"/v1/studies/{quote(name)}"
    client.post(f"{path}/pause").raise_for_status()
    with _listening(client, name, listeners):
        start = time.perf_counter()
        client.post(f"{path}/resume").raise_for_status()
        while client.get(path).json()["state"] in ("queued", "running"):
            time.sleep(0.25)
        return time.perf_counter() - start


@contextmanager
def _listening(client: httpx.Client, name: str, count: int) -> Iterator[None]:
    """A process of listeners, which have all seen the study."""
    if not count:
        yield
        return
    options = ["--listeners", str(count), "--listen", str(client.base_url), name]
    command = [sys.executable, "-m", "benchmarks.listeners", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        print(process.stdout.readline(), end="", flush=True)


async def _listen(url: str, study: str, count: int) -> None:
    parts = urlsplit(url)
    begun = asyncio.Semaphore(0)
    listeners = [
        asyncio.create_task(_one(str(parts.hostname), int(parts.port or 80), study, begun)) for _ in range(count)
    ]
    for _ in range(count):
        await begun.acquire()
    print("all listen", flush=True)
    received = await asyncio.gather(*listeners)
    ended = sum(has_ended for _, has_ended in received)
    megabytes, cpu = sum(size for size, _ in received) / 1e6, time.process_time()
    print(f"      {ended} of {count} came to the end; {megabytes:.1f} MB, {cpu:.2f} s CPU", flush=True)


async def _one(host: str, port: int, study: str, begun: asyncio.Semaphore) -> tuple[int, bool]:
    """Follow a study to its end; return the bytes, and whether that was its end."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        f"GET /v1/studies/{quote(study)}/events HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    )
    size, last = 0, b""
    while part := await reader.read(1 << 16):
        if not size:
            begun.release()
        size, last = size + len(part), (last + part)[-200:]
    writer.close()
    return size, _END in last


if __name__ == "__main__":
    main()
