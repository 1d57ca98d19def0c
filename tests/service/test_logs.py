"""Log lines: JSON of everything a process writes, text that no request can forge, and the id of each request."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.routes import health

#: What a process writes to its standard error: lines of ours, of libraries, a warning, two tracebacks, and last words.
SPEAKS = """
import logging, sys, threading, warnings
from service import logs
logs.configure("info", sys.argv[1])
import structlog
log = structlog.get_logger("ours")
with structlog.contextvars.bound_contextvars(request_id="r-1"):
    log.info("said", path="/a\\nb\\x1b[31m")
    logging.getLogger("library").warning("of %s", "theirs", extra={"trial": 3, "attempt": 2})
log.debug("not said")
warnings.warn("be careful")
logs.relay(["a line of a worker", '{"event": "in JSON already"}'])
def fail():
    secret = "hidden"
    raise ValueError("in a thread")
thread = threading.Thread(target=fail, name="t"); thread.start(); thread.join()
try:
    fail()
except ValueError:
    log.exception("caught")
raise RuntimeError("the end")
"""


def spoken(log_format: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", SPEAKS, log_format], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.splitlines()


def test_every_line_in_json_is_one_object() -> None:
    lines: list[dict[str, Any]] = [json.loads(line) for line in spoken("json")]
    assert [(line.get("logger"), line.get("level")) for line in lines] == [
        ("ours", "info"),
        ("library", "warning"),
        ("py.warnings", "warning"),
        ("stderr", "warning"),
        (None, None),
        ("uncaught", "error"),
        ("ours", "error"),
        ("uncaught", "critical"),
    ]
    assert {line.get("request_id") for line in lines[:2]} == {"r-1"}
    assert (lines[0]["path"], lines[1]["trial"], lines[1]["attempt"]) == ("/a\nb\x1b[31m", 3, 2)
    assert [line["exception"].splitlines()[-1] for line in lines if "exception" in line] == [
        "ValueError: in a thread",
        "ValueError: in a thread",
        "RuntimeError: the end",
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line["timestamp"]) for line in lines if "level" in line)
    assert "hidden" not in str([line.get("locals") for line in lines])


def test_text_cannot_forge_a_line_or_steer_a_terminal() -> None:
    lines = spoken("text")
    assert r"path=/a\nb\x1b[31m" in lines[0]
    assert "\x1b" not in "".join(lines)


def test_a_sane_request_id_is_kept_and_another_replaced(shared_api: httpx.Client) -> None:
    sent = {"abc-1:2.x_Y": True, "x" * 100: True, "x" * 101: False, "a b": False, "a\tb": False, "ä": False, "-": False}
    for asked, kept in sent.items():
        answer = shared_api.get("/v1/studies/none", headers=[(b"X-Request-ID", asked.encode())])
        returned = answer.headers["x-request-id"]
        assert (returned == asked) is kept, asked
        assert answer.json()["request_id"] == returned
    ids = {shared_api.get("/healthz").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


def test_an_answer_to_an_unforeseen_error_has_its_id_too(
    shared_api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(health, "_schema", fail)
    answer = shared_api.get("/v1/schema", headers={"X-Request-ID": "broken"})
    assert (answer.status_code, answer.headers["x-request-id"], answer.json()["request_id"]) == (500, *["broken"] * 2)


def test_a_command_that_is_refused_says_so_in_json(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "service.cli.main", "serve", "--host", "0.0.0.0", "--port", "0"]  # noqa: S104
    environment = {"REGSWEEP_LOG_FORMAT": "json", "REGSWEEP_DATABASE_URL": f"sqlite:///{tmp_path}/a.db"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 2
    assert "there is no key; make one" in lines[-1]["event"]
