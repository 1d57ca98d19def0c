"""What is done to the service: each scenario takes a place, does its worst, and says what was done and counted."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.context import ForkServerProcess
from uuid import uuid4

import httpx
import sqlalchemy as sa

from service.storage import locking
from service.storage.invariants import violations
from service.storage.records import StudyRecord, TrialRecord
from service.storage.repair import mend
from service.storage.states import StudyState
from service.storage.worker_store import WorkerStore
from tests.acceptance.polling import eventually
from tests.chaos.oracle import verify
from tests.chaos.place import Place
from tests.service.documents import document
from tests.service.meddling import CHANGING, LOSING, meddle

#: Points at which a worker may die, see studies.faults.
POINTS = (
    "claimed",
    "asked",
    "params written",
    "mid-epoch",
    "model written",
    "before the tell commits",
    "after the tell commits",
)
#: Points at which a server may die while it answers a request.
BOUNDARIES = ("request received", "before the request commits", "after the request commits")


def worker_killed_at(place: Place, point: str) -> str:
    """SIGKILL at a named point, the second time it is reached; another worker goes on."""
    place.study("study", trials=6)
    place.dead(place.worker(fault=f"{point}:2"))
    place.worker()
    place.ended("study")
    return str(verify(place.store, place.artifacts))


def random_killer(place: Place, trials: int, probability: float, slower: float = 2.0, epochs: int = 20) -> str:
    """Four workers, each killed with a probability a second and started again; it may take `slower` times as long."""
    undisturbed = _swarm(place, "undisturbed", trials, epochs, 0.0)[0]
    seconds, kills = _swarm(place, "study", trials, epochs, probability)
    count = verify(place.store, place.artifacts)
    assert seconds <= slower * undisturbed, (seconds, undisturbed)
    return f"{kills} kills, {seconds:.1f} s against {undisturbed:.1f} s without; {count}"


def _swarm(place: Place, name: str, trials: int, epochs: int, probability: float) -> tuple[float, int]:
    dice, kills = random.Random(7), 0  # noqa: S311  # the same kills in every run
    place.study(name, trials, epochs)
    workers = [place.worker() for _ in range(4)]
    begun = tick = time.monotonic()
    while place.store.study(name).ended_at is None:
        assert time.monotonic() - begun < 600
        passed, tick = time.monotonic() - tick, time.monotonic()
        for seat, process in enumerate(workers):
            if dice.random() < 1 - (1 - probability) ** passed:
                process.kill()
                process.join()
                kills += 1
                workers[seat] = place.worker()
        time.sleep(0.05)
    seconds = time.monotonic() - begun
    for process in workers:
        process.terminate()
        process.join(20)
    return seconds, kills


def zombie(place: Place) -> str:
    """SIGSTOP past the lease, then SIGCONT: what the zombie writes is refused."""
    place.study("study", trials=6, epochs=10)
    first = place.worker(epoch_seconds=0.1)
    eventually(WorkerStore(place.store).leases, 30)
    # A process that stands inside a write holds SQLite's only lock, or the study's, and no lease helps: not tried here.
    with place.store.writing() as session:
        locking.find(session, "study", lock=True)
        os.kill(_pid(first), signal.SIGSTOP)
    held = len(WorkerStore(place.store).leases())
    second = place.worker()
    place.ended("study")
    before = _rows(place)
    second.terminate()
    second.join(20)
    os.kill(_pid(first), signal.SIGCONT)
    # It must come past its own trials to get to these.
    place.study("next", trials=1)
    place.ended("next")
    assert [row for row in _rows(place) if row in before] == before
    return f"{held} trials held through SIGSTOP; {verify(place.store, place.artifacts)}"


def _pid(process: ForkServerProcess) -> int:
    assert process.pid is not None
    return process.pid


def _rows(place: Place) -> list[tuple[object, ...]]:
    columns = [TrialRecord.__table__.c[c] for c in ("id", "state", "number", "attempt", "worker", "value", "model")]
    with place.store.reading() as session:
        return [tuple(row) for row in session.execute(sa.select(*columns).order_by(columns[0]))]


def reaper_killed(place: Place) -> str:
    """A worker dies; whoever notices dies between the steps of ending its attempts, and again."""
    place.study("study", trials=6, epochs=10)
    place.dead(place.worker(fault="mid-epoch:2"))
    held = len(WorkerStore(place.store).leases())
    place.study("away", trials=1, priority=100)
    for point in ("attempts ended", "endings noted"):
        place.dead(place.worker(fault=f"{point}:1"))
    place.worker()
    place.ended("study", "away")
    return f"{held} leases, 2 reapers killed; {verify(place.store, place.artifacts)}"


def server_killed(place: Place) -> str:
    """The server dies at every boundary of a request, which is sent again with its key: done once."""
    for index, boundary in enumerate(BOUNDARIES):
        body, headers = document(f"study {index}", 2), {"Idempotency-Key": uuid4().hex}
        with place.server(fault=f"{boundary}:1") as (client, process):
            try:
                client.post("/v1/studies", json=body, headers=headers)
            except httpx.TransportError:
                place.dead(process)
            else:
                raise AssertionError(f"the server lived on at {boundary}")
        with place.server() as (client, _):
            first, again = (client.post("/v1/studies", json=body, headers=headers) for _ in range(2))
            assert (first.status_code, again.status_code, first.text) == (201, 201, again.text)
            assert client.get(f"/v1/studies/study {index}").is_success
    with place.store.reading() as session:
        names = Counter(session.scalars(sa.select(StudyRecord.name)))
    assert names == {f"study {index}": 1 for index in range(len(BOUNDARIES))}
    place.worker()
    place.ended(*names)
    return f"{len(BOUNDARIES)} servers killed, {len(names)} studies; {verify(place.store, place.artifacts)}"


def identical_posts(place: Place, posts: int = 100) -> str:
    """The same request many times at once: one study, and the same answer word for word."""
    body, headers = document("study", 3), {"Idempotency-Key": "the same"}
    with place.server() as (client, _), ThreadPoolExecutor(posts) as pool:
        sent = [pool.submit(client.post, "/v1/studies", json=body, headers=headers) for _ in range(posts)]
        answers = [future.result() for future in sent]
        assert Counter(answer.status_code for answer in answers) == {201: posts}
        assert len({answer.text for answer in answers}) == 1
        assert len(client.get("/v1/studies").json()["items"]) == 1
    place.worker()
    place.ended("study")
    return f"{posts} posts, 1 study, 1 answer; {verify(place.store, place.artifacts)}"


def database_away(place: Place, stop: Callable[[], None], start: Callable[[], None], seconds: float) -> str:
    """The database stops for a while under a server and two workers: 503 with Retry-After, then on."""
    place.study("study", trials=40, epochs=10)
    with place.server() as (client, _):
        workers = [place.worker(epoch_seconds=0.05) for _ in range(2)]
        eventually(WorkerStore(place.store).leases, 30)
        stop()
        refused, ends = Counter[int](), time.monotonic() + seconds
        try:
            while time.monotonic() < ends:
                answer = client.post("/v1/studies", json=document(uuid4().hex, 1))
                refused[answer.status_code] += 1
                assert answer.status_code == 503, answer.text
                assert int(answer.headers["Retry-After"]) > 0
                time.sleep(0.2)
        finally:
            start()
        place.ended("study")
        assert eventually(lambda: client.get("/v1/studies/study").is_success, 20)
        assert all(worker.is_alive() for worker in workers)
    return f"{seconds:.0f} s away, {refused[503]} times 503 with Retry-After; {verify(place.store, place.artifacts)}"


def write_lock_held(place: Place, seconds: float) -> str:
    """Another process holds SQLite's write lock for longer than the busy timeout."""
    path = sa.make_url(place.settings.database_url).database
    assert path is not None
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        return database_away(
            place, lambda: _ignore(other.execute("BEGIN IMMEDIATE")), lambda: _ignore(other.execute("COMMIT")), seconds
        )


def _ignore(_: object) -> None: ...


def disk_full(place: Place) -> str:
    """A worker can write no file beyond a size: neither a model nor, on SQLite, the database; then it can again."""
    place.study("study", trials=6)
    full = place.worker(file_bytes=50_000)
    eventually(lambda: "File too large" in place.log.read_text() or "disk" in place.log.read_text(), 60)
    assert full.is_alive()
    resource.prlimit(_pid(full), resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    place.ended("study")
    assert full.is_alive()
    return str(verify(place.store, place.artifacts))


def clock_off(place: Place, seconds: float) -> str:
    """One worker's clock is wrong; neither it nor the other loses a trial."""
    place.study("study", trials=30, epochs=10)
    for clock_seconds in (seconds, 0.0):
        place.worker(epoch_seconds=0.05, clock_seconds=clock_seconds)
    place.ended("study")
    count = verify(place.store, place.artifacts)
    assert set(count.attempts) == {"told"}, count
    return str(count)


def another_program(place: Place, trials: int = 6) -> str:
    """A program with plain Optuna breaks a study in each way it can while three workers train them and one more."""
    broken = {meddler.__name__: meddler for meddler in (*LOSING, *CHANGING)}
    for name in broken:
        place.study(name, trials, epochs=10)
    place.study("other", trials, epochs=10, priority=-1)
    workers = [place.worker(epoch_seconds=0.03) for _ in range(3)]
    waiting, ends = dict(broken), time.monotonic() + 120
    while waiting:
        assert time.monotonic() < ends, waiting
        for name in [name for name in waiting if _runs(place, name)]:
            meddle(place.settings.database_url, waiting.pop(name), name)
        time.sleep(0.02)
    lost = [meddler.__name__ for meddler in LOSING]
    place.ended("other", *(broken.keys() - set(lost)))
    problems = place.store.problems([place.store.study(name) for name in lost])
    assert len(problems) == len(lost), problems
    mended = mend(place.store)
    place.ended(*lost)
    assert all(worker.is_alive() for worker in workers)
    mended += mend(place.store)
    left = [what for what in violations(place.store, place.artifacts) if "another program added it" not in what]
    assert left == [], left
    with place.store.reading() as session:
        states = Counter(map(str, session.scalars(sa.select(TrialRecord.state).where(TrialRecord.slot < trials))))
    assert states == {"COMPLETE": trials * (len(broken) + 1)}, states
    return f"{len(broken)} studies broken, {len(mended)} things mended; {states['COMPLETE']} COMPLETE, no worker ended"


def _runs(place: Place, name: str) -> bool:
    study = place.store.study(name)
    # On a machine that is busy with more one may end between two looks.
    return place.store.progress([study])[study.id].running > 0 or study.ended_at is not None


def crowd(place: Place, workers: int, clients: int, seconds: float, trials: int) -> str:
    """Workers and clients on one database, the dashboard open: no error, none locked."""
    for index in range(4):
        place.study(f"study {index}", trials=trials, epochs=4)
    for _ in range(workers):
        place.worker()
    with place.server() as (client, _):
        answers = asyncio.run(_read_and_write(str(client.base_url), clients, seconds))
    for index in range(4):
        place.store.set_state(f"study {index}", StudyState.STOPPED)
    eventually(lambda: not WorkerStore(place.store).leases(), 60)
    with place.store.reading() as session:
        ended = session.scalar(sa.select(sa.func.count()).where(TrialRecord.state == "COMPLETE"))
    assert set(answers) <= {200, 201, 202}, answers
    assert place.locked() == 0
    return f"{sum(answers.values())} requests, {ended} trials, 0 errors, 0 locked"


async def _read_and_write(url: str, clients: int, seconds: float) -> Counter[int]:
    answers, ends = Counter[int](), time.monotonic() + seconds
    reads = (
        "/v1/studies",
        "/v1/studies/study 0",
        "/v1/studies/study 1/trials?limit=20&sort=-number",
        "/v1/studies/study 2/best",
        "/dashboard",
        "/api/studies",
    )

    async def one(number: int, client: httpx.AsyncClient) -> None:
        turn = number
        while time.monotonic() < ends:
            turn += 1
            if turn % 5:
                answer = await client.get(reads[turn % len(reads)], follow_redirects=True)
            else:
                name = f"study {turn % 4}"
                answer = await client.patch(f"/v1/studies/{name}", json={"priority": turn % 3})
            answers[answer.status_code] += 1

    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        await asyncio.gather(*(one(number, client) for number in range(clients)))
    return answers
