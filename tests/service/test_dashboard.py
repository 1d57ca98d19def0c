"""Optuna's dashboard on the same port: it reads, and writes only when told that it may."""

from __future__ import annotations

from pathlib import Path

import httpx

from service.storage.store import Store
from tests.service.conftest import served, settings_in
from tests.service.contenders import sweep_here
from tests.service.documents import document


def _ran(api: httpx.Client, folder: Path, name: str, trials: int) -> str:
    """A study with all its trials run; the dashboard's path to its data."""
    created = api.post("/v1/studies", json=document(name, trials)).json()
    store = Store(f"sqlite:///{folder / 'regsweep.db'}")
    sweep_here(store, folder / "artifacts", name)
    store.close()
    path: str = created["dashboard"]
    return path.replace("/dashboard/", "/api/")


def test_the_dashboard_answers_while_the_tables_of_a_new_database_are_made(tmp_path: Path) -> None:
    import a2wsgi  # noqa: F401  # loaded before, so that the first request comes at once
    import optuna_dashboard  # noqa: F401

    with served(settings_in(tmp_path)) as api:
        assert api.get("/api/studies").json() == {"study_summaries": []}
        assert api.post("/v1/studies", json=document()).status_code == 201


def test_the_dashboard_stands_at_its_path(api: httpx.Client) -> None:
    page = api.get("/dashboard/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")


def test_the_dashboard_shows_trials_with_their_curves_and_metric_names(api: httpx.Client, tmp_path: Path) -> None:
    path = _ran(api, tmp_path, "iris", 3)
    assert [study["study_name"] for study in api.get("/api/studies").json()["study_summaries"]] == ["iris"]
    study = api.get(path).json()
    assert study["objective_names"] == ["val_loss"]
    assert [trial["state"] for trial in study["trials"]] == ["Complete"] * 3
    assert all(trial["intermediate_values"] and trial["params"] for trial in study["trials"])


def test_the_dashboard_forgets_a_deleted_study(api: httpx.Client, tmp_path: Path) -> None:
    path = _ran(api, tmp_path, "first", 3)
    assert len(api.get(path).json()["trials"]) == 3
    api.delete("/v1/studies/first")
    again = _ran(api, tmp_path, "second", 1)
    shown = api.get(again).json()
    assert (shown["name"], len(shown["trials"])) == ("second", 1)


def test_the_dashboard_may_not_write(api: httpx.Client) -> None:
    for method, path in (("POST", "/api/studies"), ("DELETE", "/api/studies/1"), ("PUT", "/api/studies/1/note")):
        refused = api.request(method, path, json={"study_name": "x", "directions": ["minimize"]})
        assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
        assert "REGSWEEP_DASHBOARD_WRITES" in refused.json()["detail"]
    assert api.get("/api/studies").json()["study_summaries"] == []


def test_the_dashboard_writes_when_it_may(tmp_path: Path) -> None:
    with served(settings_in(tmp_path, dashboard_writes=True)) as api:
        written = api.post("/api/studies", json={"study_name": "by hand", "directions": ["minimize"]})
        assert written.status_code == 201
        assert [study["study_name"] for study in api.get("/api/studies").json()["study_summaries"]] == ["by hand"]
