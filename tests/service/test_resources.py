"""A study is given only to workers that offer what it needs, and to at most `max_workers` at once."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.cli.following import what_happens
from service.cli.looking import Look
from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.ledger import TrialLedger
from service.storage.offers import ALL_ELSEWHERE, NO_NODE, NO_START, NO_WORKER, Offer
from service.storage.pagination import Sort
from service.storage.states import Activity, FleetKind
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from service.views.studies import one_study_view
from service.worker.offering import offer_of
from studies.errors import InvalidSpecError
from studies.sweep.ledger import Order
from studies.training.machine import memory_bytes, usable_cpus
from tests.acceptance.polling import eventually
from tests.service.commanding import run_command
from tests.service.comparing import PARTS, compared_study
from tests.service.conftest import served, settings_in
from tests.service.documents import document, study
from tests.service.ledgers import claimed, ledger
from tests.service.test_metrics import scraped, value
from tests.service.working import working

GIB = 2**30
SMALL, LARGE = Offer(cpus=2, gpus=0, memory=4 * GIB), Offer(cpus=16, gpus=1, memory=64 * GIB)
NEEDY: dict[str, Any] = {"resources": {"gpus": 1, "memory": "32 GiB"}}


def next_name(store: Store, offer: Offer | None, worker: str = "") -> str | None:
    found = WorkerStore(store).next_study(worker=worker, offer=offer)
    return None if found is None else found.name


def show(store: Store, worker: str, offer: Offer | None = None, name: str | None = None) -> None:
    """Let a worker be alive, and serve a study if one is named."""
    study_id = None if name is None else store.study(name).id
    activity = Activity.IDLE if name is None else Activity.TRAINING
    WorkerStore(store).show_worker(worker, activity, study_id, 600.0, 1, offer)


# What workers offer


@pytest.mark.parametrize("needs", [{"cpus": 4}, {"gpus": 1}, {"memory": "5 GiB"}])
def test_a_study_goes_only_to_a_worker_that_offers_what_it_needs(store: Store, needs: dict[str, object]) -> None:
    store.create_study(study("needy", priority=9, resources=needs))
    store.create_study(study("plain"))
    assert [next_name(store, offer) for offer in (SMALL, LARGE)] == ["plain", "needy"]
    assert next_name(store, None) == "needy"  # a worker that says nothing of itself gets any


def test_a_worker_leaves_no_study_for_one_that_it_cannot_serve(store: Store, folder: Path) -> None:
    store.create_study(study("plain"))
    store.create_study(study("needy", priority=9, **NEEDY))
    plain = store.study("plain")
    for offer, order in ((SMALL, Order.GO_ON), (LARGE, Order.HAND_BACK)):
        holder = Holder("a", 600.0, turn_seconds=0.0, offer=offer)
        assert TrialLedger(store, Artifacts(f"file://{folder}"), plain, holder).report([]).order is order


def test_workers_of_two_machines_run_what_each_can(store: Store, folder: Path) -> None:
    store.create_study(study("plain"))
    with working(store, folder, offer=SMALL) as small:
        eventually(lambda: store.study("plain").state == "completed", 20)
        store.create_study(study("needy", **NEEDY))
        with working(store, folder, offer=LARGE) as large:
            eventually(lambda: store.study("needy").state == "completed", 20)
    names = {name: store.trials(name, (), Sort.parse("number"), 9, None).items for name in ("plain", "needy")}
    ran = {name: {store.attempts(trial)[0].worker for trial in trials} for name, trials in names.items()}
    assert ran == {"plain": {small.name}, "needy": {large.name}}


def test_an_offer_that_is_none_is_refused(tmp_path: Path) -> None:
    refused = run_command("worker", "--memory", "lots", REGSWEEP_DATABASE_URL=f"sqlite:///{tmp_path / 'a.db'}")
    says = "regsweep: --memory must be a size such as 2 GiB, or a whole number of bytes, at most 1 PiB\n"
    assert (refused.returncode, refused.stderr) == (2, says)


def test_a_worker_offers_its_machine_unless_it_is_told_otherwise() -> None:
    own, told = offer_of(None, None, None, FleetKind.LOCAL), offer_of(0.5, 0, GIB, FleetKind.OWN, "iris")
    assert (own.cpus, own.gpus, own.memory) == (usable_cpus(), None, memory_bytes())
    assert told == Offer(0.5, 0, GIB, socket.gethostname(), FleetKind.OWN, "iris")


def test_a_worker_that_offers_just_enough_is_enough(store: Store) -> None:
    store.create_study(study("needy", resources={"cpus": 2, "gpus": 0, "memory": 4 * GIB}))
    assert next_name(store, SMALL) == "needy"


def test_the_parts_of_a_comparison_need_what_their_study_needs(store: Store) -> None:
    store.create_study(compared_study(trials=1, **NEEDY))
    assert next_name(store, SMALL) is None
    ledger(store, Path("/nowhere"), "iris").claim(9)
    assert (next_name(store, SMALL), next_name(store, LARGE)) == (None, PARTS[0])


@pytest.mark.parametrize(
    ("resources", "says"),
    [
        (
            {"memory": "many"},
            "resources.memory: must be a size such as 2 GiB, or a whole number of bytes, at most 1 PiB",
        ),
        ({"memory": True}, "resources.memory: must be a size such as 2 GiB"),
        ({"memory": "99999999 PiB"}, "resources.memory: must be a size such as 2 GiB"),
        ({"gpus": -1}, "resources.gpus: must be greater than or equal to 0"),
        ({"gpus": 1.5}, "resources.gpus: must be a whole number"),
        ({"cpus": 0}, "resources.cpus: must be greater than 0"),
        ({"cpus": "2"}, "resources.cpus: must be a number"),
        ({"gpu": 1}, "resources.gpu: unknown field; did you mean gpus?"),
    ],
)
def test_resources_that_are_none_are_refused(resources: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidSpecError) as refused:
        study(resources=resources)
    assert says in str(refused.value)


def test_a_study_that_no_worker_can_serve_says_so_everywhere(store: Store, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, store.url)
    with served(settings) as api:
        created = api.post("/v1/studies", json=document(**NEEDY)).json()
        assert (created["spec"]["resources"]["memory"], created["waits_for"]) == (32 * GIB, NO_WORKER)
        show(store, "a", SMALL)
        says = (
            "No worker that is running offers 1 GPU and 32 GiB of memory, so the study waits. Start one on a "
            "machine that does: regsweep worker"
        )
        assert api.get("/v1/studies/iris").json()["waits_for"] == says
        assert says in api.get("/studies/iris").text
        assert "no worker for it" in api.get("/").text
        assert value(scraped(api), "regsweep_studies_unserved") == 1
        show(store, "b", LARGE)
        assert api.get("/v1/studies/iris").json()["waits_for"] is None
        assert says not in api.get("/studies/iris").text
        assert value(scraped(api), "regsweep_studies_unserved") == 0
        [_, worker] = api.get("/v1/workers").json()["workers"]
    assert (worker["cpus"], worker["gpus"], worker["memory"]) == (16, 1, 64 * GIB)


def test_who_watches_a_study_that_waits_learns_for_what(store: Store) -> None:
    store.create_study(study(**NEEDY))
    show(store, "a", SMALL)
    view = one_study_view(store, store.study("iris"))
    of_a_later_server = view.model_copy(update={"spec": view.spec | {"later": 1}})
    for seen in view, of_a_later_server:
        assert what_happens(Look(seen, None, 1)) == "waiting for a worker that offers 1 GPU and 32 GiB of memory"
    show(store, "b", LARGE)
    assert what_happens(Look(one_study_view(store, store.study("iris")), None, 2)) == "waiting for a worker"


def test_a_study_whose_worker_has_no_node_or_cannot_start_says_so_beside_workers_that_train(
    store: Store, tmp_path: Path
) -> None:
    store.create_study(study(**NEEDY))
    show(store, "a", SMALL)
    for activity, says in ((Activity.WAITING_FOR_NODE, NO_NODE), (Activity.CANNOT_START, NO_START)):
        WorkerStore(store).show_worker("b", activity, None, 30.0, offer=LARGE)
        with served(settings_in(tmp_path, store.url)) as api:
            assert api.get("/v1/studies/iris").json()["waits_for"] == says
            assert value(scraped(api), "regsweep_studies_unserved") == 1


def test_a_worker_of_one_study_counts_for_no_other(store: Store, tmp_path: Path) -> None:
    with served(settings_in(tmp_path, store.url)) as api:
        store.create_study(compared_study(trials=1, **NEEDY))
        store.create_study(study("other"))
        show(store, "a", replace(LARGE, only_study="iris"))
        assert api.get("/v1/studies/iris").json()["waits_for"] is None
        assert api.get("/v1/studies/other").json()["waits_for"] == ALL_ELSEWHERE
        assert ALL_ELSEWHERE in api.get("/studies/other").text
        assert value(scraped(api), "regsweep_studies_unserved") == 1
        ledger(store, tmp_path, "iris").claim(9)  # all that its own search has
        assert api.get(f"/v1/studies/{PARTS[0]}").json()["waits_for"] is None
        assert value(scraped(api), "regsweep_studies_unserved") == 1
        show(store, "b", replace(SMALL, only_study="of no such study"))
        assert api.get("/v1/studies/other").json()["waits_for"] == ALL_ELSEWHERE
        show(store, "c", SMALL)
        assert api.get("/v1/studies/other").json()["waits_for"] is None
        assert value(scraped(api), "regsweep_studies_unserved") == 0


def test_workers_of_an_earlier_version_count_as_able_to_serve_any(store: Store, tmp_path: Path) -> None:
    store.create_study(study(**NEEDY))
    show(store, "a")
    with served(settings_in(tmp_path, store.url)) as api:
        assert api.get("/v1/studies/iris").json()["waits_for"] is None
        assert value(scraped(api), "regsweep_studies_unserved") == 0


# How many at once


def test_a_study_has_at_most_max_workers_that_claim_at_the_same_moment(store: Store, folder: Path) -> None:
    store.create_study(study(trials=32, max_workers=2))
    start = threading.Barrier(8)

    def claim(worker: str) -> int:
        book = ledger(store, folder, "iris", worker)
        start.wait()
        return len(book.claim(1)) + len(book.claim(1))

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(claim, "abcdefgh"))
    assert sorted(counts, reverse=True) == [2, 2, 0, 0, 0, 0, 0, 0]


def test_at_most_max_workers_turn_to_a_study_at_the_same_moment(store: Store) -> None:
    store.create_study(study(trials=32, max_workers=2))
    for worker in "abcdefgh":
        show(store, worker)
    start = threading.Barrier(8)

    def turn(worker: str) -> bool:
        start.wait()
        return WorkerStore(store).take_up(None, worker, (), None) is not None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(turn, "abcdefgh")) == 2


def test_a_worker_that_has_just_published_a_report_counts_as_soon_as_it_turns_to_a_study(store: Store) -> None:
    store.create_study(study(trials=32, max_workers=1))
    workers = WorkerStore(store)
    workers.show_worker("a", Activity.PUBLISHING, None, 600.0)
    assert [workers.take_up(None, worker, (), None) is not None for worker in "ab"] == [True, False]


def test_the_parts_of_a_comparison_share_the_workers_of_their_study(store: Store, folder: Path) -> None:
    store.create_study(compared_study(trials=1, max_workers=2))
    assert [len(ledger(store, folder, "iris", "a").claim(1)), len(ledger(store, folder, PARTS[0], "b").claim(1))] == [
        1,
        1,
    ]
    assert ledger(store, folder, PARTS[1], "c").claim(1) == []
    assert next_name(store, None, "c") is None
    assert next_name(store, None, "a") == PARTS[1]  # one of the two goes on to the next part
    WorkerStore(store).hand_back("b")
    assert len(ledger(store, folder, PARTS[1], "c").claim(1)) == 1


def test_a_worker_that_finds_no_room_goes_to_another_study_and_comes_back(store: Store, folder: Path) -> None:
    store.create_study(study("first", max_workers=1, priority=9))
    store.create_study(study("second"))
    show(store, "a", name="first")  # which loads its data, and holds no trial yet
    assert next_name(store, None, "b") == "second"
    WorkerStore(store).remove_worker("a")
    assert next_name(store, None, "b") == "first"


def test_a_worker_without_room_does_not_wait_for_the_next_generation(store: Store, folder: Path) -> None:
    store.create_study(study(trials=9, reproducible=True, max_workers=1, training={"lanes": 1}))
    claimed(ledger(store, folder, "iris", "a"))
    other = ledger(store, folder, "iris", "b")
    assert other.claim(1) == []
    assert not other.is_blocked()


def test_max_workers_is_changed_while_the_study_runs(store: Store, folder: Path, tmp_path: Path) -> None:
    store.create_study(compared_study(trials=3, max_workers=2))
    books = [ledger(store, folder, "iris", worker) for worker in "abc"]
    assert [len(book.claim(1)) for book in books] == [1, 1, 0]
    with served(settings_in(tmp_path, store.url)) as api:
        etag = api.get("/v1/studies/iris").headers["etag"]
        changed = api.patch("/v1/studies/iris", json={"max_workers": None})
        assert (changed.status_code, changed.json()["spec"]["max_workers"]) == (200, None)
        assert changed.headers["etag"] != etag
        assert len(books[2].claim(1)) == 1
        assert api.patch("/v1/studies/iris", json={"max_workers": 1}).json()["spec"]["max_workers"] == 1
        WorkerStore(store).hand_back("c")
        assert [len(book.claim(1)) for book in books] == [0, 0, 0]  # two are one too many
        WorkerStore(store).hand_back("b")
        assert [len(book.claim(1)) for book in books] == [1, 0, 0]
        assert [change["details"] for change in api.get("/v1/studies/iris/changes").json()["items"][:2]] == [
            "to 1",
            "to no limit",
        ]
        assert {store.study(name).parsed_spec.max_workers for name in ["iris", *PARTS]} == {1}


def test_max_workers_of_a_reproducible_study_or_of_a_part_is_not_changed(api: httpx.Client, store: Store) -> None:
    store.create_study(study("fixed", reproducible=True, max_workers=4))
    store.create_study(compared_study())
    refused = api.patch("/v1/studies/fixed", json={"max_workers": 2})
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "study 'fixed' is reproducible, and max_workers settles its generations; submit a new study",
    )
    assert api.patch("/v1/studies/fixed", json={"max_workers": 4}).status_code == 200  # which it has
    assert api.patch(f"/v1/studies/{PARTS[0]}", json={"max_workers": 2}).status_code == 409
    for wrong in (0, 10_001, "2", True):
        assert api.patch("/v1/studies/iris", json={"max_workers": wrong}).status_code == 422


def test_a_worker_shows_where_it_runs_and_who_started_it(api: httpx.Client, store: Store) -> None:
    show(store, "a", Offer(2.5, None, 4 * GIB, "node 1", FleetKind.RAY))
    [worker] = api.get("/v1/workers").json()["workers"]
    assert {name: worker[name] for name in ("cpus", "gpus", "memory", "node", "fleet")} == {
        "cpus": 2.5,
        "gpus": None,
        "memory": 4 * GIB,
        "node": "node 1",
        "fleet": "ray",
    }
