"""What users say of trials: params they want tried come next, and a trial marked invalid was never there."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import optuna
import pytest
from optuna.trial import TrialState

from service.errors import ConflictError
from service.storage import locking, transactions, user_trials
from service.storage.artifacts import Artifacts
from service.storage.invariants import violations
from service.storage.pagination import Sort
from service.storage.store import Store
from studies.search.mirror import Mirror, as_template
from studies.seeds import ask_seed
from studies.spec.study import StudySpec
from tests.service.comparing import ASKED, PARTS
from tests.service.contenders import sweep_here
from tests.service.documents import document, study
from tests.service.ledgers import claimed, effective, expire, ledger, opened, outcome, run, shown

TRIALS = "/v1/studies/iris/trials"
NUMBERS = Sort.parse("number")
FINITE = {"regularizer": ["none", "l1", "l2"], "lambda": [0.01, 0.1], "dropout": [0.0, 0.25, 0.5], "patience": [1, 2]}


@pytest.fixture
def books(api: httpx.Client, tmp_path: Path) -> Iterator[Store]:
    """The store of the served API."""
    store = Store(f"sqlite:///{tmp_path / 'regsweep.db'}")
    yield store
    store.close()


def want(api: httpx.Client, params: Any, name: str = "iris") -> httpx.Response:
    return api.post(f"/v1/studies/{name}/trials", json={"params": params})


def invalidate(api: httpx.Client, number: int, why: Any = None, name: str = "iris") -> httpx.Response:
    return api.post(f"/v1/studies/{name}/trials/{number}/invalidate", json=why)


def errors(response: httpx.Response) -> dict[str, str]:
    """The fields that a 422 names, each with its message."""
    assert response.status_code == 422, response.text
    return {error["field"]: error["message"] for error in response.json()["errors"]}


def enqueue(store: Store, params: dict[str, Any]) -> int:
    """What the route does, without a server; the place."""
    with transactions.transaction(store.optuna) as session:
        return user_trials.enqueue(session, locking.find(session, "iris"), params).slot


# Params that are wanted


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc", "nsga2", "cmaes", "grid", "brute_force"])
@pytest.mark.parametrize(
    "params",
    [
        {"dropout": 0.25},
        {"regularizer": "l2", "lambda": 0.1, "dropout": 0.5, "patience": 2},
        {},
    ],
    ids=["some", "all", "none"],
)
def test_wanted_params_are_tried_next_and_the_sampler_gives_the_rest(
    store: Store, folder: Path, sampler: str, params: dict[str, Any]
) -> None:
    spec = study(trials=5, sampler={"name": sampler}, space=FINITE)
    store.create_study(spec)
    run(ledger(store, folder, "iris"), spec)
    enqueue(store, params)
    assert sweep_here(store, folder, "iris") == 4
    accepted = store.study("iris")
    assert (accepted.state, accepted.reason) == ("completed", None)
    trials = shown(store)
    assert {name: trials[1].params[name] for name in params} == params
    space = spec.space.distributions()
    for trial in trials:
        assert trial.state == TrialState.COMPLETE
        assert trial.params.keys() == space.keys()
        assert all(space[name]._contains(space[name].to_internal_repr(v)) for name, v in trial.params.items())
    assert store.trial("iris", 1).enqueued_params == params
    assert violations(store, Artifacts(f"file://{folder}")) == []


def test_wanted_params_are_tried_in_the_order_they_came(api: httpx.Client, books: Store, tmp_path: Path) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    for place, dropout in enumerate((0.3, 0.1, 0.2)):
        taken = want(api, {"dropout": dropout})
        assert taken.json() == {"study": "iris", "place": place, "params": {"dropout": dropout}}
    sweep_here(books, tmp_path / "artifacts", "iris")
    shown = api.get(TRIALS).json()["items"]
    assert [trial["params"]["dropout"] for trial in shown[:3]] == [0.3, 0.1, 0.2]
    assert [trial["enqueued"] for trial in shown] == [{"dropout": 0.3}, {"dropout": 0.1}, {"dropout": 0.2}, None]
    theirs = optuna.load_study(study_name="iris", storage=books.optuna).trials
    assert [trial.system_attrs.get("fixed_params") for trial in theirs] == [trial["enqueued"] for trial in shown]


def test_wanted_params_survive_a_worker_that_dies_before_it_asks(store: Store, folder: Path) -> None:
    store.create_study(study(trials=2))
    assert enqueue(store, {"dropout": 0.25}) == 0
    claim = claimed(ledger(store, folder, "iris"))
    assert claim.enqueued_params == {"dropout": 0.25}
    expire(store)
    sweep_here(store, folder, "iris")
    assert (store.trial("iris", 0).params or {})["dropout"] == 0.25


def test_a_place_that_was_begun_is_not_free(store: Store, folder: Path) -> None:
    spec = study(trials=3)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, _ = opened(book, spec)
    book.hand_back(claim)
    assert [enqueue(store, {}), enqueue(store, {"dropout": 0.1})] == [1, 2]
    with pytest.raises(ConflictError, match="no free slot left in its budget of 3 trials"):
        enqueue(store, {"dropout": 0.1})


@pytest.mark.parametrize(
    ("params", "field", "message"),
    [
        ({"dropout": 0.9}, "params.dropout", "0.9 is not in the space: from 0 to 0.5"),
        ({"dropout": "0.25"}, "params.dropout", "'0.25' is not in the space"),
        ({"dropout": None}, "params.dropout", "None is not in the space"),
        ({"dropout": True}, "params.dropout", "is not in the space"),
        ({"patience": 2.5}, "params.patience", "2.5 is not in the space"),
        ({"regularizer": "l3"}, "params.regularizer", "'l3' is not in the space: one of none"),
        ({"regularizer": 1}, "params.regularizer", "1 is not in the space"),
        ({"learning_rate": 0.1}, "params.learning_rate", "is not searched; choose from regularizer"),
        ({"nowhere": 0.1}, "params.nowhere", "is not searched"),
        ({"dropout": [0.1]}, "params.dropout", ""),
        ("dropout", "params", ""),
        (None, "params", ""),
    ],
)
def test_params_that_are_not_in_the_space_are_refused_by_name(
    api: httpx.Client, params: Any, field: str, message: str
) -> None:
    space = {"dropout": {"low": 0.0, "high": 0.5}, "patience": {"low": 1, "high": 9}}
    api.post("/v1/studies", json=document(space=space)).raise_for_status()
    refused = errors(want(api, params))
    assert len(refused) >= 1
    assert all(name.startswith(field) for name in refused)
    assert message in next(iter(refused.values()))
    # Nothing was taken: the first place is still free.
    assert want(api, {"dropout": 0.25}).json()["place"] == 0


def test_every_wrong_param_is_named_at_once(api: httpx.Client) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    assert errors(want(api, {"dropout": 3, "nowhere": 1})).keys() == {"params.dropout", "params.nowhere"}


def test_a_study_that_takes_no_wishes_says_why(api: httpx.Client) -> None:
    api.post("/v1/studies", json=document(comparison=ASKED)).raise_for_status()
    api.post("/v1/studies", json=document("fixed", reproducible=True)).raise_for_status()
    api.post("/v1/studies", json=document("ended")).raise_for_status()
    api.post("/v1/studies/ended/stop").raise_for_status()
    for name, status, why in (
        ("fixed", 409, "is reproducible: what it tries depends on its spec alone"),
        ("ended", 409, "is stopped; only one that has not ended takes trials"),
        ("nowhere", 404, "there is no study named"),
    ):
        refused = want(api, {"dropout": 0.1}, name)
        assert (refused.status_code, why in refused.json()["detail"]) == (status, True)


# Trials that are marked invalid


def ran(store: Store, folder: Path, losses: tuple[float, ...] = (0.3, 0.1, 0.2), **changes: Any) -> None:
    """A study of four places, of which these have run."""
    spec = study(**changes)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    for loss in losses:
        run(book, spec, loss)


def test_an_invalid_trial_has_failed_in_both_books_and_the_next_best_is_the_best(
    api: httpx.Client, books: Store, tmp_path: Path
) -> None:
    ran(books, tmp_path / "artifacts")
    assert api.get("/v1/studies/iris").json()["best"]["number"] == 1
    answer = invalidate(api, 1, {"reason": "the file was cut off"})
    trial = answer.json()
    assert (answer.status_code, trial["state"], trial["reason"]) == (
        200,
        "FAIL",
        "marked invalid: the file was cut off",
    )
    assert (trial["value"], trial["values"]) == (None, None)
    shown = api.get("/v1/studies/iris").json()
    assert (shown["best"]["number"], shown["progress"]["failed"], shown["progress"]["complete"]) == (2, 1, 2)
    assert [each["number"] for each in api.get("/v1/studies/iris/best").json()["items"]] == [2]
    assert [each["number"] for each in api.get(f"{TRIALS}?sort=value&state=COMPLETE").json()["items"]] == [2, 0]
    theirs = optuna.load_study(study_name="iris", storage=books.optuna)
    assert (theirs.best_trial.number, theirs.trials[1].state) == (2, TrialState.FAIL)
    assert (theirs.trials[1].values, theirs.trials[1].user_attrs["reason"]) == (None, trial["reason"])
    assert violations(books, Artifacts(f"file://{tmp_path / 'artifacts'}")) == []


def test_an_invalid_trial_leaves_the_pareto_front(store: Store, folder: Path) -> None:
    store.create_study(study(trials=15, objectives=["val_loss", "epochs"]))
    sweep_here(store, folder, "iris")
    for _ in range(3):
        front = [trial.number for trial in store.best(store.study("iris"))]
        assert set(front) == {t.number for t in optuna.load_study(study_name="iris", storage=store.optuna).best_trials}
        store.mark_invalid("iris", front[0] or 0, "a test")
        assert front[0] not in {trial.number for trial in store.best(store.study("iris"))}


def test_a_pruned_trial_can_be_invalid_and_the_reason_may_be_left_out(
    api: httpx.Client, books: Store, tmp_path: Path
) -> None:
    spec = study()
    books.create_study(spec)
    run(ledger(books, tmp_path / "artifacts", "iris"), spec, state=TrialState.PRUNED)
    assert invalidate(api, 0).json()["reason"] == "marked invalid: by the user"


def test_only_what_has_a_result_can_be_marked_invalid(api: httpx.Client, books: Store, tmp_path: Path) -> None:
    spec, folder = study(), tmp_path / "artifacts"
    books.create_study(spec)
    book = ledger(books, folder, "iris")
    run(book, spec, state=TrialState.FAIL)
    opened(book, spec)
    run(book, spec)
    invalidate(api, 2).raise_for_status()
    for number, status, why in (
        (0, 409, "trial 0 is FAIL"),
        (1, 409, "trial 1 is RUNNING"),
        (2, 409, "trial 2 is FAIL"),
        (3, 404, "has no trial 3"),
    ):
        refused = invalidate(api, number)
        assert (refused.status_code, why in refused.json()["detail"]) == (status, True)
    assert books.trial("iris", 0).reason == "it diverged"
    assert errors(invalidate(api, 2, {"reason": ""})).keys() == {"reason"}
    assert invalidate(api, 0, name="nowhere").status_code == 404


def test_what_others_stand_on_cannot_be_marked_invalid(api: httpx.Client, books: Store, tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    books.create_study(study(comparison=ASKED))
    books.create_study(study("fixed", trials=2, reproducible=True))
    sweep_here(books, folder, PARTS[0])
    assert "stands on its trials" in invalidate(api, 0, name=PARTS[0]).json()["detail"]
    run(ledger(books, folder, "fixed"), study("fixed", trials=2))
    assert "is reproducible" in invalidate(api, 0, name="fixed").json()["detail"]
    run(ledger(books, folder, "fixed"), study("fixed", trials=2))
    assert invalidate(api, 0, name="fixed").status_code == 200  # it has ended


@pytest.mark.parametrize("sampler", [{"name": "tpe", "n_startup_trials": 3}, {"name": "cmaes"}, {"name": "nsga2"}])
def test_a_worker_at_work_forgets_a_trial_that_is_marked_invalid(
    store: Store, folder: Path, sampler: dict[str, Any]
) -> None:
    spec = study(trials=40, sampler=sampler)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    mirror = Mirror(spec, book.trials())
    for number in range(30):
        claim = claimed(book)
        trial = mirror.ask()
        book.open(claim, as_template(trial), effective(spec, trial))
        loss = 0.01 if number in (5, 11) else 0.3 + number % 7 / 10
        mirror.tell(trial, TrialState.COMPLETE, [loss])
        book.close(claim, number, outcome(loss))
    store.mark_invalid("iris", 5, "a test")
    store.mark_invalid("iris", 11, "a test")
    mirror.take_in(book.changed_trials())
    # As a worker asks that comes new, and as Optuna itself has it.
    assert mirror.ask().params == Mirror(spec, ledger(store, folder, "iris").trials()).ask().params
    theirs = optuna.load_study(study_name="iris", storage=store.optuna)
    assert mirror.study.best_trial.number == theirs.best_trial.number not in (5, 11)
    assert [t.state for t in mirror.trials()[:30]] == [t.state for t in theirs.trials]


@pytest.mark.parametrize("options", [{}, {"multivariate": True}, {"multivariate": True, "constant_liar": True}])
def test_the_sampler_goes_on_as_optunas_when_the_first_trial_is_invalid(
    store: Store, folder: Path, options: dict[str, bool]
) -> None:
    spec = study(trials=30, sampler={"name": "tpe", "n_startup_trials": 4, **options})
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    for number in range(20):
        run(book, spec, 0.2 + number % 9 / 10)
    store.mark_invalid("iris", 0, "a test")
    trials = ledger(store, folder, "iris").trials()
    asked = Mirror(spec, trials).ask()
    theirs = optuna.create_study(sampler=_optunas(spec, len(trials), options))
    theirs.add_trials(shown(store))
    assert asked.params == theirs.ask(spec.space.distributions()).params


def _optunas(spec: StudySpec, number: int, options: dict[str, Any]) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=ask_seed(spec.seed, number), n_startup_trials=4, **options)
