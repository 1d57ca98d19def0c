"""Optuna's dashboard on the same port: it reads, and writes only when told that it may."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import optuna
import optuna_dashboard
import pytest

from service.scopes import READS, needed_scope
from service.storage.artifacts import Artifacts
from service.storage.store import Store
from service.views.trials import trial_view
from service.worker.publishing import publish
from tests.service.comparing import CONFIRMATION, PARTS, compared_document, work
from tests.service.conftest import served, settings_in
from tests.service.contenders import sweep_here
from tests.service.documents import document, study
from tests.service.ledgers import shown


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


# Paths


def _bundle_paths() -> set[str]:
    """Every path that the installed JavaScript makes: its API client's, and other literals that begin with a folder."""
    [bundle] = (Path(optuna_dashboard.__file__).parent / "public").glob("bundle.js")
    text = bundle.read_text(encoding="utf-8")
    templates = re.findall(r"`\$\{this\.baseURL\}(/[^`]*)`", text) + re.findall(r"(?<!\+)`(/[a-z-]+/[^`\s]*)`", text)
    return {re.sub(r"\$\{[^}]*\}", "1", template).partition("?")[0] for template in templates}


def _app_routes() -> Iterator[tuple[str, str]]:
    """Every method and path that the installed dashboard answers."""
    app: Any = optuna_dashboard.wsgi(optuna.storages.InMemoryStorage())
    for route in app.routes:
        rule = route.rule.replace("<filename:path>", "bundle.js")
        yield route.method, re.sub(r"<[^>]*>", "1", rule) if "dashboard" not in rule else "/dashboard/1"


CALLS = sorted({*_app_routes(), *(("GET", path) for path in _bundle_paths())} - {("GET", "/")})


def test_the_walk_sees_what_the_dashboard_calls() -> None:
    assert {"/api/meta", "/api/studies/1/rename", "/csv/1", "/artifacts/1/1/1"} <= _bundle_paths()
    assert {("GET", "/csv/1"), ("POST", "/api/studies"), ("GET", "/static/bundle.js"), ("GET", "/dashboard/1")} <= set(
        CALLS
    )


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_path_of_the_dashboard_reaches_it_or_is_refused_as_a_write(
    shared_api: httpx.Client, method: str, path: str
) -> None:
    answer = shared_api.request(method, path, json={} if method not in READS else None)
    ours = answer.headers["content-type"] == "application/problem+json"
    if method in READS:
        assert answer.status_code in ({405, 404} if ours else {200, 302}), answer.text
        assert "there is nothing at" not in answer.text
        assert needed_scope(method, path) == "read"
    else:
        assert (ours, answer.status_code, needed_scope(method, path)) == (True, 403, "admin")
        # Where the dashboard shows a reason, it reads `reason`.
        assert "REGSWEEP_DASHBOARD_WRITES" in answer.json()["detail"] == answer.json()["reason"]


def test_what_is_no_path_of_the_dashboard_does_not_reach_it(shared_api: httpx.Client) -> None:
    for path in ("/apis", "/csvs/1", "/nothing"):
        assert "there is nothing at" in shared_api.get(path).json()["detail"]


def test_the_csv_button_gives_every_trial(api: httpx.Client, tmp_path: Path) -> None:
    path = _ran(api, tmp_path, "my iris", 3)
    table = api.get(path.replace("/api/studies/", "/csv/"))
    assert table.headers["content-disposition"] == "attachment; filename=my-iris.csv"
    rows = list(csv.DictReader(table.text.splitlines()))
    ours = api.get("/v1/studies/my%20iris/trials").json()["items"]
    accuracies = [trial["metrics"]["val_accuracy"] for trial in ours]
    assert [float(row["UserAttribute val_accuracy"]) for row in rows] == accuracies


# What a trial and a study show


def test_a_trial_shows_its_metrics_and_which_of_its_params_have_no_effect(store: Store, folder: Path) -> None:
    store.create_study(study(trials=6))
    sweep_here(store, folder, "iris")
    regularizers = set()
    for their in shown(store):
        view, attributes = trial_view(store.trial("iris", their.number)), their.user_attrs
        no_effect = sorted(name for name in their.params if view.params[name] is None)
        assert attributes.pop("no_effect", "") == ", ".join(no_effect)
        assert attributes == {
            "val_accuracy": view.metrics["val_accuracy"],
            "gap": view.metrics["gap"],
            "zero_share": view.weights["zero_share"],
            "epochs": view.epochs,
            "best_epoch": view.best_epoch,
        }
        regularizers.add(view.params["regularizer"])
    assert {"none", "elastic_net"} <= regularizers


def test_a_study_shows_the_params_that_none_of_its_trials_vary(api: httpx.Client) -> None:
    space = {"regularizer": "l1", "lambda": 0.01, "l1_ratio": 0.5, "patience": None, "dropout": [0.0, 0.1]}
    path = api.post("/v1/studies", json=document(space=space)).json()["dashboard"].replace("/dashboard/", "/api/")
    fixed = {attribute["key"]: attribute["value"] for attribute in api.get(path).json()["user_attrs"]}
    # No l1_ratio, which only elastic net has.
    assert fixed == {"regularizer": "l1", "lambda": "0.01", "learning_rate": "0.001", "batch_size": "32"}


# Comparisons


@pytest.fixture
def compared(api: httpx.Client, store: Store, folder: Path) -> httpx.Client:
    """A service with a study whose comparison has ended and is published."""
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    work(store, folder)
    publish(store, Artifacts(f"file://{folder}"), store.study("iris"))
    return api


def _path(api: httpx.Client) -> str:
    return str(api.get("/v1/studies/iris").json()["dashboard"]).replace("/dashboard/", "/api/")


def test_the_list_leaves_out_the_parts_of_a_comparison_and_the_note_links_to_them(
    compared: httpx.Client, store: Store
) -> None:
    store.optuna.create_new_study([optuna.study.StudyDirection.MINIMIZE], "iris: by hand")
    listed = [each["study_name"] for each in compared.get("/api/studies").json()["study_summaries"]]
    assert listed == ["iris", "iris: by hand"]
    note = compared.get(_path(compared)).json()["note"]["body"]
    parts = compared.get("/v1/studies/iris/comparison").json()["parts"]
    assert [part["name"] for part in parts] == [*PARTS, CONFIRMATION]
    for part in parts:
        assert f"]({part['dashboard']})" in note
        page = compared.get(part["dashboard"].replace("/dashboard/", "/api/")).json()
        assert page["name"] == part["name"]
        assert {"key": "part_of", "value": "iris"} in page["user_attrs"]


def test_a_planned_trial_shows_the_params_that_the_api_shows(compared: httpx.Client, store: Store) -> None:
    for their in shown(store, CONFIRMATION):
        ours = trial_view(store.trial(CONFIRMATION, their.number)).params
        params = {name: value for name, value in ours.items() if value is not None}
        assert params
        assert params.items() <= their.user_attrs.items()


def test_our_figures_have_titles_fit_their_box_and_repeat_none_of_the_dashboards(
    compared: httpx.Client, store: Store, folder: Path
) -> None:
    def figures() -> dict[str, Any]:
        attached = compared.get(_path(compared)).json()["plotly_graph_objects"]
        layouts = [json.loads(each["graph_object"])["layout"] for each in attached]
        assert {layout["height"] for layout in layouts} == {450}  # the dashboard's box cuts off what is higher
        return {re.sub("</?b>", "", layout["title"]["text"]): layout for layout in layouts}

    titles = figures().keys()
    assert {"Techniques compared", "Dropout against the objective"} <= titles
    assert not titles & {"Importance of the hyperparameters", "Optimization history", "Pareto front"}
    # Of a study alone the dashboard's slices show the same, and what was attached before goes.
    compared.delete("/v1/studies/iris/comparison").raise_for_status()
    publish(store, Artifacts(f"file://{folder}"), store.study("iris"))
    assert not {title for title in figures() if title.startswith(("Techniques", "Dropout", "Patience"))}


def test_a_note_of_a_user_stays_with_our_lines_below_it(store: Store, folder: Path) -> None:
    store.create_study(study())
    sweep_here(store, folder, "iris")
    of_optuna = optuna.load_study(study_name="iris", storage=store.optuna)
    optuna_dashboard.save_note(of_optuna, "ours, as always")
    link = "[The whole report, with every figure]({}/v1/studies/iris/report)"

    def published(root_path: str = "") -> str:
        publish(store, Artifacts(f"file://{folder}"), store.study("iris"), root_path)
        return str(optuna_dashboard.get_note(of_optuna))

    assert published() == f"ours, as always\n\n{link.format('')}"
    optuna_dashboard.save_note(of_optuna, f"{published()}\n\nand more")
    assert published("/under") == f"ours, as always\n\n{link.format('/under')}\n\nand more"
    optuna_dashboard.save_note(of_optuna, "without yours")
    assert published() == "without yours"
    optuna_dashboard.save_note(of_optuna, "")
    assert published() == published() == link.format("")


# Writes


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
