"""A study keeps few models: the best ones, or some that are spread over the Pareto front."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from optuna.trial import TrialState

from service.storage.artifacts import Artifacts
from service.storage.store import Store
from studies.sweep.ledger import Outcome
from tests.service.conftest import served, settings_in
from tests.service.documents import study, trial_result, write_model
from tests.service.ledgers import ledger, opened


def kept_of(folder: Path, store: Store, objectives: list[str], values: list[list[float]]) -> list[int]:
    """The numbers of the trials that have a model once trials of these values have ended, each with one."""
    spec = study(trials=len(values), objectives=objectives)
    store.create_study(spec)
    book = ledger(store, folder / "artifacts", "iris")
    write_model(folder / "model.keras")
    for each in values:
        claim, number = opened(book, spec)
        book.keep_model(claim, number, folder / "model.keras")
        book.close(claim, number, Outcome(TrialState.COMPLETE, each, trial_result(each[0]), None))
    trials = [store.trial("iris", number) for number in range(len(values))]
    paths = {trial.model for trial in trials if trial.model is not None}
    assert {path for path in Artifacts(f"file://{folder / 'artifacts'}").paths() if path.endswith(".keras")} == paths
    return [trial.number or 0 for trial in trials if trial.model is not None]


def why_not(folder: Path, url: str, trial: int) -> str:
    with served(settings_in(folder, url)) as api:
        answer = api.get("/v1/studies/iris/model", params={"trial": trial})
        assert answer.status_code == 404
        sentence = str(answer.json()["detail"])
        page = api.get(f"/studies/iris/trials/{trial}", headers={"Accept": "text/html"}).text
        assert sentence.removesuffix("; see has_model") in page
    return sentence


def test_of_one_objective_the_best_five_are_kept_and_of_ties_the_earliest(store: Store, tmp_path: Path) -> None:
    assert kept_of(tmp_path, store, ["val_loss"], [[float(value)] for value in (9, 8, 3, 3, 3, 2, 2, 2)]) == [
        2,
        3,
        5,
        6,
        7,
    ]
    assert why_not(tmp_path, store.url, 1) == (
        "trial 1 has no model: a study keeps those of the trials that were the best when they ended, the best 5 of "
        "them; see has_model"
    )


@pytest.mark.usefixtures("database")  # SQLite's alone: which of the front stay is worked out without SQL
def test_of_several_objectives_twenty_are_kept_with_both_ends_and_spread(store: Store, tmp_path: Path) -> None:
    dominated: list[list[float]] = [[50.0, 50.0]] * 3
    order = [7 * place % 40 for place in range(40)]  # along the front, and no neighbours one after the other
    kept = kept_of(tmp_path, store, ["val_loss", "epochs"], dominated + [[float(x), 39.0 - x] for x in order])
    places = sorted(order[number - 3] for number in kept)
    assert (len(places), places[0], places[-1]) == (20, 0, 39)  # none that was dominated is among them
    assert max(after - before for before, after in pairwise(places)) <= 5
    assert "spread over it" in why_not(tmp_path, store.url, 0)
