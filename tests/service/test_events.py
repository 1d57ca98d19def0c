"""Who follows a study misses nothing, however often the connection breaks."""

from __future__ import annotations

import asyncio
import random
import threading
from pathlib import Path

import httpx
import pytest

from service.api.hub import Hub, Listener
from service.api.lazy_store import LazyStore
from service.storage.store import Store
from studies.datasets.preprocessing import PreparedData
from studies.errors import TrainingError
from studies.training.result import Job, OnEpoch, Trained
from tests.service import comparing
from tests.service.conftest import served, settings_in
from tests.service.contenders import sweep_here
from tests.service.documents import document, study, train
from tests.service.ledgers import ledger, opened, run
from tests.service.listening import Event, listed_trials, listening, newest_trials
from tests.service.working import working


def moody(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
    """Some trainings fail for good, some only at the first attempt."""
    if job.number % 7 == 3:
        raise TrainingError("it diverged")
    if job.number % 5 == 1 and job.number not in _failed_once:
        _failed_once.add(job.number)
        raise ValueError("a passing error")
    return train(job, data, on_epoch)


_failed_once = set[int]()


def test_a_listener_sees_a_study_from_its_first_trial_to_its_end(store: Store, folder: Path, api: httpx.Client) -> None:
    store.create_study(study(trials=6))
    with listening(api) as events:
        first = next(events)
        assert (first.kind, first.data["state"], first.data["progress"]["waiting"]) == ("study", "queued", 6)
        assert first.id == first.data["last_event_id"]
        with working(store, folder):
            rest = list(events)
    assert rest[-1][:2] == ("end", {})
    assert newest_trials(rest) == listed_trials(api)
    last_study = [event.data for event in rest if event.kind == "study"][-1]
    assert (last_study["state"], last_study["progress"]["complete"]) == ("completed", 6)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_listener_whose_connection_breaks_at_any_point_loses_nothing(
    store: Store, folder: Path, api: httpx.Client, seed: int
) -> None:
    _failed_once.clear()
    store.create_study(study(trials=60))
    rng, seen, last_id, connections = random.Random(seed), list[Event](), None, 0  # noqa: S311
    with working(store, folder, moody), working(store, folder / "other", moody):
        while not seen or seen[-1].kind != "end":
            connections += 1
            with listening(api, last_event_id=last_id) as events:
                for event in events:
                    seen.append(event)
                    last_id = event.id or last_id
                    if event.kind == "trial" and event.data["state"] == "COMPLETE" and rng.random() < 0.1:
                        api.post(f"/v1/studies/iris/trials/{event.data['number']}/invalidate")
                    if rng.random() < 0.1:
                        break
    with listening(api, last_event_id=last_id) as events:  # what was marked invalid when the end was on its way
        seen += events
    assert connections > 3
    assert newest_trials(seen) == listed_trials(api)
    assert {trial["state"] for trial in newest_trials(seen).values()} == {"COMPLETE", "FAIL"}


def test_the_id_that_a_page_has_read_is_where_its_events_begin(store: Store, folder: Path, api: httpx.Client) -> None:
    spec = study(trials=4)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    run(book, spec)
    read = api.get("/v1/studies/iris").json()["last_event_id"]
    opened(book, spec)  # between the page and its first connection
    with listening(api, query_id=read) as events:
        assert next(events).kind == "study"
        event = next(events)
        assert (event.kind, event.data["number"], event.data["state"]) == ("trial", 1, "RUNNING")


def test_an_id_from_before_a_study_was_extended_loses_none_of_its_new_trials(
    store: Store, folder: Path, api: httpx.Client
) -> None:
    spec = study(budget={"trials": 2, "epochs": 2, "best_seeds": 1})
    store.create_study(spec)
    sweep_here(store, folder, "iris")  # its repeat ended last, and goes when the study is extended
    read = api.get("/v1/studies/iris").json()["last_event_id"]
    store.change("iris", budget={"trials": 3})
    sweep_here(store, folder, "iris")
    with listening(api, query_id=read) as events:
        seen = [event.data["number"] for event in events if event.kind == "trial"]
    assert seen == [2]


def test_an_id_of_a_deleted_study_of_the_name_brings_every_trial(store: Store, folder: Path, api: httpx.Client) -> None:
    spec = study(trials=5)
    store.create_study(spec)
    for _ in range(4):
        run(ledger(store, folder, "iris"), spec)
    old = api.get("/v1/studies/iris").json()["last_event_id"]
    store.delete_study("iris", force=True)
    store.create_study(spec)
    run(ledger(store, folder, "iris"), spec)
    for unknown in (old, "nonsense", "1-99999999999999999999", f"{store.study('iris').id}-77"):
        with listening(api, last_event_id=unknown) as events:
            assert [next(events).kind, next(events).data["number"]] == ["study", 0], unknown


def test_a_study_that_is_deleted_ends_its_streams(store: Store, folder: Path, api: httpx.Client) -> None:
    store.create_study(study())
    with listening(api) as events:
        assert next(events).kind == "study"
        store.delete_study("iris", force=True)
        assert [event[:2] for event in events] == [("deleted", {})]


def test_a_study_that_has_ended_is_shown_with_its_end(store: Store, folder: Path, api: httpx.Client) -> None:
    spec = study(trials=2)
    store.create_study(spec)
    for _ in range(2):
        run(ledger(store, folder, "iris"), spec)
    with listening(api) as events:
        assert [event.kind for event in events] == ["study", "end"]
    with listening(api, last_event_id=f"{store.study('iris').id}-0") as events:
        assert [event.kind for event in events] == ["study", "trial", "trial", "end"]


def test_a_comparison_is_followed_to_its_result(store: Store, folder: Path, api: httpx.Client) -> None:
    store.create_study(comparing.compared_study(trials=2))
    with listening(api) as events, working(store, folder, comparing.train):
        seen = list(events)
    comparisons = [event.data for event in seen if event.kind == "comparison"]
    assert comparisons[0]["result"] is None
    assert comparisons[-1] == api.get("/v1/studies/iris/comparison").json()
    assert comparisons[-1]["result"] is not None


def test_a_study_that_nobody_made_is_404(api: httpx.Client) -> None:
    assert api.get("/v1/studies/nobody/events").status_code == 404


def test_a_server_that_shuts_down_ends_its_streams_in_order(tmp_path: Path, url: str) -> None:
    seen, has_begun = list[Event](), threading.Event()
    with served(settings_in(tmp_path, url)) as client:
        client.post("/v1/studies", json=document())

        def listen() -> None:
            # A stream that is cut off raises here.
            with httpx.Client(base_url=client.base_url, timeout=60) as other, listening(other) as events:
                for event in events:
                    seen.append(event)
                    has_begun.set()

        listener = threading.Thread(target=listen)
        listener.start()
        assert has_begun.wait(30)
    listener.join()
    assert [event.kind for event in seen] == ["study"]


def test_listeners_of_a_study_share_one_look_at_it(store: Store) -> None:
    study_id = store.create_study(study()).id

    async def follow() -> None:
        lazy_store = LazyStore(store.url)
        hub = Hub(lazy_store)
        alone = len(asyncio.all_tasks())
        with hub.follow(study_id, with_id=True) as one, hub.follow(study_id, with_id=False) as other:
            assert len(asyncio.all_tasks()) == alone + 1  # the one that looks
            parts = [await listener.next(30) for listener in (one, other)]
            assert all(part is not None and part.startswith(b"event: study\n") for part in parts)
        await hub.stop()
        assert len(asyncio.all_tasks()) == alone
        lazy_store.close()

    asyncio.run(follow())


def test_a_listener_that_takes_nothing_is_let_go() -> None:
    async def overflow() -> None:
        listener = Listener(with_id=True)
        for _ in range(1000):
            listener.put(b"a part")
        assert await listener.next(0) is None

    asyncio.run(overflow())
