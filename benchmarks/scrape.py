"""Measures how long a scrape of /metrics takes with 10,000 studies, of which 100 have not ended.

`python -m benchmarks.scrape [--database URL] [--studies 10000]`: rows are inserted, nothing is trained. The server is a
process of its own; times are the client's. Between two scrapes ENDED trials end, as 100 a second would in 15 seconds.
"""

# ruff: noqa: S311  # random rows are no secrets

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import sqlalchemy as sa

from benchmarks.server import server_process
from service.storage.clock import unix_now
from service.storage.records import AttemptRecord, StudyRecord, TrialRecord, table_of
from service.storage.states import Ending, StudyState, TrialState
from service.storage.store import Store
from studies.study_file import parse

STUDIES, ACTIVE, TRIALS = 10_000, 100, 20  # studies, those of them that have not ended, trials of each
ENDED, SCRAPES = 1_500, 40
_BATCH = 500  # studies


def main() -> None:
    """Fill a database, serve it, scrape it, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", help="an empty database; SQLite in a temporary folder when left out")
    parser.add_argument("--studies", type=int, default=STUDIES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.database or f"sqlite:///{folder}/scrape.db"
        fill(url, arguments.studies)
        with server_process(0, database_url=url) as server, httpx.Client(base_url=server, timeout=60) as http:
            _await(http)
            _report("as it is", _scrape(http))
            store = Store(url)
            _report(f"with {ENDED:,} trials ended in between", _scrape(http, store))
            store.close()


def fill(url: str, studies: int = STUDIES, active: int = ACTIVE, trials: int = TRIALS) -> None:
    """Fill an empty database with studies named `study 0`, `study 1`, …; the last `active` are running.

    They stand in Optuna's list of studies as well, without trials there.
    """
    store = Store(url)
    document = {"name": "study 0", "dataset": {"kind": "builtin", "name": "digits"}, "budget": {"trials": trials}}
    first = store.create_study(parse(document))
    with store.writing() as session:
        optuna = sa.Table("studies", sa.MetaData(), autoload_with=session.connection())
        directions = sa.Table("study_directions", sa.MetaData(), autoload_with=session.connection())
        columns = sa.inspect(first).mapper.column_attrs
        template = {attribute.key: getattr(first, attribute.key) for attribute in columns}
        session.execute(sa.update(StudyRecord).values(_study(first.id, ended=studies > active)))
        session.execute(sa.update(TrialRecord), [*_ended(session, first.id)])
        for begin in range(1, studies, _BATCH):
            numbers = range(begin, min(begin + _BATCH, studies))
            rows = [
                template | _study(first.id + n, ended=n < studies - active) | {"name": f"study {n}"} for n in numbers
            ]
            session.execute(sa.insert(StudyRecord), rows)
            session.execute(sa.insert(TrialRecord), [one for row in rows for one in _trials(row["id"], row, trials)])
            made = [{"study_id": row["id"], "study_name": row["name"]} for row in rows]
            session.execute(sa.insert(optuna), made)
            facing = [{"direction": "MINIMIZE", "study_id": row["id"], "objective": 0} for row in rows]
            session.execute(sa.insert(directions), facing)
    store.close()


def _study(study_id: int, *, ended: bool) -> dict[str, Any]:
    return {
        "id": study_id,
        "state": StudyState.COMPLETED if ended else StudyState.RUNNING,
        "started_at": 1e9 + study_id,
        "ended_at": 1e9 + study_id + 60 if ended else None,
        "published": True if ended else None,
        "engine": {"engine": "lanes", "lanes": 16, "epochs_a_call": 1, "xla": False, "why": "a benchmark"},
    }


def _trials(study_id: int, study: dict[str, Any], trials: int) -> Iterator[dict[str, Any]]:
    for number in range(trials):
        slot = {"study_id": study_id, "slot": number, "setbacks": 0}
        if study["state"] == StudyState.COMPLETED:
            yield slot | _result(study_id, number)
        else:
            yield slot | dict.fromkeys(_result(0, 0)) | {"state": TrialState.WAITING, "attempt": 0}


def _ended(session: sa.orm.Session, study_id: int) -> Iterator[dict[str, Any]]:
    ids = session.scalars(sa.select(TrialRecord.id).where(TrialRecord.study_id == study_id).order_by(TrialRecord.slot))
    for number, trial_id in enumerate(ids.all()):
        yield {"id": trial_id} | _result(study_id, number)


def _result(study_id: int, number: int) -> dict[str, Any]:
    value, ended_at = random.random(), 1e9 + study_id + number
    return {
        "number": number,
        "state": TrialState.COMPLETE,
        "attempt": 1,
        "params": {"regularizer": "l1", "lambda": value, "dropout": value, "patience": 10},
        "value": value,
        "values": [value],
        "metrics": {"val_loss": value, "train_loss": value, "val_accuracy": value},
        "epochs": 10,
        "started_at": ended_at - 1,
        "ended_at": ended_at,
    }


def _await(http: httpx.Client) -> None:
    while True:
        with suppress(httpx.HTTPError):
            http.get("/metrics").raise_for_status()
            return
        time.sleep(0.1)


def _scrape(http: httpx.Client, store: Store | None = None) -> list[float]:
    seconds = []
    for _ in range(SCRAPES):
        if store is not None:
            _end_some(store)
        began = time.perf_counter()
        http.get("/metrics").raise_for_status()
        seconds.append(time.perf_counter() - began)
    return seconds


def _end_some(store: Store) -> None:
    """Let trials of the youngest studies end now."""
    with store.writing() as session:
        ids = session.scalars(sa.select(TrialRecord.id).order_by(TrialRecord.id.desc()).limit(ENDED)).all()
        session.execute(sa.update(TrialRecord).where(TrialRecord.id.in_(ids)).values(ended_at=unix_now()))
        attempts = table_of(AttemptRecord)
        session.execute(sa.delete(attempts).where(attempts.c.trial_id.in_(ids)))
        rows = [{"trial_id": one, "attempt": 1, "worker": "w", "started_at": 1e9, "ending": Ending.TOLD} for one in ids]
        session.execute(sa.insert(attempts), rows)


def _report(what: str, seconds: list[float]) -> None:
    low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
    print(f"{what}: {1000 * low:.1f} ms least, {1000 * middle:.1f} ms median, {1000 * high:.1f} ms most", flush=True)


if __name__ == "__main__":
    main()
