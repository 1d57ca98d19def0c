"""Sends the API documents that strangers could write: `python -m tests.fuzz.documents --count 10000 [--seed 1]`.

Every answer must be one of ours: no 5xx, under 100 KB, under a second of this process' CPU. `--postgresql` asks a
PostgreSQL server of its own in place of SQLite. Study files (YAML) are read beside it, and must be read or refused.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import httpx
import yaml

from service import logs
from service.api.app import create_app
from service.in_process import InProcessTransport
from service.settings import Settings
from studies import study_file
from studies.errors import InvalidSpecError
from tests.fuzz.mutations import mutate, spoil_text, studies
from tests.postgresql import postgresql

MAX_BYTES, MAX_SECONDS = 100_000, 1.0
_MAX_YAML_SECONDS = 10.0  # on the machine of whoever wrote it; PyYAML reads about 100 KB a second
_STUDY = {"name": "there", "dataset": {"kind": "builtin", "name": "iris"}, "budget": {"trials": 50_000, "epochs": 1}}
_TABLE = "\n".join(["a,b,y", *(f"{row},{row % 7},{'no' if row % 3 else 'yes'}" for row in range(60))]).encode()
#: Beside a new study: what else takes a document, and a valid one for each.
_OTHERS: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/studies/there/trials"): {"params": {"lambda": 0.01, "regularizer": "l1", "dropout": 0.1}},
    ("PATCH", "/v1/studies/there"): {"priority": 2, "budget": {"trials": 50_000, "timeout_seconds": 5e9}},
    ("POST", "/v1/studies/none/comparison"): {"techniques": ["none", "l1"], "trials_per_technique": 5, "folds": 3},
    ("POST", "/v1/studies/there/trials/0/invalidate"): {"reason": "a wrong file"},
}


@dataclass
class Findings:
    """What the answers were, and those that break the rule."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0
    largest: int = 0

    def look(self, answer: httpx.Response, seconds: float, sent: bytes) -> None:
        """Count an answer, and keep it where it breaks a rule."""
        self.statuses[str(answer.status_code)] += 1
        self.slowest, self.largest = max(self.slowest, seconds), max(self.largest, len(answer.content))
        what = f"{answer.request.method} {answer.request.url.path} {answer.status_code}"
        # An answer shows the document again, with its defaults: it may be as long, never many times that.
        too_long = len(answer.content) > MAX_BYTES + 2 * len(sent)
        if answer.status_code >= 500 or too_long or seconds > MAX_SECONDS:
            lengths = f"{len(answer.content)} bytes for {len(sent)}"
            found = f"{what}: {lengths}, {seconds:.2f} s: {answer.text[:120]!r} for {sent[:300]!r}"
            self.faults.append(found)
            print(found, flush=True)


@contextmanager
def app_client(database_url: str, folder: Path) -> Iterator[httpx.Client]:
    """A client of the app in this process."""
    settings = Settings(
        database_url=database_url, artifacts_url=f"file://{folder / 'artifacts'}", workers=0, max_active_studies=10**6
    )
    transport = InProcessTransport(create_app(settings))
    with httpx.Client(transport=transport, base_url="http://127.0.0.1", timeout=600) as client:
        yield client


def _timed(client: httpx.Client, method: str, path: str, body: bytes, **headers: str) -> tuple[httpx.Response, float]:
    begun = time.process_time()
    answer = client.request(method, path, content=body, headers=headers)
    return answer, time.process_time() - begun


def _send(random: Random, client: httpx.Client, findings: Findings, corpus: list[dict[str, Any]]) -> None:
    if random.random() < 0.2:
        (method, path), valid = random.choice(list(_OTHERS.items()))
    else:
        method, path, valid = "POST", random.choice(["/v1/studies", "/v1/studies/check"]), random.choice(corpus)
    document = mutate(random, valid, corpus)
    text = json.dumps(document, ensure_ascii=random.random() < 0.9)
    text = spoil_text(random, text) if random.random() < 0.1 else text
    body = text.encode(errors="surrogatepass")
    kind = random.choice(["application/json"] * 27 + ["", "text/plain", "application/x-yaml"])
    answer, seconds = _timed(client, method, path, body, **{"Content-Type": kind} if kind else {})
    findings.look(answer, seconds, body)
    if path == "/v1/studies" and answer.status_code == 201:
        _look_at(random, client, findings, answer.json()["name"], body)


def _look_at(random: Random, client: httpx.Client, findings: Findings, name: str, body: bytes) -> None:
    """Read what was accepted where others would see it, and delete it."""
    path = quote(name, safe="")
    for seen in (f"/v1/studies/{path}", random.choice(["/v1/studies", "/", f"/studies/{path}", "/v1/workers"])):
        answer, seconds = _timed(client, "GET", seen, b"")
        findings.look(answer, seconds, body)
    answer, seconds = _timed(client, "DELETE", f"/v1/studies/{path}?force=true", b"")
    findings.look(answer, seconds, body)


def _read_file(random: Random, folder: Path, findings: Findings, corpus: list[dict[str, Any]]) -> None:
    """Read a study file as `regsweep run` does."""
    document = mutate(random, random.choice(corpus), corpus)
    try:
        text = yaml.safe_dump(document, allow_unicode=random.random() < 0.5)
    except RecursionError:  # JSON is YAML too
        text = json.dumps(document)
    text = spoil_text(random, text) if random.random() < 0.4 else text
    file = folder / "study.yaml"
    file.write_bytes(text.encode(errors="surrogatepass"))
    begun = time.process_time()
    try:
        study_file.read(file)
        outcome = "read"
    except InvalidSpecError as error:
        outcome = "refused"
        if len(str(error)) > MAX_BYTES:
            findings.faults.append(f"YAML: an error of {len(str(error))} characters for {text[:300]!r}")
    except Exception as error:  # noqa: BLE001  # this is what is looked for
        outcome = "raised"
        findings.faults.append(f"YAML: {type(error).__name__}: {str(error)[:120]} for {text[:300]!r}")
        print(findings.faults[-1], flush=True)
    findings.statuses[f"yaml {outcome}"] += 1
    if (seconds := time.process_time() - begun) > _MAX_YAML_SECONDS:
        findings.faults.append(f"YAML: {seconds:.2f} s for {text[:300]!r}")
        print(findings.faults[-1], flush=True)


def fuzz(count: int, seed: int, database_url: str, folder: Path) -> Findings:
    """Send so many documents; the same for the same seed."""
    random, findings, corpus = Random(seed), Findings(), studies()  # noqa: S311  # to be repeated
    with app_client(database_url, folder) as client:
        _timed(client, "POST", "/v1/studies", json.dumps(_STUDY).encode())
        _timed(client, "POST", "/v1/datasets?name=mine&target=y&format=csv", _TABLE)
        for path in ("/v1/studies", "/", "/studies/there"):  # what is loaded on first use is no document's fault
            _timed(client, "GET", path, b"")
        for number in range(count):
            if number % 20 == 19:
                _read_file(random, folder, findings, corpus)
            else:
                _send(random, client, findings, corpus)
    return findings


def main() -> None:
    """Print what the answers were; exit 1 where one breaks a rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgresql", action="store_true")
    options = parser.parse_args()
    logs.configure("error")
    logging.disable(logging.CRITICAL)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder / 'regsweep.db'}"
        if options.postgresql:
            url = stack.enter_context(postgresql()).url("fuzz")
        findings = fuzz(options.count, options.seed, url, folder)
    print(f"{options.count} documents: {dict(findings.statuses)}; {len(findings.faults)} faults")
    print(f"slowest {findings.slowest:.2f} s of CPU, largest answer {findings.largest} bytes")
    raise SystemExit(1 if findings.faults else 0)


if __name__ == "__main__":
    main()
