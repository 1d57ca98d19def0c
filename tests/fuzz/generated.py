"""Sends requests that schemathesis generates from the OpenAPI document, and checks each answer against it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.released_document import KEPT

_CONFIG = Path(__file__).with_name("schemathesis.toml")
_WRITTEN = "=================================== FAILURES"


@dataclass(frozen=True, slots=True)
class Sent:
    """How many requests were sent, and what is not as the document says."""

    requests: int
    mismatches: int
    said: str


def send(url: str, key: str | None, *options: str, seed: int = 1, examples: int = 3) -> Sent:
    """Send requests with an API key, or with none, to a server that has keys.

    `options` are those of `schemathesis run`; `examples` is the most for each operation.

    Raises RuntimeError when schemathesis does not get to its end.
    """
    header = () if key is None else ("--header", f"Authorization: Bearer {key}")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        arguments = (
            *("--url", url, "--seed", str(seed), "--max-examples", str(examples), "--report-json-path", str(report)),
            *("--checks", "all", "--continue-on-failure", "--no-color", "--warnings", "off", "--request-timeout", "30"),
            *("--generation-database", "none", *header, *options),
        )
        command = [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(_CONFIG),
            "run",
            str(KEPT),
            *arguments,
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # it writes a cache
        if not report.exists():
            raise RuntimeError(done.stdout + done.stderr)
        found = json.loads(report.read_text(encoding="utf-8"))
    mismatches = sum(each["count"] for each in (*found["failures"], *found["errors"]))
    if not found["complete"] or (done.returncode != 0 and not mismatches):
        raise RuntimeError(done.stdout + done.stderr)
    said = "\n".join([*map(str, found["errors"]), _WRITTEN + done.stdout.partition(_WRITTEN)[2]]) if mismatches else ""
    return Sent(found["test_cases"]["generated"], mismatches, said)
