"""A study's best params are trained again with other seeds, and how the values differ is reported with the best."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from optuna.trial import TrialState

from service.storage.artifacts import Artifacts
from service.storage.findings import findings
from service.storage.invariants import violations
from service.storage.states import StudyState
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from service.views.studies import one_study_view
from studies.analysis.report import as_html
from studies.datasets.preprocessing import PreparedData
from studies.errors import InvalidSpecError
from studies.study_file import parse
from studies.training.result import Job, OnEpoch, Trained
from tests.service.comparing import compared_document, sweep_as_worker, work
from tests.service.documents import document, study, trial_result, write_model
from tests.service.ledgers import claimed, expire, ledger, outcome, run, shown
from tests.service.working import SHOWN

TRIALS, SEEDS = 4, 3


def _document(**budget: Any) -> dict[str, Any]:
    return document(budget={"trials": TRIALS, "epochs": 3, "best_seeds": SEEDS} | budget)


def _seeded(jobs: list[Job], loss: Callable[[Job], float]) -> Callable[[Job, PreparedData, OnEpoch], Trained]:
    def train(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        jobs.append(job)
        on_epoch(1, {"loss": loss(job), "val_loss": loss(job), "val_accuracy": 0.5})
        return Trained(trial_result(loss(job), 1), write_model)

    return train


def _lucky_repeats(job: Job) -> float:
    """Trials 0 to 3 have losses from 0.5 down, and every repeat a lower one."""
    return 0.5 - job.number / 100


def _wrong(store: Store, folder: Path) -> list[str]:
    return violations(store, Artifacts(f"file://{folder}"))


def test_the_best_params_are_trained_again_with_other_seeds_after_the_last_trial(store: Store, folder: Path) -> None:
    store.create_study(parse(_document()))
    view = one_study_view(store, store.study("iris"))
    assert view.trials_text == "0 of 7 trials (4 and 3 to confirm the best)"
    jobs: list[Job] = []
    sweep_as_worker(store, folder, "iris", _seeded(jobs, _lucky_repeats))
    found = one_study_view(store, store.study("iris"))
    best, repeats = next(job for job in jobs if job.number == TRIALS - 1), jobs[TRIALS:]
    assert (found.state, found.best is not None and found.best.number) == ("completed", best.number)
    assert [job.hyperparameters.effective() for job in repeats] == [best.hyperparameters.effective()] * SEEDS
    assert len({job.seed for job in jobs}) == 1 + SEEDS  # that of all trials, and one for each repeat
    assert found.best is not None
    assert found.best.seeds is not None
    assert found.best.seeds.values == pytest.approx([0.46, 0.45, 0.44])
    assert (found.best.seeds.mean, found.best.seeds.deviation) == pytest.approx((0.45, 0.01))
    assert "The best params with 3 other seeds: val_loss 0.45 ± 0.01" in as_html(findings(store, store.study("iris")))


@pytest.mark.parametrize("engine", ["fit", "lanes"])
def test_the_snippet_of_the_best_says_what_it_gave_and_what_other_seeds_give(
    store: Store, api: httpx.Client, folder: Path, engine: str
) -> None:
    api.post("/v1/studies", json=_document()).raise_for_status()
    sweep_as_worker(store, folder, "iris", _seeded([], _lucky_repeats))
    WorkerStore(store).record_engine(store.study("iris").id, SHOWN | {"engine": engine}, {})
    code = api.get("/v1/studies/iris/snippet").text
    compile(code, "snippet", "exec")
    assert "# In the study it gave val_loss 0.47.\n" in code
    assert "# The best params with 3 other seeds: val_loss 0.45 ± 0.01.\n" in code
    assert ("trained in a lane" in code) == (engine == "lanes")
    assert "other seeds" not in api.get("/v1/studies/iris/snippet?trial=0").text


def test_repeats_are_no_trials_of_the_search(store: Store, api: httpx.Client, folder: Path) -> None:
    api.post("/v1/studies", json=_document()).raise_for_status()
    overall = {"trials": TRIALS + SEEDS, "done": 0, "fits": TRIALS + SEEDS, "fits_done": 0, "seconds_left": None}
    assert api.get("/v1/studies/iris").json()["overall"] == overall
    sweep_as_worker(store, folder, "iris", _seeded([], _lucky_repeats))
    shown_study = api.get("/v1/studies/iris").json()
    ended = {"trials": TRIALS, "complete": TRIALS, "pruned": 0, "failed": 0, "running": 0, "waiting": 0}
    assert shown_study["progress"] == ended
    assert shown_study["overall"]["done"] == shown_study["overall"]["trials"] == TRIALS + SEEDS
    assert [trial["number"] for trial in api.get("/v1/studies/iris/trials").json()["items"]] == [*range(TRIALS)]
    assert [trial["number"] for trial in api.get("/v1/studies/iris/best").json()["items"]] == [TRIALS - 1]
    assert len(findings(store, store.study("iris")).trials) == len(shown(store)) == TRIALS
    assert _wrong(store, folder) == []


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_repeat_whose_worker_dies_is_begun_again_and_fails_no_study(
    store: Store, folder: Path, attempts: int
) -> None:
    spec = parse(_document(best_seeds=1, max_attempts=attempts, max_failed_trials=0))
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    for value in (0.5, 0.25, 0.5, 0.75):
        run(book, spec, value)
    claim = claimed(book)
    assert claim.plan is not None
    book.open(claim, None, claim.plan.params)
    expire(store)
    if attempts > 1:
        again = claimed(ledger(store, folder, "iris", "b"))
        book.open(again, None, claim.plan.params)
        book.close(again, again.slot, outcome(0.3))
    found = one_study_view(store, store.study("iris"))
    assert (found.state, found.progress.failed) == ("completed", 0)
    assert found.best is not None
    assert (found.best.seeds and found.best.seeds.values) == ([0.3] if attempts > 1 else None)
    assert found.best.seeds is None or found.best.seeds.deviation is None  # of one value
    assert len(shown(store)) == TRIALS
    assert _wrong(store, folder) == []


def test_a_stopped_study_drops_its_repeats(store: Store, folder: Path) -> None:
    spec = parse(_document())
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    for _ in range(TRIALS):
        run(book, spec)
    assert store.study("iris").state == "running"
    store.set_state("iris", StudyState.STOPPED)
    found = one_study_view(store, store.study("iris"))
    assert (found.state, found.best is not None and found.best.seeds) == ("stopped", None)
    assert _wrong(store, folder) == []


def test_what_is_known_of_a_best_that_was_marked_invalid_is_not_told_of_the_next(store: Store, folder: Path) -> None:
    store.create_study(parse(_document()))
    sweep_as_worker(store, folder, "iris", _seeded([], _lucky_repeats))
    store.mark_invalid("iris", TRIALS - 1, "a wrong file")
    found = one_study_view(store, store.study("iris"))
    assert found.best is not None
    assert (found.best.number, found.best.seeds) == (TRIALS - 2, None)


def test_without_a_complete_trial_there_is_nothing_to_repeat(store: Store, folder: Path) -> None:
    spec = parse(_document())
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    for _ in range(TRIALS):
        run(book, spec, state=TrialState.PRUNED)
    assert store.study("iris").state == "failed"


def test_the_parts_of_a_comparison_repeat_nothing(store: Store, folder: Path) -> None:
    asked = compared_document()
    store.create_study(parse(asked | {"budget": asked["budget"] | {"best_seeds": SEEDS}}))
    work(store, folder)
    assert one_study_view(store, store.study("iris")).comparison is not None
    assert _wrong(store, folder) == []  # a part with slots beyond its budget would be wrong


@pytest.mark.parametrize(
    ("trials", "changes", "repeats"),
    [
        (19, {}, 0),
        (20, {}, 2),
        (39, {}, 3),
        (1000, {}, 4),
        (1000, {"resampling": {"kind": "kfold", "folds": 3}}, 0),
        (1000, {"objectives": ["val_loss", "nonzero_weights"]}, 0),
    ],
)
def test_repeats_cost_at_most_a_tenth_of_the_trials_and_stand_where_nothing_else_tells_the_spread(
    trials: int, changes: dict[str, Any], repeats: int
) -> None:
    assert study(trials=trials, **changes).repeats_of_best == repeats


def test_several_objectives_have_no_best_to_repeat() -> None:
    with pytest.raises(InvalidSpecError, match=r"budget\.best_seeds: several objectives have no one best trial"):
        parse(_document() | {"objectives": ["val_loss", "nonzero_weights"]})


def test_with_folds_a_repeat_is_trained_on_each(store: Store, folder: Path) -> None:
    store.create_study(parse(_document(best_seeds=1) | {"resampling": {"kind": "kfold", "folds": 2}}))
    jobs: list[Job] = []
    sweep_as_worker(store, folder, "iris", _seeded(jobs, lambda job: 0.5 - job.fold / 10))
    assert [job.fold for job in jobs[2 * TRIALS :]] == [0, 1]
    found = one_study_view(store, store.study("iris"))
    assert found.best is not None
    assert found.best.seeds is not None
    assert found.best.seeds.values == pytest.approx([0.45])
