"""Measures `GET /v1/studies/{name}` at 64 connections while two workers train, beside a bare FastAPI route.

`python -m benchmarks.serving [--connections 64] [--seconds 5] [--turns 3]`: by turns, against a server with a key and
against the least that FastAPI can do, a process of its own that reads the study's row from the same SQLite file by one
select. The client is a third process on raw sockets. Ours must answer half as many a second or more, and 99 % of its
answers must come within five times the other's.

Where the server has `/metrics`, its time with 10,000 studies is printed too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import sqlalchemy as sa

from benchmarks.server import server_process, warm_up
from benchmarks.workloads import document
from service.cli.demo import free_port
from service.client import Client
from service.storage.keys import KeyStore
from service.storage.records import StudyRecord
from service.storage.store import Store
from studies.study_file import parse

STUDY = "trained"
STUDIES = 10_000


def main() -> None:
    """Print requests a second and the times of both, by turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ask", metavar="URL", help="be the client; for this program")
    parser.add_argument("--bare", nargs=2, metavar=("DATABASE", "PORT"), help="be the other server; for this program")
    parsed = parser.parse_args()
    if parsed.bare:
        _serve_bare(parsed.bare[0], int(parsed.bare[1]))
    elif parsed.ask:
        print(json.dumps(asyncio.run(_ask(parsed.ask, parsed.connections, parsed.seconds))))
    else:
        _compare(parsed.connections, parsed.seconds, parsed.turns, parsed.workers)
        _measure_metrics()


def _compare(connections: int, seconds: float, turns: int, workers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "regsweep.db")
        key = _key(path)
        with server_process(workers, database_url=f"sqlite:///{path}") as url, Client(url, key) as client:
            _await(f"{url}/healthz")
            if workers:
                warm_up(client)
            client.submit(document("breast_cancer", 5_000, name=STUDY))
            with _bare(path) as other:
                urls = {"ours": f"{url}/v1/studies/{STUDY}", "bare": f"{other}/studies/{STUDY}"}
                _print(urls, key, connections, seconds, turns)
            client.stop(STUDY)


def _print(urls: dict[str, str], key: str, connections: int, seconds: float, turns: int) -> None:
    rates: dict[str, list[float]] = {name: [] for name in urls}
    slowest: dict[str, list[float]] = {name: [] for name in urls}
    options = ["--connections", str(connections), "--seconds", str(seconds)]
    for _ in range(turns):
        for name, url in urls.items():
            command = [sys.executable, "-m", "benchmarks.serving", "--ask", url, *options]
            printed = subprocess.run(command, env=os.environ | {"KEY": key}, capture_output=True, text=True, check=True)
            rate, milliseconds = json.loads(printed.stdout)
            rates[name].append(rate)
            slowest[name].append(milliseconds)
            print(f"{name}: {rate:7.0f} requests a second, 99 % within {milliseconds:6.1f} ms", flush=True)
    rate = median(rates["ours"]) / median(rates["bare"])
    slow = median(slowest["ours"]) / median(slowest["bare"])
    print(f"{rate:.2f} of the bare route's requests a second (at least 0.5), {slow:.2f} times its 99 % (at most 5)")


def _key(path: Path) -> str:
    store = Store(f"sqlite:///{path}")
    try:
        return KeyStore(store).create("benchmark", "submit").text
    finally:
        store.close()


@contextmanager
def _bare(path: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.serving", "--bare", str(path), str(port)]
    with subprocess.Popen(command) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _await(f"{url}/studies/{STUDY}")
            yield url
        finally:
            process.terminate()


def _serve_bare(database: str, port: int) -> None:
    """One route, one select, a connection for each thread, no log."""
    import uvicorn
    from fastapi import FastAPI

    app, kept = FastAPI(), threading.local()

    @app.get("/studies/{name}")
    def read(name: str) -> dict[str, Any]:
        if not hasattr(kept, "connection"):
            kept.connection = sqlite3.connect(database)
            kept.connection.row_factory = sqlite3.Row
        row = kept.connection.execute("SELECT * FROM regsweep_studies WHERE name = ?", (name,)).fetchone()
        return dict(row)

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


async def _ask(url: str, count: int, seconds: float) -> tuple[float, float]:
    """Requests a second over so many connections, and the milliseconds in which 99 % were answered."""
    times: list[float] = []
    ends = time.perf_counter() + seconds
    start = time.perf_counter()
    await asyncio.gather(*(_ask_again(url, ends, times) for _ in range(count)))
    return len(times) / (time.perf_counter() - start), 1000 * sorted(times)[int(0.99 * len(times))]


async def _ask_again(url: str, ends: float, times: list[float]) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    request = (
        f"GET {quote(parts.path)} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {os.environ['KEY']}\r\n\r\n"
    )
    while (start := time.perf_counter()) < ends:
        writer.write(request.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            raise SystemExit(head.decode())
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r")[0]))
        times.append(time.perf_counter() - start)
    writer.close()


def _await(url: str) -> None:
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(url).status_code < 500:
                return
        time.sleep(0.05)


def _measure_metrics() -> None:
    """The least of ten times of `/metrics` with many studies, where the server has it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "regsweep.db")
        key = _key(path)
        store = Store(f"sqlite:///{path}")
        spec = parse(document("breast_cancer", 1, name="first"))
        first = store.create_study(spec)
        with store.writing() as session:
            names = [column.key for column in sa.inspect(StudyRecord).column_attrs]
            row = {name: getattr(first, name) for name in names if name != "id"}
            rows = [row | {"name": f"study {number}", "state": "completed"} for number in range(STUDIES - 1)]
            session.execute(sa.insert(StudyRecord), rows)
        store.close()
        headers = {"Authorization": f"Bearer {key}"}
        with server_process(0, database_url=f"sqlite:///{path}") as url, httpx.Client(headers=headers) as http:
            _await(f"{url}/healthz")
            times = []
            for _ in range(10):
                start = time.perf_counter()
                if http.get(f"{url}/metrics").status_code != 200:
                    print("/metrics: this server has none")
                    return
                times.append(1000 * (time.perf_counter() - start))
        print(f"/metrics with {STUDIES:,} studies: {min(times):.1f} ms (at most 20), the slowest {max(times):.1f} ms")


if __name__ == "__main__":
    main()
