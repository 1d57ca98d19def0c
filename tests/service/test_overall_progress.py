"""The progress of a study counts all that it trains, its comparison included, and says how long that may take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from service.storage.records import StudyRecord
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from service.views.studies import one_study_view, study_views
from studies.datasets.preprocessing import PreparedData
from studies.spec.comparison import DELIVERY_FOLDS, DELIVERY_REPEATS
from studies.training.result import Job, OnEpoch, Trained
from tests.service.comparing import (
    ASKED,
    CONFIRMATION,
    FOLDS,
    PARTS,
    REPEATS,
    SEARCHED,
    TECHNIQUES,
    compared_document,
    sweep_all,
    sweep_as_worker,
    train,
    work,
)
from tests.service.documents import document, study
from tests.service.ledgers import ledger, run

OWN = 4
SEARCH_TRIALS = 1 + (len(TECHNIQUES) - 1) * SEARCHED  # no regularization has nothing to search
SEARCH_FITS = SEARCH_TRIALS * FOLDS  # iris is small, so techniques are searched on folds
CONFIRMED = REPEATS * FOLDS


def _overall(api: httpx.Client, path: str = "") -> dict[str, Any]:
    response = api.get(f"/v1/studies/iris{path}")
    response.raise_for_status()
    found: dict[str, Any] = response.json()["overall"]
    return found


def _backdate(store: Store, name: str, seconds: float) -> None:
    """Let a study have begun earlier, and have ended so if it has."""
    earlier = {"started_at": StudyRecord.started_at - seconds, "ended_at": StudyRecord.ended_at}
    with store.writing() as session:
        session.execute(sa.update(StudyRecord).where(StudyRecord.name == name).values(earlier))


def test_a_study_alone_counts_its_trials_and_a_training_of_each_fold(api: httpx.Client, store: Store) -> None:
    submitted = api.post("/v1/studies", json=document(resampling={"kind": "kfold", "folds": 3})).json()
    expected = {"trials": 4, "done": 0, "fits": 12, "fits_done": 0, "seconds_left": None}
    assert (submitted["overall"], _overall(api)) == (expected, expected)


def test_a_study_without_a_comparison_has_nothing_left_once_it_has_ended(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    sweep_all(store, folder, ["iris"])
    assert _overall(api) == {"trials": OWN, "done": OWN, "fits": OWN, "fits_done": OWN, "seconds_left": 0}


def test_places_that_a_stopped_study_never_began_are_not_to_come(api: httpx.Client, store: Store) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    api.post("/v1/studies/iris/stop").raise_for_status()
    assert _overall(api) == {"trials": 0, "done": 0, "fits": 0, "fits_done": 0, "seconds_left": 0}


def test_an_ended_study_reads_as_what_it_did_of_what_it_was_to_do(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    api.post("/v1/studies", json=document(budget={"trials": 3000, "epochs": 1})).raise_for_status()
    run(ledger(store, folder, "iris"), store.study("iris").parsed_spec)
    api.post("/v1/studies/iris/stop").raise_for_status()
    view = one_study_view(store, store.study("iris"))
    assert view.trials_text == "1 of 3,000 trials, stopped"
    assert '<p class="note">1 of 3,000 trials, stopped</p>' in api.get("/studies/iris").text
    assert "<small>1 of 3,000</small>" in api.get("/").text
    assert "recorded</td>" in api.get("/studies/iris/trials/0").text  # the end of its attempt


def test_a_comparison_counts_its_searches_and_a_confirmation_that_is_not_planned_yet(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    sweep_all(store, folder, ["iris", PARTS[1]])
    found, alone = _overall(api), _overall(api, "/comparison")
    assert (found["done"], found["fits_done"]) == (OWN + SEARCHED, OWN + SEARCHED * FOLDS)
    assert (alone["done"], alone["fits_done"]) == (SEARCHED, SEARCHED * FOLDS)
    assert (found["trials"] - alone["trials"], found["fits"] - alone["fits"]) == (OWN, OWN)
    # Each technique once a repeat and once for the test part.
    assert alone["trials"] == SEARCH_TRIALS + len(TECHNIQUES) * (REPEATS + 1)
    assert alone["fits"] == SEARCH_FITS + len(TECHNIQUES) * (CONFIRMED + 1)


@pytest.mark.parametrize(
    ("deliver", "trials", "fits"), [("refit", 1, 1), ("folds", 1, DELIVERY_FOLDS * DELIVERY_REPEATS), ("split", 0, 0)]
)
def test_the_delivery_of_the_recommended_technique_counts_as_well(
    api: httpx.Client, deliver: str, trials: int, fits: int
) -> None:
    api.post("/v1/studies", json=document(comparison=ASKED | {"deliver": deliver})).raise_for_status()
    found = _overall(api, "/comparison")
    assert found["trials"] == SEARCH_TRIALS + len(TECHNIQUES) * (REPEATS + 1) + trials
    assert found["fits"] == SEARCH_FITS + len(TECHNIQUES) * (CONFIRMED + 1) + fits


@pytest.mark.parametrize("racing", [False, True])
def test_what_is_to_come_follows_the_rounds_of_a_confirmation(
    api: httpx.Client, store: Store, folder: Path, racing: bool
) -> None:
    more = {"cocktails": True, "racing": racing, "repeats": 6, "techniques": ["none", "l1", "dropout", "combined"]}
    api.post("/v1/studies", json=document(comparison=ASKED | more)).raise_for_status()
    totals: list[int] = []

    def noting(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        found = _overall(api)
        totals.append(found["fits"])
        assert found["fits_done"] < found["fits"]
        return train(job, data, on_epoch)

    while (found := WorkerStore(store).next_study()) is not None:
        assert sweep_as_worker(store, folder, found.name, noting if found.name == CONFIRMATION else train)
    ended = _overall(api)
    assert (ended["done"], ended["fits_done"]) == (ended["trials"], ended["fits"])
    assert totals[-1] == ended["fits"]  # with the last round planned it is no estimate any more
    assert len(set(totals)) > 1  # cocktails have joined, and what lost has left
    if not racing:
        assert totals == sorted(totals)


def test_what_is_done_and_to_come_meet_when_a_comparison_ends(api: httpx.Client, store: Store, folder: Path) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    work(store, folder)
    found = _overall(api)
    assert (found["done"], found["fits_done"], found["seconds_left"]) == (found["trials"], found["fits"], 0)
    assert found["fits"] > OWN + SEARCH_FITS + 2 * CONFIRMED


def test_planned_places_count_the_folds_of_their_plan(api: httpx.Client, store: Store, folder: Path) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    sweep_all(store, folder, ["iris", *PARTS])
    before = _overall(api, "/comparison")
    sweep_all(store, folder, [CONFIRMATION])
    after = _overall(api, "/comparison")
    assert (before["done"], before["fits_done"]) == (SEARCH_TRIALS, SEARCH_FITS)
    # A repeat of a technique is one place and trains all folds; its test is one place and trains once.
    assert after["fits_done"] - before["fits_done"] > after["done"] - before["done"]
    assert after["fits_done"] - before["fits_done"] < (after["done"] - before["done"]) * CONFIRMED


def test_the_time_left_follows_from_what_the_trainings_took_so_far(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    assert _overall(api)["seconds_left"] is None
    sweep_all(store, folder, ["iris"])
    _backdate(store, "iris", 100)
    found = _overall(api)
    expected = 100 / found["fits_done"] * (found["fits"] - found["fits_done"])
    assert found["seconds_left"] == pytest.approx(expected, rel=0.2)


def test_the_time_left_counts_neither_pauses_nor_the_time_between_a_study_and_its_comparison(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    sweep_all(store, folder, ["iris"])
    with store.writing() as session:  # the study ran for 100 seconds a week ago, 40 of them paused
        begun = StudyRecord.started_at - 604_800
        ran = {"started_at": begun, "ended_at": begun + 100, "paused_seconds": 40.0}
        session.execute(sa.update(StudyRecord).where(StudyRecord.name == "iris").values(ran))
    api.post("/v1/studies/iris/comparison", json=ASKED).raise_for_status()
    found = _overall(api)
    assert found["seconds_left"] == pytest.approx(60 / OWN * (found["fits"] - OWN), rel=0.2)


def test_a_listing_shows_the_same_with_as_many_queries_for_one_study_as_for_many(store: Store, folder: Path) -> None:
    queries: list[str] = []
    store.create_study(study("iris", comparison=ASKED))
    work(store, folder)
    for name in ("second", "third"):
        store.create_study(study(name, comparison=ASKED))
    found = [store.study(name) for name in ("iris", "second", "third")]

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        queries.append(statement)

    sa.event.listen(store.engine, "before_cursor_execute", note)
    one, for_one = study_views(store, found[:1]), len(queries)
    queries.clear()
    many = study_views(store, found)
    assert (many[0], len(queries)) == (one[0], for_one)
    assert [view.name for view in many] == ["iris", "second", "third"]
    assert [view.best is None for view in many] == [False, True, True]
    assert many[1].overall.done == 0


@pytest.mark.parametrize(("objective", "better"), [("val_loss", min), ("val_accuracy", max)])
def test_the_best_trial_of_a_listing_is_that_of_the_objectives_direction(
    api: httpx.Client, store: Store, folder: Path, objective: str, better: Any
) -> None:
    api.post("/v1/studies", json=document(objectives=[objective])).raise_for_status()
    sweep_all(store, folder, ["iris"])
    [listed] = api.get("/v1/studies").json()["items"]
    values = [trial["value"] for trial in api.get("/v1/studies/iris/trials").json()["items"]]
    assert listed["best"]["value"] == better(values)
