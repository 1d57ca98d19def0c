"""A study gets more trials, in whatever state it is: it goes on with what it knows, and keeps what it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from service.errors import ConflictError
from service.storage.artifacts import Artifacts
from service.storage.clock import unix_now
from service.storage.invariants import violations
from service.storage.records import StudyRecord
from service.storage.reports import Reports
from service.storage.states import StudyState
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from service.views.studies import one_study_view
from studies.errors import InvalidSpecError, LeaseLostError
from studies.search.mirror import Mirror
from studies.study_file import parse
from tests.service.comparing import compared_document, sweep_as_worker, work
from tests.service.conftest import served, settings_in
from tests.service.contenders import sweep_here
from tests.service.documents import document, study
from tests.service.ledgers import claimed, ledger, opened, outcome, report, run, shown
from tests.service.test_reproducible import FINITE, NUMBERS
from tests.service.working import working

IRIS = "/v1/studies/iris"


def _budget(**budget: Any) -> dict[str, Any]:
    return {"budget": {"trials": 4, "epochs": 3} | budget}


def _wrong(store: Store, folder: Path) -> list[str]:
    return violations(store, Artifacts(f"file://{folder}"))


def _begun(store: Store, folder: Path, done: int = 2, **budget: Any) -> None:
    """A study of which some trials are complete."""
    spec = study(**_budget(**budget))
    store.create_study(spec)
    for _ in range(done):
        run(ledger(store, folder, "iris"), spec)


def _age(store: Store, seconds: float, *columns: str) -> None:
    with store.writing() as session:
        changes = {column: getattr(StudyRecord, column) - seconds for column in columns}
        session.execute(sa.update(StudyRecord).values(changes))


# Every state


@pytest.mark.parametrize("state", ["queued", "running", "paused", "stopped", "completed", "failed"])
def test_a_study_is_extended_in_every_state_and_runs_so_many_trials(store: Store, folder: Path, state: str) -> None:
    _begun(store, folder, {"queued": 0, "completed": 4}.get(state, 2))
    if state in ("paused", "stopped"):
        store.set_state("iris", StudyState(state))
    if state == "failed":
        WorkerStore(store).fail_study(store.study("iris").id, "it cannot be read", "a")
    assert store.study("iris").state == state
    extended = store.change("iris", budget={"trials": 7})
    active = state in ("queued", "paused")
    assert (extended.state, extended.reason, extended.ended_at) == (state if active else "running", None, None)
    assert extended.parsed_spec.budget.trials == 7
    assert _wrong(store, folder) == []
    if state == "paused":
        store.set_state("iris", StudyState.RUNNING)
    sweep_here(store, folder, "iris")
    ended = one_study_view(store, store.study("iris"))
    assert (ended.state, ended.progress.trials, ended.progress.complete) == ("completed", 7, 7)
    assert [trial.number for trial in shown(store)] == [*range(7)]
    assert _wrong(store, folder) == []


def test_what_its_end_cut_stays_as_it_is(store: Store, folder: Path) -> None:
    _begun(store, folder, 1)
    book, spec = ledger(store, folder, "iris"), study(**_budget())
    claim, number = opened(book, spec)
    book.hand_back(claim)
    store.set_state("iris", StudyState.STOPPED)
    store.change("iris", budget={"trials": 5})
    cut = store.trial("iris", number)
    assert (cut.state, cut.reason) == ("PRUNED", "the study ended before the trial did")
    sweep_here(store, folder, "iris")
    assert (ended := one_study_view(store, store.study("iris"))).progress.complete == 4
    assert (ended.progress.pruned, ended.state) == (1, "completed")
    assert _wrong(store, folder) == []


def test_a_trial_that_runs_when_its_stopped_study_is_extended_goes_on(store: Store, folder: Path) -> None:
    _begun(store, folder, 1)
    book, spec = ledger(store, folder, "iris"), study(**_budget())
    claim, number = opened(book, spec)
    store.set_state("iris", StudyState.STOPPED)
    store.change("iris", budget={"trials": 6})
    assert report(book, claim, number, 1, 0.5).name == "GO_ON"
    book.close(claim, number, outcome(0.5))
    assert store.study("iris").state == "running"
    assert _wrong(store, folder) == []


def test_a_worker_that_sweeps_already_takes_new_trials_with_the_new_spec_only(store: Store, folder: Path) -> None:
    _begun(store, folder, 3)
    stale, spec = ledger(store, folder, "iris"), study(**_budget())
    store.change("iris", budget={"trials": 6})
    run(stale, spec)
    assert stale.claim(9) == []
    assert not stale.is_blocked()
    assert len(ledger(store, folder, "iris").claim(9)) == 2


def test_a_worker_runs_what_it_is_given_while_it_works(store: Store, folder: Path) -> None:
    from tests.acceptance.polling import eventually

    store.create_study(study(trials=2))
    with working(store, folder):
        eventually(lambda: store.study("iris").published, 30)
        store.change("iris", budget={"trials": 5})
        eventually(lambda: store.study("iris").published, 30)
    assert one_study_view(store, store.study("iris")).progress.complete == 5


# What a sampler knows


def test_tpe_learns_from_every_trial_that_was_before(store: Store, folder: Path) -> None:
    spec = study(trials=12, sampler={"name": "tpe"})
    store.create_study(spec)
    sweep_here(store, folder, "iris")
    store.change("iris", budget={"trials": 14})
    book = ledger(store, folder, "iris")
    seen = book.trials()
    assert [trial.number for trial in seen] == [*range(12)]
    assert all(trial.values for trial in seen)
    extended = store.study("iris").parsed_spec
    knowing, ignorant = (Mirror(extended, trials).ask().params for trials in (seen, seen[:1]))
    run(book, extended)
    assert shown(store)[12].params == knowing != ignorant


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "nsga2", "cmaes"])
def test_a_reproducible_study_that_is_extended_is_the_one_of_so_many_trials(tmp_path: Path, sampler: str) -> None:
    assert _table(tmp_path, sampler, 10, 29) == _table(tmp_path, sampler, 29)


def _table(folder: Path, sampler: str, *trials: int, **changes: Any) -> list[Any]:
    """What each trial was and gave, and at last the repeats of the best, of a study that is extended step by step."""
    store = Store(f"sqlite:///{folder / str(len(trials))}.db")
    store.create_study(study(trials=trials[0], reproducible=True, sampler={"name": sampler}, **changes))
    sweep_here(store, folder, "iris")
    for more in trials[1:]:
        store.change("iris", budget={"trials": more})
        sweep_here(store, folder, "iris")
    ran = store.trials("iris", (), NUMBERS, 1000, None).items
    repeats = store.repeat_values(store.study("iris"), store.best(store.study("iris"))[0].number)
    wrong = _wrong(store, folder)
    store.close()
    assert (len(ran), len(repeats), wrong) == (trials[-1], trials[-1] // 10, [])
    return [(trial.number, trial.params, trial.state, trial.values) for trial in ran] + [repeats]


def test_a_reproducible_study_is_not_extended_to_another_one(store: Store, folder: Path) -> None:
    space = FINITE | {"lambda": [n / 10 for n in range(1, 11)]}
    store.create_study(study("grid", trials=20, reproducible=True, sampler={"name": "grid"}, space=space))
    spec = study("stopped", trials=20, reproducible=True)
    store.create_study(spec)
    opened(ledger(store, folder, "stopped"), spec)
    store.set_state("stopped", StudyState.STOPPED)
    WorkerStore(store).hand_back("a")
    with pytest.raises(ConflictError, match="another order; submit a new study"):
        store.change("grid", budget={"trials": 30})
    with pytest.raises(ConflictError, match="cut by its end"):
        store.change("stopped", budget={"trials": 30})
    assert _wrong(store, folder) == []


def test_a_grid_gives_points_that_were_not_tried_and_has_no_more_than_its_own(store: Store, folder: Path) -> None:
    space = {"regularizer": ["none", "l2"], "lambda": [0.1, 0.2, 0.3], "dropout": [0.0, 0.5], "patience": [1, 2]}
    spec = study(trials=5, sampler={"name": "brute_force"}, space=space)
    store.create_study(spec)
    sweep_here(store, folder, "iris")
    with pytest.raises(InvalidSpecError, match=r"budget\.trials: the brute_force has 16 distinct points"):
        store.change("iris", budget={"trials": 17})
    store.change("iris", budget={"trials": 16})
    sweep_here(store, folder, "iris")
    ran = store.trials("iris", (), NUMBERS, 99, None).items
    assert len({str(sorted((trial.params or {}).items())) for trial in ran}) == 16


# Repeats of the best trial


def test_repeats_are_made_anew_of_the_best_of_all_trials(store: Store, folder: Path) -> None:
    _begun(store, folder, 0, best_seeds=2)
    sweep_here(store, folder, "iris")
    before = one_study_view(store, store.study("iris")).best
    store.change("iris", budget={"trials": 30})
    assert (now := one_study_view(store, store.study("iris"))).best is not None
    assert (now.best.seeds, now.overall.trials) == (None, 32)
    assert _wrong(store, folder) == []
    sweep_here(store, folder, "iris")
    after = one_study_view(store, store.study("iris")).best
    assert before is not None
    assert after is not None
    assert after.value < before.value  # or the test tells nothing
    assert after.seeds is not None
    assert len(after.seeds.values) == 2
    assert _wrong(store, folder) == []


def test_who_trains_a_repeat_meanwhile_loses_it(store: Store, folder: Path) -> None:
    _begun(store, folder, 4, best_seeds=1)
    book = ledger(store, folder, "iris")
    claim = claimed(book)
    assert claim.plan is not None
    book.open(claim, None, claim.plan.params)
    store.change("iris", budget={"trials": 5})
    # The number by which it knows the repeat is that of the new trial, which it must not take.
    assert book.claim(9) == []
    with pytest.raises(LeaseLostError):
        book.close(claim, claim.slot, outcome(0.1))
    run(ledger(store, folder, "iris", "b"), store.study("iris").parsed_spec)
    assert claimed(ledger(store, folder, "iris", "b")).plan is not None
    assert _wrong(store, folder) == []


# Time


def test_a_study_whose_time_is_used_up_needs_more_of_it(store: Store, folder: Path) -> None:
    _begun(store, folder, 2, timeout_seconds=60)
    _age(store, 100, "started_at")
    assert ledger(store, folder, "iris").claim(1) == []
    assert store.study("iris").reason == "budget.timeout_seconds of 60 ran out"
    for changes in ({"trials": 9}, {"trials": 9, "timeout_seconds": 90}):
        with pytest.raises(InvalidSpecError, match=r"budget\.timeout_seconds: .* seconds are used up; more trials"):
            store.change("iris", budget=changes)
    assert store.change("iris", budget={"timeout_seconds": 200}).state == "running"
    sweep_here(store, folder, "iris")
    assert one_study_view(store, store.study("iris")).progress.complete == 4


def test_the_time_in_which_a_study_had_ended_does_not_count(store: Store, folder: Path) -> None:
    _begun(store, folder, 4, timeout_seconds=600)
    _age(store, 5000, "started_at", "ended_at")
    _age(store, 100, "started_at")
    store.change("iris", budget={"trials": 5})
    extended = store.study("iris")
    with store.reading() as session:
        now = session.scalar(sa.select(unix_now())) or 0.0
    assert now - (extended.started_at or 0.0) - extended.paused_seconds == pytest.approx(100, abs=5)
    assert len(ledger(store, folder, "iris").claim(1)) == 1


def test_the_pause_of_its_comparison_alone_is_no_time_of_a_study_that_has_ended(store: Store, folder: Path) -> None:
    _begun(store, folder, 4, timeout_seconds=200)
    with store.writing() as session:
        session.execute(sa.update(StudyRecord).values(paused_at=StudyRecord.ended_at + 300))
    _age(store, 900, "started_at", "ended_at", "paused_at")
    _age(store, 100, "started_at")
    store.change("iris", budget={"trials": 5})
    extended = store.study("iris")
    assert extended.paused_at is None
    assert extended.paused_seconds == pytest.approx(900, abs=5)


def test_a_worker_hears_of_more_time_before_it_ends_the_study(store: Store, folder: Path) -> None:
    _begun(store, folder, 1, timeout_seconds=60)
    book = ledger(store, folder, "iris")
    store.change("iris", budget={"timeout_seconds": 1000})
    _age(store, 100, "started_at")
    assert len(book.claim(1)) == 1
    _age(store, 1000, "started_at")
    assert book.claim(1) == []
    assert store.study("iris").reason == "budget.timeout_seconds of 1000 ran out"


def test_seconds_left_are_estimated_without_the_time_between(store: Store, folder: Path) -> None:
    _begun(store, folder, 4)
    _age(store, 5000, "started_at", "ended_at")
    _age(store, 100, "started_at")
    store.change("iris", budget={"trials": 8})
    left = one_study_view(store, store.study("iris")).overall.seconds_left
    assert left == pytest.approx(100, abs=5)


# Refusals, and what is published


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"trials": 3}, r"budget\.trials: the study has 4 trials already"),
        ({"trials": 8, "timeout_seconds": 5}, r"budget\.timeout_seconds: the study has no limit already"),
        ({"trials": 100_001}, r"budget\.trials: .*less than or equal to 100000"),
    ],
)
def test_a_budget_only_grows(store: Store, folder: Path, changes: dict[str, Any], match: str) -> None:
    _begun(store, folder, 4)
    with pytest.raises(InvalidSpecError, match=match):
        store.change("iris", priority=7, budget=changes)
    assert (unchanged := store.study("iris")).state == "completed"
    assert unchanged.priority == 0


def test_a_part_of_a_comparison_and_a_full_service_refuse(store: Store, folder: Path) -> None:
    store.create_study(parse(compared_document()))
    with pytest.raises(ConflictError, match="part of a comparison"):
        store.change("iris: l1", budget={"trials": 99})
    store.create_study(study("other", trials=1))
    sweep_here(store, folder, "other")
    with pytest.raises(ConflictError, match="REGSWEEP_MAX_ACTIVE_STUDIES allows 1"):
        store.change("other", budget={"trials": 2}, max_active=1)
    assert store.study("other").state == "completed"


def test_the_same_number_again_changes_nothing(store: Store, folder: Path) -> None:
    _begun(store, folder, 4)
    first = store.change("iris", budget={"trials": 6}).etag
    assert store.change("iris", budget={"trials": 6}).etag == first
    sweep_here(store, folder, "iris")
    ended = store.study("iris")
    assert store.change("iris", budget={"trials": 6}).etag == ended.etag
    assert store.study("iris").state == "completed"


def test_the_report_is_made_and_published_anew_and_the_comparison_stands(store: Store, folder: Path) -> None:
    store.create_study(parse(compared_document()))
    work(store, folder)
    compared = one_study_view(store, store.study("iris"))
    reports = Reports(store, Artifacts(f"file://{folder}"))
    before = reports.version("iris", "json")
    reader = store.study("iris")
    assert before.etag is not None
    store.change("iris", budget={"trials": 6})
    WorkerStore(store).set_published(reader)  # of one who read it before
    assert store.study("iris").published is None
    assert reports.version("iris", "json").etag is None
    sweep_as_worker(store, folder, "iris")
    after = reports.version("iris", "json")
    assert after.etag not in (None, before.etag)
    assert (claimed_study := WorkerStore(store).claim_unpublished("iris")) is not None
    assert claimed_study.name == "iris"
    again = one_study_view(store, store.study("iris"))
    assert compared.comparison is not None
    assert again.comparison == compared.comparison
    assert again.overall.trials == compared.overall.trials + 2
    assert _wrong(store, folder) == []


# REST


def test_rest_extends_under_if_match_and_within_the_limits(tmp_path: Path, url: str, backend: str) -> None:
    settings = settings_in(tmp_path, url).model_copy(update={"max_trials": 50})
    with served(settings) as api:
        api.post("/v1/studies", json=document()).raise_for_status()
        seen = api.get(IRIS).headers["etag"]
        changed = api.patch(IRIS, json={"budget": {"trials": 9}, "priority": 2}, headers={"If-Match": seen})
        assert changed.status_code == 200
        assert (changed.json()["progress"]["trials"], changed.json()["priority"]) == (9, 2)
        assert changed.json()["spec"]["budget"]["trials"] == 9
        assert changed.headers["etag"] != seen
        stale = api.patch(IRIS, json={"budget": {"trials": 10}}, headers={"If-Match": seen})
        assert stale.status_code == 412
        for body, field in (
            ({"budget": {"trials": 51}}, "budget.trials"),
            ({"budget": {"trials": 3}}, "budget.trials"),
            ({"budget": {"trials": "9"}}, "budget.trials"),
            ({"budget": {"trials": None}}, "budget.trials"),
            ({"budget": {}}, "budget.trials"),
            ({"budget": None}, "budget"),
            ({"budget": {"epochs": 9}}, "budget.epochs"),
        ):
            refused = api.patch(IRIS, json=body)
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field), refused.text
        assert api.patch("/v1/studies/none", json={"budget": {"trials": 9}}).status_code == 404


def test_a_study_whose_data_is_gone_is_not_extended(api: httpx.Client, store: Store, tmp_path: Path) -> None:
    rows = "x,y\n" + "".join(f"{n},{n % 2}\n" for n in range(40))
    files = {"file": ("rows.csv", rows.encode())}
    uploaded = api.post("/v1/datasets", files=files, data={"name": "rows", "target": "y"})
    assert uploaded.is_success, uploaded.text
    api.post("/v1/studies", json=document(dataset={"kind": "uploaded", "name": "rows"})).raise_for_status()
    for file in (tmp_path / "artifacts" / "datasets").iterdir():
        file.unlink()
    refused = api.patch(IRIS, json={"budget": {"trials": 9}})
    assert (refused.status_code, refused.json()["detail"]) == (
        409, "the file of the dataset 'rows' is gone, so no trial can run; upload it again",
    )  # fmt: skip
    assert store.study("iris").parsed_spec.budget.trials == 4
