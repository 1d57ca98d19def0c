"""A study that starts warm knows from its first trial on what another has found, and pays nothing for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import optuna
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState, create_trial

from service.storage.artifacts import Artifacts
from service.storage.invariants import violations
from service.storage.pagination import Sort
from service.storage.records import StudyRecord
from service.storage.store import Store
from service.views.studies import study_views
from studies.errors import InvalidSpecError
from studies.search.mirror import Mirror, as_template
from studies.seeds import ask_seed
from studies.spec.study import StudySpec
from tests.service.comparing import ASKED, CONFIRMATION, states, work
from tests.service.contenders import sweep_here
from tests.service.documents import document, study
from tests.service.ledgers import claimed, effective, ledger, opened, outcome, run, shown, study_names

NUMBERS = Sort.parse("number")
TPE = {"name": "tpe"}
WIDE, NARROW = {"dropout": {"low": 0.0, "high": 0.8}}, {"dropout": {"low": 0.0, "high": 0.4}}


def warm(name: str = "warm", trials: int = 4, **changes: Any) -> StudySpec:
    """A study that learns from `cold`."""
    plain: dict[str, Any] = {"sampler": TPE, "warm_start": {"study": "cold"}}
    return study(name, trials, **plain | changes)


def cold(store: Store, folder: Path, trials: int = 30, **changes: Any) -> list[optuna.trial.FrozenTrial]:
    """Run the study that others learn from; its trials."""
    store.create_study(study("cold", trials, **changes))
    sweep_here(store, folder, "cold")
    return shown(store, "cold")


def params(store: Store, name: str) -> list[dict[str, Any]]:
    return [trial.params for trial in optuna.load_study(study_name=name, storage=store.optuna).trials]


@pytest.mark.parametrize("objectives", [["val_loss"], ["val_accuracy"]], ids=str)
def test_the_first_trial_is_what_optuna_asks_when_those_trials_are_added(
    store: Store, folder: Path, objectives: list[str]
) -> None:
    known = cold(store, folder, objectives=objectives)
    spec = warm(objectives=objectives)
    store.create_study(spec)
    book = ledger(store, folder, "warm")
    asked = Mirror(spec, book.trials(), book.warm_start_trials()).ask()
    [direction] = spec.directions
    oracle = optuna.create_study(
        direction=direction, sampler=optuna.samplers.TPESampler(seed=ask_seed(spec.seed, 0), multivariate=True)
    )
    best_first = sorted(known, key=lambda trial: trial.values[0], reverse=direction == "maximize")
    for trial in best_first:
        oracle.add_trial(create_trial(params=trial.params, distributions=trial.distributions, values=trial.values))
    assert asked.params == oracle.ask(spec.space.distributions()).params
    assert asked.params != Mirror(spec, []).ask().params
    assert asked.number == 0


@pytest.mark.parametrize("objectives", [["val_loss"], ["val_loss", "epochs"]], ids=str)
def test_what_it_knows_is_no_trial_of_it_and_costs_none_of_its_budget(
    store: Store, folder: Path, objectives: list[str]
) -> None:
    cold(store, folder, objectives=objectives)
    store.create_study(warm(trials=5, objectives=objectives))
    assert sweep_here(store, folder, "warm") == 5
    accepted = store.study("warm")
    assert (accepted.state, store.progress([accepted])[accepted.id].complete) == ("completed", 5)
    theirs = optuna.load_study(study_name="warm", storage=store.optuna)
    assert [trial.number for trial in theirs.trials] == [0, 1, 2, 3, 4]
    assert {trial.number for trial in store.best(accepted)} == {trial.number for trial in theirs.best_trials}
    # A model is kept of its own best, also where the other study has found better.
    assert any(trial.model for trial in store.trials("warm", (), NUMBERS, 9, None).items)
    assert violations(store, Artifacts(f"file://{folder}")) == []


def test_what_it_knows_is_its_own_whatever_becomes_of_the_other(store: Store, folder: Path) -> None:
    cold(store, folder)
    for name in ("first", "second"):
        store.create_study(warm(name))
    sweep_here(store, folder, "first")
    store.delete_study("cold", force=True)
    sweep_here(store, folder, "second")
    assert params(store, "first") == params(store, "second")


def test_a_worker_that_comes_later_knows_it_too(store: Store, folder: Path) -> None:
    cold(store, folder)
    for name in ("whole", "by turns"):
        store.create_study(warm(name))
    sweep_here(store, folder, "whole")
    spec = warm("by turns")
    for number in range(4):
        loss = store.trial("whole", number).value
        book = ledger(store, folder, "by turns")
        asked = Mirror(spec, book.trials(), book.warm_start_trials()).ask()
        assert asked.params == params(store, "whole")[number]
        run_as(store, folder, "by turns", loss or 0.0, asked)


def run_as(store: Store, folder: Path, name: str, loss: float, asked: optuna.Trial) -> None:
    """Run a trial that was asked elsewhere to a loss."""
    book = ledger(store, folder, name)
    claim = claimed(book)
    book.open(claim, as_template(asked), effective(warm(name), asked))
    book.close(claim, asked.number, outcome(loss))


def test_of_another_space_it_learns_what_lies_in_its_own(store: Store, folder: Path) -> None:
    known = cold(store, folder, space=WIDE)
    fitting = sum(trial.params["dropout"] <= 0.4 for trial in known)
    assert 0 < fitting < len(known)
    accepted = store.create_study(warm(space=NARROW))
    assert len(accepted.warm_start_trials) == fitting
    assert sweep_here(store, folder, "warm") == 4


def test_trials_whose_values_differ_from_what_it_fixes_are_left_out_and_counted(store: Store, folder: Path) -> None:
    known = cold(store, folder)
    kinds = [trial.params["regularizer"] for trial in known]
    accepted = store.create_study(warm(space={"regularizer": ["none", "l1", "l2"], "l1_mode": "penalty"}))
    # λ and l1_ratio have no effect beside no penalty, and L1's mode none where there is no L1.
    assert len(accepted.warm_start_trials) == kinds.count("none") + kinds.count("l2")
    assert study_views(store, [accepted])[0].earlier_left_out == {
        "regularizer lies outside its values here": kinds.count("elastic_net"),
        "l1_mode is penalty here": kinds.count("l1"),
    }
    fixed = store.create_study(warm("fixed", space={"regularizer": "none", "dropout": {"low": 0.0, "high": 0.5}}))
    assert (len(fixed.warm_start_trials), fixed.warm_start_left_out) == (
        kinds.count("none"),
        {"regularizer is fixed to none here": len(known) - kinds.count("none")},
    )
    assert sweep_here(store, folder, "fixed") == 4


def test_a_study_of_an_earlier_version_keeps_the_trials_that_it_knows(store: Store, folder: Path) -> None:
    cold(store, folder, trials=6)
    known = store.create_study(warm()).warm_start_trials
    with store.writing() as session:
        session.execute(sa.update(StudyRecord).where(StudyRecord.name == "warm").values(warm_start=known))
    accepted = store.study("warm")
    assert (accepted.warm_start_trials, accepted.warm_start_left_out) == (known, {})
    assert sweep_here(store, folder, "warm") == 4


def test_only_complete_trials_are_learnt_from_also_of_a_study_that_runs(store: Store, folder: Path) -> None:
    spec = study("cold", 9)
    store.create_study(spec)
    book = ledger(store, folder, "cold")
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.COMPLETE):
        run(book, spec, state=state)
    opened(book, spec)
    store.mark_invalid("cold", 3, "a test")
    assert len(store.create_study(warm()).warm_start_trials) == 1


def test_a_reproducible_study_starts_warm_alike_for_one_worker_and_for_three(tmp_path: Path) -> None:
    tables = []
    for workers in (1, 3):
        store = Store(f"sqlite:///{tmp_path / str(workers)}.db")
        cold(store, tmp_path)
        store.create_study(warm(trials=12, reproducible=True, training={"lanes": 2}))
        with ThreadPoolExecutor(workers) as pool:
            assert sum(pool.map(lambda worker: sweep_here(store, tmp_path, "warm", worker), "abc"[:workers])) == 12  # noqa: B023
        tables.append([(t.params, t.values) for t in store.trials("warm", (), NUMBERS, 99, None).items])
        store.create_study(warm("cold twin", trials=4, reproducible=True, training={"lanes": 2}, warm_start=None))
        sweep_here(store, tmp_path, "cold twin")
        tables.append([(t.params, t.values) for t in store.trials("cold twin", (), NUMBERS, 99, None).items])
        store.close()
    assert tables[0] == tables[2]
    assert tables[0][0] != tables[1][0]  # warm from its first trial on


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"warm_start": {"study": "nowhere"}}, "there is no study named 'nowhere'"),
        ({"warm_start": {"study": "warm"}}, "none of the 0 complete trials of 'warm'"),
        ({"objectives": ["val_accuracy"]}, "'cold' optimises val_loss; it must be val_accuracy"),
        ({"objectives": ["val_loss", "epochs"]}, "it must be val_loss, epochs"),
        ({"space": {"dropout": {"low": 0.81, "high": 0.9}}}, "none of the 6 complete trials of 'cold' lies in this"),
        (
            {"space": WIDE | {"learning_rate": {"low": 0.001, "high": 0.1}}},
            "space; learning_rate is not searched there (6)",
        ),
        ({"space": WIDE | {"learning_rate": 0.01}}, "space; learning_rate is fixed to 0.01 here (6)"),
        ({"dataset": {"kind": "builtin", "name": "wine"}}, "'cold' is about other data (iris), whose values"),
    ],
)
def test_a_study_that_would_learn_nothing_is_refused_and_leaves_nothing(
    store: Store, folder: Path, changes: dict[str, Any], message: str
) -> None:
    cold(store, folder, trials=6, space=WIDE)
    with pytest.raises(InvalidSpecError) as refused:
        store.create_study(warm(**changes))
    [error] = refused.value.errors
    assert error.field == "warm_start.study"
    assert message in error.message
    assert study_names(store) == ["cold"]
    assert states(store) == {"cold": "completed"}


def test_the_api_shows_how_much_a_study_knows_and_refuses_by_the_field(api: httpx.Client, tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'regsweep.db'}")
    cold(store, tmp_path / "artifacts", trials=7)
    store.close()
    asked = document("warm", sampler=TPE, warm_start={"study": "cold"})
    assert api.post("/v1/studies", json=asked).json()["earlier"] == 7
    assert api.get("/v1/studies/cold").json()["earlier"] == 0
    for changes, field in (
        ({"name": "other", "warm_start": {"study": "nowhere"}}, "warm_start.study"),
        ({"name": "other", "sampler": {"name": "random"}}, "warm_start"),
        ({"name": "other", "warm_start": {}}, "warm_start"),
    ):
        refused = api.post("/v1/studies", json=asked | changes)
        assert refused.status_code == 422, refused.text
        assert [error["field"] for error in refused.json()["errors"]] == [field]


def test_a_study_that_starts_warm_can_be_compared(store: Store, folder: Path) -> None:
    cold(store, folder)
    store.create_study(warm("iris", trials=2, comparison=ASKED))
    work(store, folder)
    assert states(store) == dict.fromkeys(states(store), "completed")
    assert CONFIRMATION in states(store)
    assert store.study("iris").comparison_state == "completed"
