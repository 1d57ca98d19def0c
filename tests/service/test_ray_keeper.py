"""The keeper of the workers on Ray, on a stand-in for Ray whose actors are as a test says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from service.ray.actor import Status
from service.ray.connection import Death, Node
from service.ray.keeper import Keeper
from service.ray.launch import Launch
from service.ray.member import Member
from service.ray.replacing import Replacing
from service.ray.starting import Starting
from service.settings import Settings
from service.storage import workers
from service.storage.states import Activity
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.spec.resources import Resources
from tests.acceptance.polling import eventually
from tests.service.conftest import settings_in
from tests.service.documents import study

OLD = "ray-aaaaaaaa-bbbbbbbb-{}"


def status(**changes: Any) -> Status:
    offers: Any = {"cpus": 1.0, "gpus": 0, "memory": None}
    said = Status(host="host", offers=offers, node="node", ending=None, was_ready=True, last_lines=[])
    return said | changes  # type: ignore[return-value]


class Ray:
    """Actors by their names, what each answers, and what it was told; nodes have room for so many."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.actors: dict[str, Status | Death | None] = {}  # None of one that waits for a node
        self.told: list[tuple[str, str]] = []

    def create(self, name: str, *_: object) -> str:
        self.actors[name] = None
        return name

    def settle(self) -> None:
        """Give the rooms that are free to those that wait."""
        for name, answer in self.actors.items():
            if answer is None and sum(isinstance(one, dict) for one in self.actors.values()) < self.room:
                self.actors[name] = status()

    def names(self) -> list[str]:
        return [*self.actors]

    def find(self, name: str) -> str:
        return name

    def ask(self, actor: str) -> str:
        return actor

    def answers(self, questions: Sequence[str], _: float) -> dict[str, Status | Death | None]:
        return {name: answer for name in questions if (answer := self.actors.get(name, Death("gone"))) is not None}

    def tell(self, actor: str, what: str) -> None:
        self.told.append((actor, what))

    def end(self, actor: str) -> None:
        self.actors.pop(actor, None)

    def has_lost(self, _: str) -> bool:
        return False

    def nodes(self) -> list[Node]:
        return [Node("host", {"CPU": float(self.room)})]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Store]:
    made = Store(settings_in(tmp_path).database_url)
    yield made
    made.close()


def keeper(database: Store, cluster: Any, **changes: Any) -> tuple[Keeper, Launch]:
    settings: Settings = settings_in(Path(database.url).parent).model_copy(
        update={"database_url": database.url, "fleet": "ray", "max_workers": 4, **changes}
    )
    launch = Launch.of(settings, settings.environment())
    return Keeper(settings, launch, cluster, database), launch


def leaving(cluster: Ray) -> list[str]:
    return [name for name, what in dict.fromkeys(cluster.told) if what == "leave"]


def test_workers_of_before_are_replaced_one_by_one_though_more_are_asked_for_than_the_nodes_have_room_for(
    database: Store,
) -> None:
    database.create_study(study(trials=1000))
    cluster = Ray(room=2)
    kept, launch = keeper(database, cluster)
    before = [f"{launch.owner}-00000000-{number}" for number in range(2)]
    cluster.actors = {name: status() for name in before}
    kept.adopt()
    for _ in range(3):  # two wait for a node all the time
        kept.keep()
    assert leaving(cluster) == before[:1]
    cluster.end(before[0])
    for _ in range(3):
        kept.keep()
    assert leaving(cluster) == before[:1]  # until its successor is there
    cluster.settle()
    kept.keep()
    assert leaving(cluster) == before
    cluster.end(before[1])
    kept.keep()
    cluster.settle()
    kept.keep()
    assert len(cluster.actors) == 4
    assert all(launch.is_current(name) for name in cluster.actors)


def test_a_worker_without_a_successor_holds_the_others_up_for_ten_minutes_and_no_longer_than_it_is_asked_for() -> None:
    now = [0.0]
    launch = Launch({}, owner="ray-aaaaaaaa", revision="ray-aaaaaaaa-cccccccc")
    members = [Member(OLD.format(number), None, Resources(), status=status()) for number in range(3)]
    replacing = Replacing(launch, lambda: now[0])
    assert replacing.choose(members, 3) is members[0]
    members[0].farewell = "leave"
    assert replacing.choose(members, 3) is None
    del members[0]
    assert replacing.choose(members, 3) is None
    now[0] = 599.0
    assert replacing.choose(members, 3) is None
    now[0] = 601.0
    assert replacing.choose(members, 3) is members[0]
    del members[0]
    assert replacing.choose(members, 1) is members[0]  # nobody asks for a successor


def test_a_worker_that_did_not_hear_that_it_is_to_leave_is_told_again(database: Store) -> None:
    cluster = Ray(room=1)
    kept, launch = keeper(database, cluster, idle_seconds=0.0)
    name = f"{launch.revision}-0"
    cluster.actors = {name: status()}
    WorkerStore(database).show_worker(name, Activity.IDLE, None, 60.0)
    kept.adopt()
    kept.keep()
    assert cluster.told == [(name, "leave_when_idle")]
    kept.keep()
    assert cluster.told == [(name, "leave_when_idle")] * 2


def test_an_actor_of_a_newer_version_may_answer_more(database: Store) -> None:
    cluster = Ray(room=1)
    kept, launch = keeper(database, cluster)
    name = f"{launch.owner}-00000000-0"
    cluster.actors = {name: status(offers={"cpus": 1.0, "gpus": 0, "memory": None, "tpus": 8}, region="x")}
    kept.adopt()
    kept.keep()
    assert leaving(cluster) == [name]


def test_a_worker_that_waits_for_a_node_is_written_once_in_five_seconds(database: Store) -> None:
    database.create_study(study(trials=8))
    cluster = Ray(room=0)
    kept, _ = keeper(database, cluster)
    kept.keep()
    [name] = cluster.actors

    def seen_at() -> Mapping[str, float]:
        with database.reading() as session:
            return {worker.name: worker.seen_at for worker in workers.alive(session)}

    kept.keep()
    first = seen_at()
    assert [*first] == [name]
    kept.keep()
    assert seen_at() == first


def test_workers_that_cannot_start_together_fail_once_and_then_one_is_tried_with_growing_pauses() -> None:
    now = [100.0]
    starting = Starting(lambda: now[0])
    assert starting.take(10) == 10
    now[0] = 101.0
    pauses = [starting.note_failure(100.0) for _ in range(10)]
    assert pauses == [1.0] * 10
    tried = []
    for _ in range(2000):  # a night, and more doublings than a float has
        assert starting.take(10) == 0
        now[0] += pauses[-1]
        assert starting.take(10) == 1
        pauses.append(starting.note_failure(now[0]))
        tried.append(pauses[-1])
    assert tried[:7] == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    starting.note_ready()
    assert (starting.fails, starting.take(10)) == (False, 10)


def test_one_of_many_workers_that_cannot_start_is_tried_again_until_one_is_ready(database: Store) -> None:
    database.create_study(study(trials=1000))
    cluster = Ray(room=4)
    kept, _ = keeper(database, cluster)
    kept.keep()
    assert len(cluster.actors) == 4
    cluster.actors = {name: Death("no room here") for name in cluster.actors}
    eventually(lambda: kept.keep() or cluster.actors, 20)  # type: ignore[func-returns-value]
    assert len(cluster.actors) == 1
    cluster.settle()  # a node has room, and it is ready
    kept.keep()
    assert len(cluster.actors) == 4


def test_workers_whose_node_died_before_they_ran_are_asked_for_again_at_once(database: Store) -> None:
    database.create_study(study(trials=1000))
    cluster = Ray(room=4)
    kept, _ = keeper(database, cluster)
    kept.keep()
    lost = set(cluster.actors)
    cluster.actors = {name: Death("its node has died", is_of_node=True) for name in lost}
    kept.keep()
    assert len(cluster.actors) == 4
    assert not lost & set(cluster.actors)
    with database.reading() as session:
        assert Activity.CANNOT_START not in [worker.activity for worker in workers.alive(session)]
