"""Times the server from process start to its first answer, against a bare FastAPI app under uvicorn.

Pairs of starts alternate on the same machine; the ratio of the medians is printed.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

PAIRS = 7
_BARE = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}
"""


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "bare.py").write_text(_BARE)
        environment = os.environ | {"REGSWEEP_DATABASE_URL": f"sqlite:///{folder}/new.db"}
        bare = [sys.executable, "-m", "uvicorn", "bare:app", "--log-level", "error", "--port"]
        ours = [sys.executable, "-m", "service.cli.main", "serve", "--workers", "0", "--log-level", "error", "--port"]
        first = _seconds_to_answer(ours, Path.cwd(), environment)
        times: dict[str, list[float]] = {"bare": [], "regsweep": []}
        for _ in range(PAIRS):
            times["bare"].append(_seconds_to_answer(bare, Path(folder), environment))
            times["regsweep"].append(_seconds_to_answer(ours, Path.cwd(), environment))
        medians = {name: statistics.median(values) for name, values in times.items()}
        print(f"seconds from process start to the first /healthz answer, median of {PAIRS} pairs")
        print(f"  bare FastAPI under uvicorn      {medians['bare']:.3f}")
        print(f"  regsweep serve                  {medians['regsweep']:.3f}")
        print(f"  ratio                           {medians['regsweep'] / medians['bare']:.2f}")
        print(f"  regsweep serve, empty database  {first:.3f}  ({first / medians['bare']:.2f})")


def _seconds_to_answer(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.perf_counter()
    process = subprocess.Popen([*command, str(port)], cwd=folder, env=environment)
    try:
        while time.perf_counter() - start < 30:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz"):
                    return time.perf_counter() - start
            except urllib.error.URLError:
                time.sleep(0.005)
        raise SystemExit(f"{command} did not answer within 30 seconds")
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
