"""Sends damaged files to a server of its own.

    python -m tests.fuzz.files --kinds npz,parquet,csv,json,keras --count 2000 --seed 1

Each file is a valid one of its kind that was damaged at random, by a seed. Fails when an answer is a 5xx, a reader's
error is one that nobody foresaw, a process that reads is left, or the server grows by more than 50 MB.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

import httpx

from tests.acceptance.polling import eventually
from tests.acceptance.processes import House, Server, serving
from tests.fuzz.damage import damage
from tests.fuzz.valid_files import KINDS, make_files
from tests.fuzz.watching import peak_bytes, readers, reset_peak, resident_bytes

_MAX_GROWTH = 50_000_000
_UNFORESEEN = "nobody foresaw"
_WARM_UP = 50  # requests, before the server's memory is measured
_TARGETS = ("y", None)


def main(kinds: list[str], count: int, seed: int, keep: Path | None) -> int:
    """Send so many files of each kind; return how many kinds failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        try:
            with serving(house, workers=0) as server:
                for kind in kinds:
                    failed += not send(server, house, kind, count, seed, keep)
        finally:
            house.close()
    return failed


def send(server: Server, house: House, kind: str, count: int, seed: int, keep: Path | None = None) -> bool:
    """Send so many files of a kind; return whether everything was as it must be."""
    random, files = Random(f"{seed} {kind}"), make_files(kind)  # noqa: S311  # a seed, no secret
    statuses: Counter[int] = Counter()
    unforeseen = house.log().count(_UNFORESEEN)
    before, last = 0, unforeseen
    with httpx.Client(base_url=server.url, headers=server.api.headers, timeout=600) as client:
        for index in range(count):
            if index == min(_WARM_UP, count - 1):
                before = resident_bytes(server.pid)
                reset_peak(server.pid)
            form, content = random.choice(files)
            damaged = damage(content, random, [other for _, other in files])
            answer = _send(client, form, damaged, random)
            statuses[answer.status_code] += 1
            logged = house.log().count(_UNFORESEEN)
            if keep and (answer.status_code >= 500 or logged > last):
                (keep / f"{kind}-{seed}-{index}.{form}").write_bytes(damaged)
                print(f"{kind} {index}: {answer.status_code} {answer.text[:200]}")
            last = logged
    eventually(lambda: not readers(server.pid), 5)
    after, peak = resident_bytes(server.pid), peak_bytes(server.pid)
    errors = sum(number for status, number in statuses.items() if status >= 500)
    unforeseen = house.log().count(_UNFORESEEN) - unforeseen
    found = ", ".join(f"{number} × {status}" for status, number in sorted(statuses.items()))
    print(
        f"{kind}: {count} files, {found}; {errors} × 5xx, {unforeseen} unforeseen; server {before / 1e6:.0f} MB "
        f"before, {after / 1e6:.0f} after, {peak / 1e6:.0f} at most; no process left",
        flush=True,
    )
    return not errors and not unforeseen and after - before < _MAX_GROWTH


def _send(client: httpx.Client, form: str, content: bytes, random: Random) -> httpx.Response:
    if form in {"keras", "json"}:
        return client.post("/v1/models/read", content=content)
    target = random.choice(_TARGETS)
    params = {"format": form} if target is None else {"format": form, "target": target}
    keeps = target is not None and random.random() < 0.2
    return client.post("/v1/datasets" if keeps else "/v1/datasets/profile", params=params, content=content)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder of the files that failed")
    asked = parser.parse_args()
    sys.exit(min(main(asked.kinds.split(","), asked.count, asked.seed, asked.keep), 1))
