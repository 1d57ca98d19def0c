"""Whatever workers, users and accidents do in whatever order: the records stay whole, and the budget is run exactly."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from service.errors import ConflictError
from service.storage import states
from service.storage.artifacts import Artifacts
from service.storage.invariants import violations
from service.storage.ledger import TrialLedger
from service.storage.pagination import Sort
from service.storage.states import Ending, StudyState
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.errors import LeaseLostError
from studies.search.mirror import Mirror, as_template
from studies.spec.study import StudySpec
from studies.sweep.ledger import Claim, Order, Report
from tests.service.comparing import places
from tests.service.documents import study, write_model
from tests.service.ledgers import claimed, effective, ledger, outcome, shown

WORKERS = ("a", "b", "c")
STUDY_STATES = {"pause": StudyState.PAUSED, "resume": StudyState.RUNNING, "stop": StudyState.STOPPED}
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
OF_A_CLAIM = ("open", "report", "keep", "complete", "pruned", "failed", "end attempt", "hand back", "lose")
OF_A_WORKER = ("claim", "claim three", "claim beside others", "die", "leave", "starts anew")
OF_THE_STUDY = ("pause", "resume", "invalidate", "extend")

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(OF_A_CLAIM), st.integers(0, 9)),
        st.tuples(st.sampled_from(("claim", "open", "complete")), st.integers(0, 9)),  # more often than the others
        st.tuples(st.sampled_from(OF_A_WORKER), st.integers(0, 2)),
        st.tuples(st.sampled_from(OF_THE_STUDY), st.integers(0, 9)),
    ),
    min_size=8,
    max_size=24,
)
#: Each example is a database, so what fails is not made smaller.
calm = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@dataclass
class Held:
    """A claim as its worker remembers it, also after it was lost."""

    worker: str
    claim: Claim
    number: int | None


@dataclass
class World:
    """A study, its workers, and what each of them believes to hold; whether it does is known here."""

    store: Store
    folder: Path
    spec: StudySpec
    books: dict[str, TrialLedger] = field(default_factory=dict)
    remembered: list[Held] = field(default_factory=list)
    tokens: dict[int, str] = field(default_factory=dict)  # of the places that are held

    def __post_init__(self) -> None:
        self.store.create_study(self.spec)
        self.books = {worker: self._book(worker) for worker in WORKERS}

    def _book(self, worker: str) -> TrialLedger:
        return ledger(self.store, self.folder, "iris", worker)

    def do(self, what: str, which: int) -> None:
        if what in OF_A_CLAIM:
            if self.remembered:
                self._of_a_claim(what, self.remembered[which % len(self.remembered)])
        elif what in OF_A_WORKER:
            self._of_a_worker(what, WORKERS[which % len(WORKERS)])
        else:
            self._of_the_study(what, which)

    def _of_the_study(self, what: str, which: int) -> None:
        try:
            if what == "invalidate":
                self.store.mark_invalid("iris", self._numbers()[which], "a test")
            elif what == "extend":
                self.store.change("iris", budget={"trials": self.trials + 1 + which % 3})
            else:
                self.store.set_state("iris", STUDY_STATES[what])
        except (ConflictError, IndexError):
            pass  # it cannot go there, or no such trial is there: nothing has changed

    @property
    def trials(self) -> int:
        """The budget."""
        return self.store.study("iris").parsed_spec.budget.trials

    def _numbers(self) -> list[int]:
        valid = [states.TrialState.COMPLETE, states.TrialState.PRUNED]
        trials = self.store.trials("iris", valid, Sort.parse("number"), 99, None).items
        return [trial.number for trial in trials if trial.number is not None]

    def _of_a_worker(self, what: str, worker: str) -> None:
        if what == "starts anew":
            self.books[worker] = self._book(worker)
        elif what in ("die", "leave"):
            held = {
                key for key, lease in WorkerStore(self.store).leases().items() if self._holder(key, lease[0]) == worker
            }
            freed = (
                WorkerStore(self.store).end_attempts(worker, Ending.LOST, "its process ended")
                if what == "die"
                else WorkerStore(self.store).hand_back(worker)
            )
            assert freed == len(held)
            self._free(*held)
        else:
            count = 3 if what == "claim three" else 1
            for claim in self.books[worker].claim(count, idle=what != "claim beside others"):
                assert claim.trial_id not in self.tokens, "a place is held once"
                self.tokens[claim.trial_id] = claim.token
                self.remembered.append(Held(worker, claim, claim.number))

    def _holder(self, key: int, token: str) -> str:
        [worker] = {held.worker for held in self.remembered if (held.claim.trial_id, held.claim.token) == (key, token)}
        return worker

    def _free(self, *keys: int) -> None:
        for key in keys:
            del self.tokens[key]

    def _of_a_claim(self, what: str, held: Held) -> None:
        """Raises LeaseLostError exactly where the claim is no longer held."""
        key, holds = held.claim.trial_id, self.tokens.get(held.claim.trial_id) == held.claim.token
        if what == "lose":
            if holds:
                assert WorkerStore(self.store).reap({key: WorkerStore(self.store).leases()[key]}, 0.0) == 1
                self._free(key)
            return
        if what == "open" and held.number is not None:
            return  # a worker opens a trial once
        if what not in ("open", "hand back") and held.number is None:
            return  # and does nothing with it before
        if holds:
            self._write(what, held)
        else:
            with pytest.raises(LeaseLostError):
                self._write(what, held)
        if holds and what not in ("open", "report", "keep"):
            self._free(key)

    def _write(self, what: str, held: Held) -> None:
        book, claim, number = self.books[held.worker], held.claim, held.number
        if what == "open":
            template = as_template(Mirror(self.spec, book.trials()).ask())
            book.open(claim, template, effective(self.spec, template))
            held.number = template.number
        elif what == "hand back":
            book.hand_back(claim)
        elif number is None:
            raise AssertionError(what)
        elif what == "report":
            standing = book.report([Report(claim, number, [(1, 0.5)])])
            if number in standing.lost:
                raise LeaseLostError("a report was refused")
        elif what == "keep":
            write_model(self.folder.with_name("state"))
            book.keep_checkpoint(claim, number, self.folder.with_name("state"))
        elif what == "end attempt":
            book.end_attempt(claim, number, "failed", "a test")
        else:
            book.close(claim, number, outcome(number / 10, STATES[what]))

    def whole(self) -> None:
        """What must hold at any moment."""
        assert violations(self.store, Artifacts(f"file://{self.folder}")) == []
        assert {key: token for key, (token, _) in WorkerStore(self.store).leases().items()} == self.tokens

    def finish(self) -> None:
        """What is left, run by one more worker once all others are gone."""
        for worker in WORKERS:
            WorkerStore(self.store).end_attempts(worker, Ending.LOST, "its process ended")
        if self.store.study("iris").state == "paused":
            self.store.set_state("iris", StudyState.RUNNING)
        while WorkerStore(self.store).next_study() is not None:
            book = self._book("the last")
            claim = claimed(book)
            number = claim.number
            if number is None:
                template = as_template(Mirror(self.spec, book.trials()).ask())
                number = template.number
                book.open(claim, template, effective(self.spec, template))
            book.close(claim, number, outcome(number / 10))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, to be copied: making one takes longer than what is done with it."""
    path = tmp_path_factory.mktemp("empty") / "regsweep.db"
    Store(f"sqlite:///{path}").close()
    return path


@contextmanager
def world(empty: Path, trials: int, attempts: int, **changes: Any) -> Iterator[World]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(empty, folder / "regsweep.db")
        store = Store(f"sqlite:///{folder / 'regsweep.db'}")
        budget = {"trials": trials, "epochs": 3, "max_attempts": attempts}
        try:
            yield World(store, folder / "artifacts", study(budget=budget, **changes))
        finally:
            store.close()


@calm
@given(steps=steps, trials=st.integers(1, 6), attempts=st.integers(1, 3))
def test_the_budget_is_run_exactly_whatever_happens_in_between(
    empty: Path, steps: list[tuple[str, int]], trials: int, attempts: int
) -> None:
    with world(empty, trials, attempts) as here:
        for what, which in steps:
            here.do(what, which)
            here.whole()
        here.finish()
        here.tokens.clear()
        here.whole()
        accepted = here.store.study("iris")
        progress = here.store.progress([accepted])[accepted.id]
        ended = progress.complete + progress.pruned + progress.failed
        assert (accepted.state, ended) == ("completed" if progress.complete else "failed", here.trials)
        assert (accepted.reason is None) == bool(progress.complete)
        theirs = shown(here.store)
        assert [trial.number for trial in theirs] == list(range(here.trials))
        assert all(trial.state.is_finished() for trial in theirs)


@calm
@given(before=steps, after=steps, attempts=st.integers(1, 3))
def test_a_study_that_was_stopped_ends_whatever_happens_then(
    empty: Path, before: list[tuple[str, int]], after: list[tuple[str, int]], attempts: int
) -> None:
    with world(empty, 5, attempts) as here:
        for what, which in before[:20]:
            here.do(what, which)
        here.do("stop", 0)
        ended = here.store.study("iris").state
        assert ended in {"stopped", "completed"}
        for what, which in after[:20]:
            assert here.books["a"].claim(3) == []
            if what != "extend":
                here.do(what, which)
            here.whole()
        here.finish()
        here.tokens.clear()
        here.whole()
        accepted = here.store.study("iris")
        progress = here.store.progress([accepted])[accepted.id]
        assert (accepted.state, progress.waiting, progress.running) == (ended, 0, 0)
        theirs = shown(here.store)
        assert all(trial.state.is_finished() for trial in theirs)


@calm
@given(before=steps, after=steps, more=st.integers(0, 2))
def test_a_study_that_ended_and_is_extended_runs_all_its_trials_whatever_happens(
    empty: Path, before: list[tuple[str, int]], after: list[tuple[str, int]], more: int
) -> None:
    with world(empty, 4, 2) as here:
        for what, which in before[:15]:
            here.do(what, which)
        here.do("stop", 0)
        here.do("extend", more)
        for what, which in after[:15]:
            here.do(what, which)
            here.whole()
        here.finish()
        here.tokens.clear()
        here.whole()
        ended = here.store.progress([here.store.study("iris")])[here.store.study("iris").id]
        assert ended.complete + ended.pruned + ended.failed == here.trials
        assert all(trial.state.is_finished() for trial in shown(here.store))


@calm
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(("claim three", "die", "leave", "lose", "end attempt", "claim")), st.integers(0, 9)),
        min_size=5,
        max_size=20,
    ),
    lanes=st.integers(1, 2),
)
def test_a_generation_is_never_begun_before_the_one_before_has_ended(
    empty: Path, steps: list[tuple[str, int]], lanes: int
) -> None:
    with world(empty, 8, 2, reproducible=True, training={"lanes": lanes}) as here:
        size = 2 * lanes
        for what, which in steps:
            here.do(what, which)
            here.whole()
            states = {trial.slot: trial.state for trial in places(here.store, "iris")}
            open_places = [place for place, state in states.items() if state in ("WAITING", "RUNNING")]
            first = min(open_places, default=0) // size
            assert all(place // size == first for place, state in states.items() if state == "RUNNING")


def test_a_verdict_is_what_the_study_says_at_the_moment(empty: Path) -> None:
    with world(empty, 3, 3) as here:
        book = here.books["a"]
        here.do("claim", 0)
        here.do("open", 0)
        [held] = here.remembered
        report = [Report(held.claim, held.number or 0, [])]
        expected = {"pause": Order.HAND_BACK, "resume": Order.GO_ON, "stop": Order.END}
        for what, order in expected.items():
            here.do(what, 0)
            assert book.report(report).order is order
