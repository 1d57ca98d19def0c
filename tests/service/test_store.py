"""Studies are accepted whole or not at all, move only where they may, and are deleted with all they own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState

from service.errors import ConflictError, NameInUseError, NotFoundError
from service.storage.pagination import Sort
from service.storage.records import CurveRecord, StudyRecord, TrialRecord
from service.storage.states import StudyState
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.seeds import trial_seed
from studies.sweep.ledger import Order
from tests.service.documents import study
from tests.service.ledgers import claimed, everything, ledger, opened, outcome, report, run, shown, study_names


def test_a_study_of_a_version_without_common_seeds_goes_on_with_those_of_its_own(store: Store) -> None:
    assert store.create_study(study("new")).parsed_spec.training.seeds == "common"
    stored = store.create_study(study()).spec
    training = {name: value for name, value in stored["training"].items() if name != "seeds"}
    with store.writing() as session:
        of_before = sa.update(StudyRecord).where(StudyRecord.name == "iris")
        session.execute(of_before.values(spec={**stored, "training": training}))
    spec = store.study("iris").parsed_spec
    assert (spec.training.seeds, spec.training_seed(3)) == ("own", trial_seed(spec.seed, 3))


def test_an_accepted_study_stands_in_both_books(store: Store) -> None:
    accepted = store.create_study(study(trials=5))
    assert (accepted.state, accepted.spec) == ("queued", study(trials=5).model_dump(mode="json"))
    assert store.progress([accepted])[accepted.id].waiting == 5
    assert study_names(store) == ["iris"]


def test_a_stored_spec_is_validated_once_until_it_changes(store: Store) -> None:
    accepted = store.create_study(study(trials=5))
    assert accepted.parsed_spec == study(trials=5)
    assert accepted.parsed_spec is accepted.parsed_spec
    accepted.spec = {**accepted.spec, "budget": {**accepted.spec["budget"], "trials": 6}}
    assert accepted.parsed_spec.budget.trials == 6
    with store.writing() as session:
        stored = session.get_one(StudyRecord, accepted.id)
        stored.parsed_spec  # noqa: B018  # kept with the value it was read from
        grown = {**stored.spec, "budget": {**stored.spec["budget"], "trials": 7}}
        session.execute(sa.update(StudyRecord).values(spec=grown))
        session.refresh(stored)
        assert stored.parsed_spec.budget.trials == 7


def test_a_name_in_use_is_refused_and_changes_nothing(store: Store, folder: Path) -> None:
    store.create_study(study(trials=5))
    before = everything(store, folder)
    with pytest.raises(NameInUseError, match=r"named 'iris' and differs: budget\.trials: 5 there, 7 here"):
        store.create_study(study(trials=7))
    assert everything(store, folder) == before


def test_a_name_that_only_optuna_knows_is_refused_and_changes_nothing(store: Store, folder: Path) -> None:
    optuna.create_study(storage=store.optuna, study_name="iris")
    before = everything(store, folder)
    with pytest.raises(NameInUseError):
        store.create_study(study())
    assert everything(store, folder) == before


def test_a_paused_study_is_not_claimed_from_until_it_is_resumed(store: Store, folder: Path) -> None:
    spec = study(trials=3)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    assert store.set_state("iris", StudyState.PAUSED).state == "paused"
    assert book.claim(1) == []
    assert WorkerStore(store).next_study() is None
    assert report(book, claim, number, 1, 0.5) is Order.HAND_BACK  # what runs keeps its state for later
    book.hand_back(claim)
    assert store.set_state("iris", StudyState.RUNNING).state == "running"
    again = claimed(book)
    assert (again.trial_id, again.number) == (claim.trial_id, number)
    book.close(again, number, outcome())
    assert [run(book, spec), run(book, spec)] == [1, 2]
    assert store.study("iris").state == "completed"


def test_a_study_paused_before_its_start_is_queued_again_by_resume(store: Store) -> None:
    store.create_study(study())
    store.set_state("iris", StudyState.PAUSED)
    assert store.set_state("iris", StudyState.RUNNING).state == "queued"


def test_stop_gives_the_waiting_places_up_and_ends_what_runs(store: Store, folder: Path) -> None:
    spec = study(trials=5)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    run(book, spec)
    claim, number = opened(book, spec)
    assert store.set_state("iris", StudyState.STOPPED).state == "stopped"
    assert report(book, claim, number, 1, 0.5) is Order.END
    book.close(claim, number, outcome(state=TrialState.PRUNED))
    stopped = store.study("iris")
    progress = store.progress([stopped])[stopped.id]
    assert (progress.complete, progress.pruned, progress.running, progress.waiting) == (1, 1, 0, 0)
    assert (stopped.state, stopped.reason, book.claim(1)) == ("stopped", "stopped by the user", [])


def test_a_trial_handed_back_and_then_stopped_does_not_run_forever_in_optuna(store: Store, folder: Path) -> None:
    spec = study(trials=3)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, _ = opened(book, spec)
    book.hand_back(claim)
    store.set_state("iris", StudyState.STOPPED)
    states = [trial.state for trial in shown(store)]
    assert states == [TrialState.PRUNED]
    assert [trial.state for trial in store.trials("iris", (), Sort.parse("number"), 10, None).items] == ["PRUNED"]


@pytest.mark.parametrize("way", ["stopped", "completed"])
@pytest.mark.parametrize("to", [StudyState.PAUSED, StudyState.RUNNING, StudyState.STOPPED])
def test_an_ended_study_goes_nowhere(store: Store, folder: Path, way: str, to: StudyState) -> None:
    spec = study(trials=1)
    store.create_study(spec)
    if way == "stopped":
        store.set_state("iris", StudyState.STOPPED)
    else:
        run(ledger(store, folder, "iris"), spec)
    if way == to:
        assert store.set_state("iris", to).state == way  # asking again changes nothing
    else:
        with pytest.raises(ConflictError, match=f"is {way} and cannot be"):
            store.set_state("iris", to)
    assert store.study("iris").state == way


def test_an_active_study_is_deleted_only_by_force(store: Store, folder: Path) -> None:
    spec = study()
    store.create_study(spec)
    claimed(ledger(store, folder, "iris"))
    with pytest.raises(ConflictError, match="stop it first"):
        store.delete_study("iris", force=False)
    assert store.study("iris").state == "running"
    store.delete_study("iris", force=True)
    with pytest.raises(NotFoundError, match="no study named 'iris'"):
        store.study("iris")


def test_a_deleted_study_leaves_nothing_in_any_table(store: Store, folder: Path) -> None:
    spec = study(trials=1)
    store.create_study(spec)
    run(ledger(store, folder, "iris"), spec)
    store.delete_study("iris", force=False)
    with store.engine.connect() as connection:
        left = [connection.scalar(sa.select(sa.func.count(table.id))) for table in (StudyRecord, TrialRecord)]
        left.append(connection.scalar(sa.select(sa.func.count(CurveRecord.trial_id))))
    assert (left, study_names(store)) == ([0, 0, 0], [])
    assert store.create_study(spec).state == "queued"  # the name is free again


@pytest.mark.parametrize("call", ["study", "set_state", "delete", "trial"])
def test_a_study_that_is_not_there_is_said_to_be_missing(store: Store, call: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "study": lambda: store.study("nowhere"),
        "set_state": lambda: store.set_state("nowhere", StudyState.PAUSED),
        "delete": lambda: store.delete_study("nowhere", force=True),
        "trial": lambda: store.trial("nowhere", 0),
    }
    with pytest.raises(NotFoundError, match="no study named 'nowhere'"):
        calls[call]()
