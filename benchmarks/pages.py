"""Measures how long lists take to answer as they grow: 1,000 studies, and studies of 100 and of 10,000 trials.

`python -m benchmarks.pages [--database URL]`: rows are inserted as the store inserts them, nothing is trained. The
server is a process of its own; times are the client's, the least of REQUESTS requests, so they hold a millisecond or
two of HTTP. What is said of a study of 10,000 trials is its time beside that of the same page of one of 100.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx
import sqlalchemy as sa

from benchmarks.ended_trials import end_trials
from benchmarks.server import server_process
from service.storage.records import StudyRecord
from service.storage.states import ComparisonState, StudyState
from service.storage.store import Store
from studies.study_file import parse

STUDIES, COMPARED, TRIALS = 1_000, 50, 20  # studies listed, those of them with a comparison, trials of each
SMALL, LARGE, PAGE = 100, 10_000, 100
REQUESTS = 15
SORTS = ("number", "value", "-value", "epochs", "-ended_at")


def main() -> None:
    """Fill a database, serve it, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", help="an empty database; SQLite in a temporary folder when left out")
    with tempfile.TemporaryDirectory() as folder:
        url = parser.parse_args().database or f"sqlite:///{folder}/pages.db"
        _fill(url)
        with server_process(0, database_url=url) as server, httpx.Client(base_url=server, timeout=60) as http:
            _await(http)
            _measure(http)


def _await(http: httpx.Client) -> None:
    while True:
        with suppress(httpx.TransportError):
            http.get("/healthz").raise_for_status()
            return
        time.sleep(0.05)


def _fill(url: str) -> None:
    store = Store(url)
    for number in range(STUDIES):
        comparison = {"techniques": ["none", "l1", "l2"], "trials_per_technique": TRIALS}
        asked = {"comparison": comparison} if number % (STUDIES // COMPARED) == 0 else {}
        store.create_study(parse(_document(f"study {number}", TRIALS) | asked))
    for trials in (SMALL, LARGE):
        store.create_study(parse(_document(f"of {trials}", trials)))
    with store.writing() as session:
        ended = {"state": StudyState.COMPLETED, "started_at": 1e9, "ended_at": 1e9 + 60, "published": True}
        session.execute(sa.update(StudyRecord).values(ended))
        compared = sa.update(StudyRecord).where(StudyRecord.comparison.is_not(None))
        session.execute(compared.values(comparison_state=ComparisonState.COMPLETED, answer="L1, likely"))
        for study_id in session.scalars(sa.select(StudyRecord.id)).all():
            end_trials(session, study_id)
    store.close()


def _document(name: str, trials: int) -> dict[str, Any]:
    return {"name": name, "dataset": {"kind": "builtin", "name": "digits"}, "budget": {"trials": trials}}


def _measure(http: httpx.Client) -> None:
    print(f"{'what':44} {'of 100':>9} {'of 10,000':>9}  ratio   (ms, least of {REQUESTS})")
    _print("GET /v1/studies?limit=50, 1,000 studies", _milliseconds(http, "/v1/studies?limit=50"))
    last = _cursor(http, "/v1/studies?limit=50", STUDIES // 50 - 1)
    _print("its last page", _milliseconds(http, f"/v1/studies?limit=50&cursor={last}"))
    _print("only completed ones", _milliseconds(http, "/v1/studies?limit=50&state=completed"))
    _print("the first page, /", _milliseconds(http, "/"))
    for what, path in _paths():
        times = [_milliseconds(http, path.format(study=quote(f"of {trials}"))) for trials in (SMALL, LARGE)]
        _print(what, *times)
    for sort in SORTS:
        for state in ("", "&state=COMPLETE", "&state=FAIL&state=PRUNED"):
            _print_pages(http, f"limit={PAGE // 4}&sort={sort}{state}")


def _paths() -> Iterator[tuple[str, str]]:
    yield "GET of one study", "/v1/studies/{study}"
    yield "its best", "/v1/studies/{study}/best"
    yield "trial 50", "/v1/studies/{study}/trials/50"
    yield "its curve", "/v1/studies/{study}/trials/50/curve"
    yield "its page, /studies/{name}", "/studies/{study}"
    yield "what the plots of its page are drawn from", "/studies/{study}/points"
    yield "the page of trial 50", "/studies/{study}/trials/50"


def _print_pages(http: httpx.Client, query: str) -> None:
    """The first page, and one in the middle."""
    paths = [f"/v1/studies/{quote(f'of {trials}')}/trials?{query}" for trials in (SMALL, LARGE)]
    _print(f"trials?{query}", *(_milliseconds(http, path) for path in paths))
    middles = [path + f"&cursor={_cursor(http, path, pages)}" for path, pages in zip(paths, (1, 100), strict=True)]
    _print("  a page in the middle", *(_milliseconds(http, path) for path in middles))


def _cursor(http: httpx.Client, path: str, pages: int) -> str:
    """The cursor behind so many pages, or before the last one."""
    cursor = ""
    for _ in range(pages):
        page = http.get(path + (f"&cursor={cursor}" if cursor else "")).json()
        if page["next"] is None:
            break
        cursor = page["next"]
    return cursor


def _milliseconds(http: httpx.Client, path: str) -> float:
    http.get(path).raise_for_status()
    times = []
    for _ in range(REQUESTS):
        start = time.perf_counter()
        http.get(path).raise_for_status()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def _print(what: str, *times: float) -> None:
    columns = " ".join(f"{each:9.1f}" for each in times)
    ratio = f"  {times[1] / times[0]:5.2f}" if len(times) > 1 else ""
    print(f"{what:44} {columns}{ratio}", flush=True)


if __name__ == "__main__":
    main()
