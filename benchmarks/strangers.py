"""Attacks a server of its own over sockets, and prints what it holds: memory, connections, descriptors, bytes of log.

`python -m benchmarks.strangers [--quick]`. After each attack `/healthz` must answer. Waits for the server's own
bounds (service/api/connections.py), which the table shows beside what was done.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

import httpx

from service.cli.demo import free_port

_HEADERS = b"Host: 127.0.0.1\r\nContent-Type: application/json\r\n"
_BODY_BYTES = 9_000_000


def main() -> None:
    """Print a line for each attack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="do not wait for the bounds of seconds")
    quick = parser.parse_args().quick
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"{'attack':52} {'held':>6} {'later':>6} {'RSS MB':>7} {'peak':>6} {'log kB':>7}  answered in", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        _run(folder, "2,000 connections that send nothing", lambda port: _open(port, 2000, b""), quick)
        half = b"POST /v1/studies HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        _run(folder, "2,000 with half of their headers", lambda port: _open(port, 2000, half), quick)
        stalled = b"POST /v1/studies HTTP/1.1\r\n" + _HEADERS + b"Content-Length: 1000000\r\n\r\n" + 1000 * b" "
        _run(folder, "1,000 with a body that stalls", lambda port: _open(port, 1000, stalled), quick)
        login = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\nkey="
        _run(folder, "1,000 that hang up in /login", lambda port: _hang_up(port, 1000, login), quick=True)
        _run(folder, "1,000 lines that are no HTTP", lambda port: _open(port, 1000, b"nonsense\r\n\r\n"), quick=True)
        _run(folder, f"40 bodies of {_BODY_BYTES / 1e6:.0f} MB at once", _bodies, quick=True)
        low = "200 descriptors, 2,000 connections"
        _run(folder, low, lambda port: _open(port, 2000, b""), quick, descriptors=200)


def _run(
    folder: str,
    what: str,
    attack: Callable[[int], list[socket.socket]],
    quick: bool,
    descriptors: int | None = None,
) -> None:
    port, log = free_port(), Path(folder, "log")
    environment = os.environ | {
        "REGSWEEP_DATABASE_URL": f"sqlite:///{folder}/{port}.db",
        "REGSWEEP_ARTIFACTS_URL": f"file://{folder}/artifacts",
    }
    command = [sys.executable, "-P", "-m", "service.cli.main", "serve", "--port", str(port), "--workers", "0"]
    if descriptors is not None:
        command = ["prlimit", f"--nofile={descriptors}:{descriptors}", *command]
    with log.open("wb") as errors, subprocess.Popen(command, stderr=errors, env=environment) as server:
        try:
            while _seconds_to_answer(port) is None:
                time.sleep(0.05)
            before = log.stat().st_size
            connections = attack(port)
            time.sleep(1)
            held, answered = _count(connections), _seconds_to_answer(port)
            if not quick:
                time.sleep(40)
            later, status = _count(connections), Path(f"/proc/{server.pid}/status").read_text()
            memory = {line.split(":")[0]: int(line.split()[1]) / 1000 for line in status.splitlines() if " kB" in line}
            took = "no answer" if answered is None else f"{answered * 1000:.0f} ms"
            grown = (log.stat().st_size - before) / 1000
            print(
                f"{what:52} {held:6} {later:6} {memory['VmRSS']:7.0f} {memory['VmHWM']:6.0f} {grown:7.1f}  {took}",
                flush=True,
            )
            for connection in connections:
                connection.close()
        finally:
            server.terminate()


def _seconds_to_answer(port: int) -> float | None:
    start = time.perf_counter()
    with suppress(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=10).raise_for_status()
        return time.perf_counter() - start
    return None


def _open(port: int, count: int, data: bytes) -> list[socket.socket]:
    """Connections that send something and then wait."""
    connections = []
    for _ in range(count):
        with suppress(OSError):
            connection = socket.create_connection(("127.0.0.1", port), timeout=2)
            connections.append(connection)
            connection.sendall(data)
    return connections


def _hang_up(port: int, count: int, data: bytes) -> list[socket.socket]:
    for connection in _open(port, count, data):
        connection.close()
    return []


def _bodies(port: int) -> list[socket.socket]:
    """JSON bodies that come whole at once; prints what became of them."""
    head = b"POST /v1/studies HTTP/1.1\r\n" + _HEADERS + f"Content-Length: {_BODY_BYTES}\r\n\r\n".encode()
    body = b'{"name": [' + b"1," * ((_BODY_BYTES - 20) // 2)
    answers: list[bytes] = []

    def send() -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(head + body + b"1]}".rjust(_BODY_BYTES - len(body)))
            answers.append(connection.recv(12)[-3:])

    threads = [Thread(target=send) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = {answer.decode(): answers.count(answer) for answer in sorted(set(answers))}
    print(f"  answers to the bodies: {counts}, {40 - len(answers)} cut off")
    return []


def _count(connections: list[socket.socket]) -> int:
    """Connections that the server has not closed."""
    count = 0
    for connection in connections:
        connection.setblocking(False)
        try:
            count += bool(connection.recv(1 << 16)) and bool(connection.recv(1))
        except BlockingIOError:
            count += 1
        except OSError:
            pass
    return count


if __name__ == "__main__":
    main()
