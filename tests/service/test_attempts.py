"""An attempt that gives nothing is one setback of its trial: it is tried again, at last alone, and then given up."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import optuna
import pytest
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from service.storage.artifacts import Artifacts
from service.storage.invariants import violations
from service.storage.pagination import Sort
from service.storage.reaper import Reaper
from service.storage.states import Ending, StudyState
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.datasets.preprocessing import PreparedData, prepare_folds
from studies.errors import LeaseLostError, OutOfMemoryError
from studies.search.mirror import Mirror
from studies.seeds import ask_seed
from studies.spec.study import StudySpec
from studies.sweep.ledger import Claim
from studies.sweep.loop import sweep
from studies.training.result import Job, OnEpoch, Trained, Trials
from studies.training.sequential import sequential
from tests.acceptance.polling import eventually
from tests.service.conftest import served, settings_in
from tests.service.contenders import sweep_here
from tests.service.documents import study, train, write_model
from tests.service.ledgers import claimed, expire, ledger, opened, outcome, run, shown
from tests.service.working import working

NUMBERS = Sort.parse("number")


def limited(attempts: int, trials: int = 1, most_failed: int | None = None, **changes: Any) -> StudySpec:
    """A study whose trials have so many attempts."""
    budget = {"trials": trials, "epochs": 3, "max_attempts": attempts, "max_failed_trials": most_failed}
    return study(budget=budget, **changes)


def endings(store: Store, number: int) -> list[tuple[str | None, str | None]]:
    """How each attempt at a trial ended, and why."""
    return [(each.ending, each.reason) for each in store.attempts(store.trial("iris", number))]


def states(store: Store) -> list[str]:
    """The state of each trial by number, which both books must agree on, numbered without a gap."""
    ours = store.trials("iris", (), NUMBERS, 1000, None).items
    theirs = shown(store)
    assert [(trial.number, trial.state) for trial in ours] == [(t.number, t.state.name) for t in theirs]
    assert [trial.number for trial in ours] == list(range(len(ours)))
    return [trial.state for trial in ours]


def lose(store: Store, claim: Claim) -> None:
    """Let one lease be found lost now."""
    assert WorkerStore(store).reap({claim.trial_id: WorkerStore(store).leases()[claim.trial_id]}, 0.0) == 1


def wrong(store: Store, folder: Path) -> list[str]:
    return violations(store, Artifacts(f"file://{folder}"))


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_a_trial_that_loses_every_worker_is_given_up_after_its_last_attempt(
    store: Store, folder: Path, attempts: int
) -> None:
    spec = limited(attempts)
    store.create_study(spec)
    workers = [f"worker {attempt}" for attempt in range(attempts)]
    _, number = opened(ledger(store, folder, "iris", workers[0]), spec)
    for worker in workers[1:]:
        expire(store)
        assert claimed(ledger(store, folder, "iris", worker)).number == number
    expire(store)
    why = "its worker gave no sign of life for 0 seconds"
    assert endings(store, number) == [("lost", why)] * attempts
    assert [each.worker for each in store.attempts(store.trial("iris", number))] == workers
    given_up = f"given up after {attempts} attempts; the last was lost: {why}"
    [theirs] = shown(store)
    assert (states(store), store.trial("iris", number).reason) == (["FAIL"], given_up)
    assert theirs.user_attrs["reason"] == given_up
    ended = f"no trial is complete: 1 failed; most often: {given_up}"
    assert (store.study("iris").state, store.study("iris").reason) == ("failed", ended)
    assert wrong(store, folder) == []


@pytest.mark.parametrize(("reproducible", "number"), [(False, 0), (True, 1)])
def test_a_place_that_is_lost_before_it_is_asked_is_a_failed_trial_and_the_others_go_on(
    store: Store, folder: Path, reproducible: bool, number: int
) -> None:
    spec = limited(1, trials=4, reproducible=reproducible, training={"lanes": 1}, sampler={"name": "tpe"})
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    first, second = book.claim(2)
    lose(store, second)
    book.hand_back(first)
    assert store.trial("iris", number).state == "FAIL"
    assert sweep_here(store, folder, "iris") == 3
    assert Counter(states(store)) == {"FAIL": 1, "COMPLETE": 3}
    assert states(store)[number] == "FAIL"
    assert store.study("iris").state == "completed"
    assert wrong(store, folder) == []


def test_trials_that_are_given_up_count_among_those_a_study_bears(store: Store, folder: Path) -> None:
    spec = limited(1, trials=5, most_failed=1)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    for _ in range(2):
        opened(book, spec)
    expire(store)
    failed = store.study("iris")
    assert (failed.state, failed.reason) == ("failed", "2 trials failed and budget.max_failed_trials is 1")
    assert states(store) == ["FAIL", "FAIL"]
    assert wrong(store, folder) == []


def test_a_trial_handed_back_leaves_no_attempt_behind(store: Store, folder: Path) -> None:
    spec = limited(1)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    for _ in range(5):
        book.hand_back(claim)
        assert endings(store, number) == []
        claim = claimed(book)
    book.close(claim, number, outcome())
    assert endings(store, number) == [("told", None)]


def test_an_attempt_that_kept_its_state_starts_the_count_anew(store: Store, folder: Path, tmp_path: Path) -> None:
    spec = limited(2)
    store.create_study(spec)
    _, number = opened(ledger(store, folder, "iris"), spec)
    write_model(tmp_path / "state")
    for _ in range(4):
        expire(store)
        book = ledger(store, folder, "iris")
        book.keep_checkpoint(claimed(book), number, tmp_path / "state")
    assert states(store) == ["RUNNING"]
    expire(store)
    claimed(ledger(store, folder, "iris"))
    expire(store)
    assert (states(store), len(endings(store, number))) == (["FAIL"], 6)


@pytest.mark.parametrize("attempts", [2, 3])
def test_the_last_attempt_comes_after_all_others_and_only_to_an_idle_worker(
    store: Store, folder: Path, attempts: int
) -> None:
    store.create_study(limited(attempts, trials=4))
    for _ in range(attempts - 1):
        first = claimed(ledger(store, folder, "iris"))
        assert (first.slot, first.alone) == (0, False)
        lose(store, first)
    book = ledger(store, folder, "iris")
    others = book.claim(9)
    assert [(claim.slot, claim.alone) for claim in others] == [(1, False), (2, False), (3, False)]
    assert book.claim(9, idle=False) == []
    [last] = book.claim(9)
    assert (last.slot, last.alone) == (0, True)


def test_trials_on_their_last_attempt_run_one_at_a_time(store: Store, folder: Path) -> None:
    spec = limited(2, trials=6)
    store.create_study(spec)
    together: list[set[int]] = []

    def four_at_once(data: Sequence[PreparedData], trials: Trials) -> None:
        while jobs := trials.next(4):
            together.append({job.number for job in jobs})
            for job in jobs:
                # Trials 1 and 2 fit into the memory when nothing else is there.
                fits = len(jobs) == 1 or job.number not in (1, 2)
                trials.done(job, train(job, data[0], lambda *_: True) if fits else MemoryError("no room"))

    data = prepare_folds(spec.dataset, spec.seed, spec.resampling)
    assert sweep(spec, data, ledger(store, folder, "iris"), four_at_once, 0.0) == 6
    assert states(store) == ["COMPLETE"] * 6
    assert together == [{0, 1, 2, 3}, {4, 5}, {1}, {2}]
    assert endings(store, 1) == [("out of memory", "MemoryError: no room"), ("told", None)]
    assert endings(store, 3) == [("told", None)]


def test_what_fails_for_a_reason_that_may_pass_is_tried_again(store: Store, folder: Path) -> None:
    tries: list[int] = []

    def shaky(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        tries.append(job.number)
        if len(tries) == 1:
            raise OSError("stale file handle")
        return train(job, data, on_epoch)

    spec = limited(3, trials=2)
    store.create_study(spec)
    data = prepare_folds(spec.dataset, spec.seed, spec.resampling)
    assert sweep(spec, data, ledger(store, folder, "iris"), sequential(shaky), 0.0) == 2
    assert (tries, states(store)) == ([0, 0, 1], ["COMPLETE", "COMPLETE"])
    assert endings(store, 0) == [("failed", "OSError: stale file handle"), ("told", None)]


def test_a_stale_claim_ends_no_attempt(store: Store, folder: Path) -> None:
    spec = limited(3)
    store.create_study(spec)
    stale = ledger(store, folder, "iris", "a")
    lost, number = opened(stale, spec)
    expire(store)
    claimed(ledger(store, folder, "iris", "b"))
    with pytest.raises(LeaseLostError):
        stale.end_attempt(lost, number, "failed", "too late")
    assert [ending for ending, _ in endings(store, number)] == ["lost", None]


def test_attempts_are_shown_with_their_worker_and_their_reason(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    spec = limited(3, trials=2)
    with served(settings) as api:
        store, folder = Store(settings.database_url), tmp_path / "artifacts"
        store.create_study(spec)
        _, number = opened(ledger(store, folder, "iris", "a"), spec)
        WorkerStore(store).end_attempts("a", Ending.LOST, "its process ended with signal 9")
        book = ledger(store, folder, "iris", "b")
        claim = claimed(book)
        running = _attempts(api, number)
        book.close(claim, number, outcome())
        store.close()
        shown = _attempts(api, number)
        assert [each["ending"] for each in running] == ["lost", None]
        assert [(each["attempt"], each["worker"], each["ending"], each["reason"]) for each in shown] == [
            (1, "a", "lost", "its process ended with signal 9"),
            (2, "b", "told", None),
        ]
        assert all(each["started_at"] <= each["ended_at"] for each in shown)
        assert api.get("/v1/studies/iris/trials/0").json()["attempt"] == 2
        assert api.get("/v1/studies/iris/trials/1/attempts").status_code == 404


def _attempts(api: httpx.Client, number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"/v1/studies/iris/trials/{number}/attempts").json()
    return found


class Watch:
    """A reaper with a clock of its own, which shows anything at first."""

    def __init__(self, store: Store) -> None:
        self.now = 1e9
        self.reaper = Reaper(WorkerStore(store), 30.0, lambda: self.now)

    def after(self, *seconds: float) -> list[int]:
        """What it finds lost at each look, so long after the one before."""
        found = []
        for passed in seconds:
            self.now += passed
            found.append(self.reaper.look())
        return found


def test_a_lease_is_lost_when_it_stood_for_its_whole_time_since_it_was_first_seen(store: Store, folder: Path) -> None:
    store.create_study(study())
    claimed(ledger(store, folder, "iris"))
    assert Watch(store).after(0, 10, 10, 9.5, 0.5, 10) == [0, 0, 0, 0, 1, 0]


def test_what_is_lost_while_others_live_is_that_workers_alone(store: Store, folder: Path) -> None:
    store.create_study(study())
    dead, alive = (claimed(ledger(store, folder, "iris", worker)) for worker in ("dead", "alive"))
    watch, lost = Watch(store), 0
    for passed in (0, 10, 10, 10, 10):
        WorkerStore(store).renew("alive", 30.0)
        [found] = watch.after(passed)
        lost += found
    assert lost == 1
    assert WorkerStore(store).leases().keys() == {alive.trial_id}
    assert claimed(ledger(store, folder, "iris", "alive")).trial_id == dead.trial_id


def test_a_claim_after_a_loss_is_watched_anew(store: Store, folder: Path) -> None:
    spec = study(trials=1)
    store.create_study(spec)
    opened(ledger(store, folder, "iris", "a"), spec)
    watch = Watch(store)
    assert watch.after(0, 10, 10) == [0, 0, 0]
    WorkerStore(store).end_attempts("a", Ending.LOST, "its process ended")
    claimed(ledger(store, folder, "iris", "b"))
    assert watch.after(10, 10, 10, 10) == [0, 0, 0, 1]


def test_a_watcher_that_slept_takes_no_trial_from_anyone(store: Store, folder: Path) -> None:
    store.create_study(study())
    claimed(ledger(store, folder, "iris"))
    watch = Watch(store)
    assert watch.after(0, 10, 3600) == [0, 0, 0]  # a laptop was shut: what happened meanwhile was not seen
    assert watch.after(10, 10, 10) == [0, 0, 1]


def test_a_database_that_was_away_takes_no_trial_from_anyone(store: Store, database: Path, folder: Path) -> None:
    store.create_study(study())
    claimed(ledger(store, folder, "iris"))
    watch = Watch(store)
    assert watch.after(0, 10, 10) == [0, 0, 0]
    store.close()  # of its connections: the next look opens the file anew
    away = database.rename(database.with_suffix(".away"))
    for passed in (9, 10, 10):
        with pytest.raises(OperationalError):
            watch.after(passed)
    store.close()
    away.rename(database)
    assert watch.after(10) == [0]  # 39 seconds after its last renewal, of which 29 could not be watched
    assert watch.after(10, 10, 9, 1) == [0, 0, 0, 1]


@pytest.mark.parametrize("ended", ["stopped", "failed"])
@pytest.mark.parametrize("way", ["by its worker", "by the name of its worker"])
def test_a_trial_handed_back_after_its_study_has_ended_is_closed(
    store: Store, folder: Path, ended: str, way: str
) -> None:
    spec = study(trials=3)
    store.create_study(spec)
    book = ledger(store, folder, "iris", "a")
    begun, _ = opened(book, spec)
    never_asked = claimed(book)
    if ended == "stopped":
        store.set_state("iris", StudyState.STOPPED)
    else:
        WorkerStore(store).fail_study(store.study("iris").id, "its data cannot be split", "another worker")
    if way == "by its worker":
        book.hand_back(begun)
        book.hand_back(never_asked)
    else:
        WorkerStore(store).hand_back("a")
    assert states(store) == ["PRUNED"]
    accepted = store.study("iris")
    assert (store.progress([accepted])[accepted.id].waiting, accepted.state) == (0, ended)
    assert wrong(store, folder) == []


def test_a_study_that_fails_ends_what_its_worker_held(store: Store, folder: Path) -> None:
    spec = study(trials=3)
    store.create_study(spec)
    book = ledger(store, folder, "iris", "a")
    run(book, spec)
    opened(book, spec)
    claimed(book)
    WorkerStore(store).fail_study(store.study("iris").id, "its data cannot be split", "a")
    assert (store.study("iris").state, store.study("iris").reason) == ("failed", "its data cannot be split")
    assert states(store) == ["COMPLETE", "PRUNED"]
    assert endings(store, 1) == [("failed", "its data cannot be split")]
    assert wrong(store, folder) == []


@pytest.mark.parametrize("end", ["told", "given up", "stopped while it waits", "stopped while it runs"])
def test_a_trial_that_has_ended_keeps_no_state(store: Store, folder: Path, tmp_path: Path, end: str) -> None:
    spec = limited(1)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    write_model(tmp_path / "state")
    book.keep_checkpoint(claim, number, tmp_path / "state")
    assert _states_kept(folder) == 1
    if end == "given up":
        expire(store)
    elif end == "stopped while it waits":
        book.hand_back(claim)
        store.set_state("iris", StudyState.STOPPED)
    elif end == "stopped while it runs":
        store.set_state("iris", StudyState.STOPPED)
        book.close(claim, number, outcome(state=TrialState.PRUNED))
    else:
        book.close(claim, number, outcome())
    assert store.trial("iris", number).ended_at is not None
    assert store.trial("iris", number).checkpoint is None
    with working(store, folder):  # whoever ended it may have had no hand in the files
        eventually(lambda: _states_kept(folder) == 0, 5)


def _states_kept(folder: Path) -> int:
    # Not by rglob, which fails where a folder is removed under it.
    return sum(len(files) for path, _, files in os.walk(folder) if Path(path).name == "checkpoints")


def test_a_newer_state_takes_the_place_of_the_older(store: Store, folder: Path, tmp_path: Path) -> None:
    spec = study(trials=1)
    store.create_study(spec)
    book = ledger(store, folder, "iris", "a")
    claim, number = opened(book, spec)
    for content in (b"one", b"two"):
        (tmp_path / "state").write_bytes(content)
        book.keep_checkpoint(claim, number, tmp_path / "state")
    expire(store)
    heir = ledger(store, folder, "iris", "b")
    again = claimed(heir)
    assert (heir.checkpoint(again), _states_kept(folder)) == (b"two", 1)
    (tmp_path / "state").write_bytes(b"stale")
    with pytest.raises(LeaseLostError):
        book.keep_checkpoint(claim, number, tmp_path / "state")
    assert (heir.checkpoint(again), _states_kept(folder)) == (b"two", 1)


def test_trials_that_never_fit_into_the_memory_are_given_up(store: Store, folder: Path) -> None:
    store.create_study(limited(3, trials=3))

    def greedy(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        on_epoch(1, {"val_loss": 1.0})
        raise OutOfMemoryError("the program takes more memory than there is")

    with working(store, folder, greedy):
        eventually(lambda: store.study("iris").state == "failed", 20)
    assert states(store) == ["FAIL"] * 3
    assert {ending for number in range(3) for ending, _ in endings(store, number)} == {"out of memory"}


def test_the_sampler_goes_on_as_optunas_while_the_first_trial_waits_for_its_last_attempt(
    store: Store, folder: Path
) -> None:
    spec = limited(2, trials=30, sampler={"name": "tpe"})
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    first, _ = opened(book, spec)
    lose(store, first)  # from now on it comes after all others
    for number in range(20):
        run(book, spec, 0.2 + number % 9 / 10)
    trials = ledger(store, folder, "iris").trials()
    oracle = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=ask_seed(spec.seed, len(trials))))
    oracle.add_trials(shown(store))
    assert Mirror(spec, trials).ask().params == oracle.ask(spec.space.distributions()).params


def test_a_server_whose_workers_are_all_gone_sees_that_their_trials_are_lost(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    spec = study(trials=1)
    store.create_study(spec)
    opened(ledger(store, folder, "iris", "gone"), spec)
    with served(settings_in(tmp_path, store.url).model_copy(update={"lease_seconds": 2.0})):
        eventually(lambda: not WorkerStore(store).leases(), 20)
    assert endings(store, 0) == [("lost", "its worker gave no sign of life for 2 seconds")]
