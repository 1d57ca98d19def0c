"""Sends files and documents that take much to read to a server of its own, and says what became of each.

The server has loaded before what it loads when somebody looks at the dashboard and at a report.

    python -m tests.fuzz.attack [PART OF A NAME]

Fails when an answer is none of 200, 201, 413 and 422, the server takes 300 MB or more or does not answer others
meanwhile, or a process that reads is there a second after its client has gone.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.acceptance.polling import eventually
from tests.acceptance.processes import House, Server, serving
from tests.fuzz.bombs import BOMBS
from tests.fuzz.watching import peak_bytes, readers, reset_peak, resident_bytes

_MAX_SERVER_BYTES = 300_000_000
_MAX_HEALTH_SECONDS = 3.0
_AT_ONCE = 12  # study documents
_ALLOWED = {200, 201, 413, 422}
_GONE_SECONDS = 1.0
#: What the server has in its environment.
ENVIRONMENT = {"REGSWEEP_READ_SECONDS": "60"}


def main(part: str) -> int:
    """Send every file whose name holds the part; return how many were too much."""
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        house.environment |= ENVIRONMENT
        try:
            with serving(house, workers=0) as server:
                _load(server)
                return send(server, part)
        finally:
            house.close()


def send(server: Server, part: str = "", max_bytes: int = _MAX_SERVER_BYTES) -> int:
    """Send every file whose name holds the part to a server; return how many were too much."""
    failures = sum(not _send(server, name, max_bytes) for name in BOMBS if part in name)
    return failures + (not _leave(server))


def _load(server: Server) -> None:
    """Ask for what makes a server load the most: the dashboard, a report, the document of its API."""
    study = {"name": "looked-at", "dataset": {"kind": "builtin", "name": "iris"}, "budget": {"trials": 2, "epochs": 2}}
    server.api.post("/v1/studies", json=study).raise_for_status()
    for path in ("/api/studies", "/v1/studies/looked-at/report", "/v1/studies/looked-at/split", "/openapi.json"):
        httpx.get(server.url + path, headers=server.api.headers, timeout=120).raise_for_status()
    print(f"server {resident_bytes(server.pid) / 1e6:.0f} MB once the dashboard and a report were looked at")


def _send(server: Server, name: str, max_bytes: int) -> bool:
    kind, make = BOMBS[name]
    content = make()
    reset_peak(server.pid)
    with _slowest_health(server) as slowest:
        start = time.monotonic()
        with ThreadPoolExecutor(_AT_ONCE) as at_once:
            count = _AT_ONCE if kind == "study" else 1
            answers = [at_once.submit(_post, server, kind, content, 900) for _ in range(count)]
        # Of many large bodies of one key, some are told to come later.
        answer = max((each.result() for each in answers), key=lambda each: (each.status_code != 503, each.status_code))
        seconds = time.monotonic() - start
    eventually(lambda: not readers(server.pid), 5)
    peak = peak_bytes(server.pid)
    is_good = answer.status_code in _ALLOWED and peak < max_bytes and slowest[0] < _MAX_HEALTH_SECONDS
    detail = answer.json().get("detail", "read") if answer.status_code > 201 else "read"
    print(
        f"{'' if is_good else 'TOO MUCH: '}{name}: {len(content):,} bytes, {answer.status_code} after {seconds:.1f} s, "
        f"server {peak / 1e6:.0f} MB, others waited {slowest[0]:.2f} s at most: {detail[:200]}",
        flush=True,
    )
    return is_good


def _post(server: Server, kind: str, content: bytes, timeout: float) -> httpx.Response:
    paths = {"keras": "/v1/models/read", "study": "/v1/studies/check"}
    params = {} if kind in paths else {"target": "y", "format": kind}
    headers = {**server.api.headers, **({"Content-Type": "application/json"} if kind == "study" else {})}
    url = server.url + paths.get(kind, "/v1/datasets")
    return httpx.post(url, params=params, content=content, headers=headers, timeout=timeout)


@contextmanager
def _slowest_health(server: Server) -> Iterator[list[float]]:
    """The longest that another request waits while the block runs."""
    slowest, is_over = [0.0], threading.Event()

    def ask() -> None:
        while not is_over.wait(0.05):
            start = time.monotonic()
            httpx.get(f"{server.url}/healthz", timeout=120)
            slowest[0] = max(slowest[0], time.monotonic() - start)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield slowest
    finally:
        is_over.set()
        asking.join()


def _leave(server: Server) -> bool:
    """Send a file that is read for long, and hang up."""
    kind, make = BOMBS["CSV of 2 GB"]
    content = make()

    def send() -> None:
        with suppress(httpx.TimeoutException):
            _post(server, kind, content, 2.0)

    sending = threading.Thread(target=send)
    sending.start()
    eventually(lambda: readers(server.pid), 30)
    sending.join()
    left = time.monotonic()
    eventually(lambda: not readers(server.pid), 30)
    seconds = time.monotonic() - left
    is_good = seconds < _GONE_SECONDS
    print(f"{'' if is_good else 'TOO LATE: '}a client leaves: its process is gone after {seconds:.2f} s")
    return is_good


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1] if len(sys.argv) > 1 else ""), 1))
