"""`make fuzz`: sends a server with a worker what strangers could send, while a study runs beside it.

    python -m tests.fuzz [--count 10000] [--seed 1] [--only requests]

Sends so many requests that schemathesis generates (with a key, without, stateful), so many study documents, a fifth as
many damaged files of each kind, and every file that takes much to read. Prints what came of it; exits 1 when an answer
is a 5xx or not as the OpenAPI document says, the server grows by 50 MB, or the study does not end as it does alone.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from service import logs
from tests.acceptance.polling import eventually
from tests.acceptance.processes import House, Server, serving
from tests.fuzz import attack, documents, files, generated
from tests.fuzz.valid_files import KINDS
from tests.fuzz.watching import peak_bytes, resident_bytes

_MAX_GROWTH = 50_000_000
_MAX_SECONDS = 3600  # that the study may take beside everything else
#: Whose values are the same whoever trains them, and when.
_STUDY: dict[str, Any] = {
    "dataset": {"kind": "builtin", "name": "breast_cancer"},
    "budget": {"trials": 40, "epochs": 20},
    "reproducible": True,
    "priority": 1000,
    "seed": 7,
}
_BESIDE = "beside"  # the project of that study, which the keys of strangers do not see
_ENVIRONMENT = {"REGSWEEP_MAX_FAILED_KEYS": "1000000", "REGSWEEP_MAX_ACTIVE_STUDIES": "1000000"}
_REQUESTS = re.compile(r"^regsweep_http_request_duration_seconds_count\{(.*)\} (\S+)$", re.MULTILINE)


def main(count: int, seed: int, only: str) -> int:
    """Do everything with a server of its own; the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        house.environment |= attack.ENVIRONMENT | _ENVIRONMENT
        try:
            admin = house.run("keys", "create", "admin", "--scope", "admin").stdout.strip()
            with serving(house, workers=1) as server:
                server.api.headers["Authorization"] = f"Bearer {admin}"
                return _fuzz(server, house, admin, count, seed, only)
        finally:
            house.close()


def _fuzz(server: Server, house: House, admin: str, count: int, seed: int, only: str) -> int:
    server.api.post("/v1/projects", json={"name": _BESIDE}).raise_for_status()
    stranger = house.run("keys", "create", "stranger", "--scope", "admin", "--project", "default").stdout.strip()
    alone = _values(server, _submit(server, "alone"))
    print(f"a study alone: {len(alone)} trials, best value {min(alone)}", flush=True)
    _send_generated(server, admin, stranger, 100, seed - 1)  # what is loaded on first use is no growth
    before, asked = resident_bytes(server.pid), _statuses(server)
    beside = _submit(server, "beside")
    works: dict[str, Callable[[], bool]] = {
        "generated requests": lambda: _send_generated(server, admin, stranger, count, seed),
        **{f"files: {kind}": partial(files.send, server, house, kind, count // 5, seed) for kind in KINDS},
        "attacks": lambda: not attack.send(server, max_bytes=before + _MAX_GROWTH),
        "documents": lambda: _send_documents(count, seed),
    }
    good = [_timed(title, work) for title, work in works.items() if only in title]
    values = _values(server, beside)
    after, peak = resident_bytes(server.pid), peak_bytes(server.pid)
    statuses = _statuses(server) - asked
    errors = sum(number for status, number in statuses.items() if status >= 500)
    found = ", ".join(f"{number:,} × {status}" for status, number in sorted(statuses.items()))
    print(f"the server answered {statuses.total():,} requests: {found}")
    print(
        f"server {before / 1e6:.0f} MB before, {after / 1e6:.0f} MB after, {peak / 1e6:.0f} MB at most in the attacks"
    )
    same = "the same" if values == alone else "OTHERS"
    print(f"the study beside: {len(values)} trials, best value {min(values)}, {same}")
    is_good = all(good) and not errors and values == alone and max(after, peak) - before < _MAX_GROWTH
    print("everything is as it must be" if is_good else f"NOT AS IT MUST BE: {errors} × 5xx")
    return 0 if is_good else 1


def _timed(title: str, work: Callable[[], bool]) -> bool:
    begun = time.monotonic()
    is_good = work()
    print(f"{title}: {'as they must be' if is_good else 'FAILED'}, {time.monotonic() - begun:.0f} s", flush=True)
    return is_good


def _send_generated(server: Server, admin: str, stranger: str, count: int, seed: int) -> bool:
    """Send rounds of requests until they are as many as asked for.

    A key that may do everything could delete the study beside: it is used only where that does not happen.
    """
    phases = "examples,coverage,fuzzing" if count >= 5000 else "fuzzing"
    ways: Sequence[tuple[str, str | None, tuple[str, ...]]] = (
        ("with a key", stranger, ("--phases", phases)),
        ("with a key of every project", admin, ("--phases", phases, "--exclude-path-regex", "^/v1/studies")),
        ("without a key", None, ("--phases", phases)),
        ("stateful", stranger, ("--phases", "stateful")),
    )
    requests, mismatches = Counter[str](), 0
    for number in range(count):  # a round sends some
        for title, key, options in ways:
            examples = min(max(count // 500, 2), 20)
            sent = generated.send(server.url, key, *options, seed=seed + number, examples=examples)
            requests[title] += sent.requests
            mismatches += sent.mismatches
            if sent.said:
                print(f"{title}, seed {seed + number}:\n{sent.said}", flush=True)
        if requests.total() >= count:
            break
    each = ", ".join(f"{number:,} {title}" for title, number in requests.items())
    print(f"{requests.total():,} generated requests ({each}): {mismatches} mismatches")
    return not mismatches


def _send_documents(count: int, seed: int) -> bool:
    """Send study documents to an app in this process, which counts what each costs."""
    with tempfile.TemporaryDirectory() as folder:
        found = documents.fuzz(count, seed, f"sqlite:///{folder}/regsweep.db", Path(folder))
    print(f"{count:,} documents: {dict(found.statuses)}; {len(found.faults)} faults, {found.slowest:.2f} s at most")
    return not found.faults


def _submit(server: Server, name: str) -> str:
    server.api.post("/v1/studies", json={"name": name, **_STUDY}, params={"project": _BESIDE}).raise_for_status()
    return name


def _values(server: Server, name: str) -> list[float]:
    """The values of a study's trials, once it has ended."""
    eventually(lambda: server.api.get(f"/v1/studies/{name}").json()["state"] == "completed", _MAX_SECONDS)
    trials = server.api.get(f"/v1/studies/{name}/trials", params={"limit": 1000, "sort": "number"}).json()["items"]
    return [trial["value"] for trial in trials if trial["value"] is not None]


def _statuses(server: Server) -> Counter[int]:
    """How often the server has answered with each status."""
    statuses = Counter[int]()
    for labels, number in _REQUESTS.findall(server.api.get("/metrics").raise_for_status().text):
        if 'route="/readyz"' not in labels:  # whose 503 is an answer
            statuses[int(labels.partition('status="')[2][:3])] += int(float(number))
    return statuses


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--count", type=int, default=10_000, help="requests, and documents; of files a fifth for each kind"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="the parts whose title holds this text")
    given = parser.parse_args()
    logs.configure("error")
    logging.disable(logging.CRITICAL)
    sys.exit(main(given.count, given.seed, given.only))
