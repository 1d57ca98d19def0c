"""Whatever another program writes into Optuna's tables, the fault stays with that study, and it can be mended."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import optuna
import pytest

from service.errors import NotFoundError
from service.storage.artifacts import Artifacts
from service.storage.findings import findings
from service.storage.invariants import violations
from service.storage.pagination import Sort
from service.storage.repair import mend
from service.storage.states import ACTIVE_STUDY, StudyState, TrialState
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from service.views.studies import one_study_view
from studies.analysis.report import as_html
from studies.datasets.preprocessing import PreparedData
from studies.errors import InvalidSpecError
from studies.training.result import Job, OnEpoch, Trained
from tests.acceptance.polling import eventually
from tests.service.commanding import run_command
from tests.service.conftest import served, settings_in
from tests.service.contenders import sweep_here
from tests.service.documents import document, study, train
from tests.service.ledgers import expire, ledger, opened, outcome, run, shown
from tests.service.meddling import (
    CHANGING,
    LOSING,
    Meddler,
    add_trials,
    delete_study,
    delete_trials,
    meddle,
    rename_study,
    tell_trials,
)
from tests.service.working import working

NUMBERS = Sort.parse("number")
TRIALS = 6
every_meddler = pytest.mark.parametrize("meddler", [*LOSING, *CHANGING], ids=lambda meddler: meddler.__name__)


def states(store: Store, name: str) -> list[TrialState]:
    return [trial.state for trial in store.trials(name, (), NUMBERS, 100, None).items]


def wrong(store: Store, folder: Path) -> list[str]:
    return violations(store, Artifacts(f"file://{folder}"))


@every_meddler
def test_the_other_study_ends_as_without_and_the_broken_one_is_mended_and_ends(
    store: Store, folder: Path, meddler: Meddler
) -> None:
    """While a worker trains it, a program breaks a study of a higher priority than the other."""
    store.create_study(study("broken", TRIALS, priority=5, sampler={"name": "tpe"}))
    store.create_study(study("other", TRIALS))
    trained = 0

    def breaking(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        nonlocal trained
        trained += 1
        if trained == 3:
            meddle(store.url, meddler, "broken")
        return train(job, data, on_epoch)

    with working(store, folder, breaking):
        eventually(lambda: store.study("other").state == StudyState.COMPLETED)
        if meddler in LOSING:
            assert store.study("broken").state in ACTIVE_STUDY
            assert "no longer in Optuna's tables" in str(one_study_view(store, store.study("broken")).problem)
            mend(store)
        eventually(lambda: store.study("broken").state not in ACTIVE_STUDY)
    assert states(store, "other") == [TrialState.COMPLETE] * TRIALS
    assert store.study("broken").state == StudyState.COMPLETED
    ours = states(store, "broken")
    assert len(ours) == TRIALS
    assert set(ours) == {TrialState.COMPLETE}
    mend(store)
    left = [what for what in wrong(store, folder) if "another program added it" not in what]
    assert left == []


@every_meddler
def test_a_lost_lease_of_another_study_is_freed(store: Store, folder: Path, meddler: Meddler) -> None:
    specs = study("broken"), study("other")
    for spec in specs:
        store.create_study(spec)
        opened(ledger(store, folder, spec.name or ""), spec)
    meddle(store.url, meddler, "broken")
    for _ in range(specs[0].budget.max_attempts):
        expire(store)
        assert WorkerStore(store).leases() == {}
        ledger(store, folder, "other", "b").claim(4)
    assert TrialState.RUNNING not in states(store, "broken")


@pytest.mark.parametrize(
    ("meddler", "ended"),
    [(meddler, False) for meddler in (*LOSING, add_trials, delete_trials)]
    + [(delete_study, True), (delete_trials, True)],
    ids=lambda given: getattr(given, "__name__", "ended" if given else "active"),
)
def test_every_request_about_it_is_answered_and_it_can_be_deleted(
    tmp_path: Path, meddler: Meddler, *, ended: bool
) -> None:
    with served(settings_in(tmp_path)) as api:
        api.post("/v1/studies", json=document("broken", 3)).raise_for_status()
        store = Store(f"sqlite:///{tmp_path / 'regsweep.db'}")
        if ended:
            sweep_here(store, tmp_path / "artifacts", "broken")
        else:
            run(ledger(store, tmp_path / "artifacts", "broken"), study("broken", 3))
        meddle(store.url, meddler, "broken")
        is_lost = meddler in LOSING
        for path in ("", "/trials", "/trials/0", "/best", "/report", "/trials.csv"):
            answer = api.get(f"/v1/studies/broken{path}")
            assert answer.status_code == 200, answer.text
        assert bool(api.get("/v1/studies/broken").json()["problem"]) == is_lost
        assert ("no longer in Optuna" in api.get("/studies/broken", headers={"Accept": "text/html"}).text) == is_lost
        assert api.get("/v1/studies").json()["items"][0]["name"] == "broken"
        if not ended:
            assert api.post("/v1/studies/broken/pause").status_code == 200
            assert api.post("/v1/studies/broken/resume").status_code == 200
            assert api.post("/v1/studies/broken/stop").status_code == 200
        else:
            assert api.patch("/v1/studies/broken", json={"budget": {"trials": 5}}).status_code == 200
        assert api.post("/v1/studies/broken/trials/0/invalidate", json={"reason": "a test"}).status_code == 200
        warm = api.post(
            "/v1/studies", json=document("warm", 3, sampler={"name": "tpe"}, warm_start={"study": "broken"})
        )
        assert warm.status_code == 422, warm.text
        taken = api.post("/v1/studies", json=document("broken", 4))
        assert (taken.status_code, taken.json()["title"]) == (409, "Name in use")
        assert api.delete("/v1/studies/broken?force=true").status_code == 204
        assert api.post("/v1/studies", json=document("broken", 3)).status_code == 201
        store.close()


def test_a_study_that_was_lost_is_mended_with_all_its_trials(store: Store, folder: Path) -> None:
    spec = study(trials=6)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    for state in ("COMPLETE", "PRUNED", "FAIL", "COMPLETE"):
        run(book, spec, 0.25, optuna.trial.TrialState[state])
    opened(book, spec)
    before = shown(store)
    meddle(store.url, delete_study, "iris")
    assert wrong(store, folder) == ["study 'iris': is not in Optuna's tables"]
    assert mend(store) == ["study 'iris': was missing from Optuna's tables and was made again there, with 5 trials"]
    assert wrong(store, folder) == []
    again = shown(store)
    for old, new in zip(before, again, strict=True):
        assert (old.number, old.state, old.values, old.distributions) == (
            new.number,
            new.state,
            new.values,
            new.distributions,
        )
        assert old.user_attrs.get("reason") == new.user_attrs.get("reason")
        took_effect = {
            name for name, value in (store.trial("iris", new.number).params or {}).items() if value is not None
        }
        names = took_effect & old.params.keys()
        assert {name: new.params[name] for name in names} == {name: old.params[name] for name in names}
        assert new.params.keys() == old.params.keys()
    assert mend(store) == []


def test_the_command_copies_the_database_says_what_it_did_and_what_is_left(
    store: Store, database: Path, folder: Path
) -> None:
    spec = study(trials=4)
    store.create_study(spec)
    store.create_study(study("lost", trials=2))
    book = ledger(store, folder, "iris")
    run(book, spec)
    opened(book, spec)
    meddle(store.url, tell_trials, "iris")
    meddle(store.url, add_trials, "iris")
    meddle(store.url, rename_study, "lost")
    urls = "--database-url", store.url, "--artifacts-url", f"file://{folder}"
    repaired = run_command("db", "check", "--repair", *urls)
    assert repaired.returncode == 1
    assert repaired.stderr.count("study.repaired") == 2
    lines = repaired.stdout.splitlines()
    copy = database.with_name("regsweep.db.before-repair.backup")
    assert lines[0] == f"the database as it was is copied to {copy}"
    assert "trial 1 is RUNNING in our tables and COMPLETE in Optuna's; Optuna's now say the same as ours" in lines[1]
    assert lines[2].startswith("study 'lost': was missing from Optuna's tables and was made again")
    assert all("another program added it" in line for line in lines[3:])
    copied = Store(f"sqlite:///{copy}")
    assert any("'lost': is not in Optuna's" in what for what in wrong(copied, folder))
    copied.close()
    answer = json.loads(run_command("db", "check", "--repair", "--json", *urls).stdout)
    assert answer["repaired"][1:] == []
    assert len(answer["violations"]) == len(lines) - 3


def test_the_command_line_shows_the_problem(store: Store, database: Path, folder: Path) -> None:
    store.create_study(study())
    meddle(store.url, delete_study, "iris")
    urls = "--database-url", store.url, "--artifacts-url", f"file://{folder}"
    told = " ".join(run_command("show", "iris", *urls).stdout.split())
    assert "Problem: this study is no longer in Optuna's tables" in told
    assert "regsweep db check --repair" in told
    assert "queued, problem" in run_command("studies", *urls).stdout


def test_a_study_that_starts_warm_from_a_lost_one_is_refused_with_the_way_out(store: Store, folder: Path) -> None:
    store.create_study(study())
    sweep_here(store, folder, "iris")
    meddle(store.url, delete_study, "iris")
    with pytest.raises(InvalidSpecError, match="no longer in Optuna's tables; `regsweep db check --repair`"):
        store.create_study(study("warm", sampler={"name": "tpe"}, warm_start={"study": "iris"}))
    assert "<html" in as_html(findings(store, store.study("iris")))


def test_a_result_replaces_what_another_program_has_told(store: Store, folder: Path) -> None:
    spec = study()
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    meddle(store.url, tell_trials, "iris")
    assert [trial.state.name for trial in book.trials()] == ["RUNNING"]
    book.close(claim, number, outcome(0.25))
    assert [(trial.state.name, trial.values) for trial in shown(store)] == [("COMPLETE", [0.25])]


def test_no_result_is_written_into_a_study_that_took_the_place_of_a_deleted_one(
    store: Store, database: Path, folder: Path
) -> None:
    spec = study()
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    meddle(store.url, LOSING[1], "iris")
    book.close(claim, number, outcome(0.25))
    assert [trial.state.name for trial in shown(store, "another")] == ["RUNNING"] * 3
    assert store.trial("iris", number).values == [0.25]
    with pytest.raises(NotFoundError):
        store.study("another")


# The dashboard


def _id(api: httpx.Client, name: str) -> int:
    studies = api.get("/api/studies").json()["study_summaries"]
    return int(next(study["study_id"] for study in studies if study["study_name"] == name))


def test_the_dashboard_changes_notes_of_our_studies_and_nothing_else(tmp_path: Path) -> None:
    with served(settings_in(tmp_path, dashboard_writes=True)) as api:
        api.post("/v1/studies", json=document("iris", 3)).raise_for_status()
        store = Store(f"sqlite:///{tmp_path / 'regsweep.db'}")
        opened(ledger(store, tmp_path / "artifacts", "iris"), study("iris", 3))
        store.close()
        ours = _id(api, "iris")
        trial = api.get(f"/api/studies/{ours}").json()["trials"][0]["trial_id"]
        refused = [
            api.post(f"/api/studies/{ours}/rename", json={"study_name": "mine"}),
            api.post(f"/api/studies/{ours}/rename/", json={"study_name": "mine"}),
            api.request("DELETE", f"/api/studies/{ours}", json={}),
            api.post(f"/api/trials/{trial}/tell", json={"state": "Fail"}),
            api.post(f"/api/trials/{trial}/user-attrs", json={"user_attrs": {"a": 1}}),
            api.post(f"/api/studies/{ours}/{trial}/skip", json={}),
            api.post(f"/api/studies/999999/{trial}/skip", json={}),
        ]
        assert [answer.status_code for answer in refused] == [403] * len(refused)
        assert all("'iris' is a study of regsweep's" in answer.json()["reason"] for answer in refused)
        unknown = api.post("/incompatible-rdb-schema", json={})
        assert (unknown.status_code, unknown.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert "DELETE" not in api.options(f"/api/studies/{ours}/note").headers["allow"]
        kept = api.post(f"/api/artifacts/{ours}", json={"file": "data:text/html;base64,PHNjcmlwdD4="})
        assert (kept.status_code, "keeps no artifacts" in kept.json()["reason"]) == (403, True)
        note = {"body": "ours, as always", "version": 1}
        assert api.put(f"/api/studies/{ours}/note", json=note).status_code == 204
        assert api.put(f"/api/studies/{ours}/{trial}/note", json=note).status_code == 204
        shown_study = api.get(f"/api/studies/{ours}").json()
        assert (shown_study["note"]["body"], shown_study["name"]) == ("ours, as always", "iris")


def test_the_dashboard_does_as_it_likes_with_studies_that_are_not_ours(tmp_path: Path) -> None:
    with served(settings_in(tmp_path, dashboard_writes=True)) as api:
        theirs = {"study_name": "theirs", "directions": ["minimize"]}
        assert api.post("/api/studies", json=theirs).status_code == 201
        renamed = api.post(f"/api/studies/{_id(api, 'theirs')}/rename", json={"study_name": "mine"})
        assert renamed.status_code == 201
        assert api.request("DELETE", f"/api/studies/{_id(api, 'mine')}", json={}).status_code == 204
        assert api.get("/api/studies").json() == {"study_summaries": []}
