"""Every route × every kind of key in one table, written by hand: a route that is not in it fails until it is.

The columns: no key; keys of the scopes read, submit and admin for all projects; keys of the scopes submit and admin
that are limited to another project than that of the study `secret` and the dataset `rows`. Each request is one that
succeeds with the right key, on objects of its own where it would change or end them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import optuna
import optuna_dashboard
import pytest
from optuna.study import StudyDirection

from service.api.app import create_app
from service.scopes import SCOPES
from service.storage.keys import KeyStore
from service.storage.projects import ProjectStore
from service.storage.store import Store
from tests.acceptance.polling import eventually
from tests.service.comparing import train
from tests.service.conftest import served, settings_in
from tests.service.documents import document
from tests.service.ledgers import optunas
from tests.service.test_keys import bearer, leaves
from tests.service.working import working

pytestmark = [
    pytest.mark.xdist_group("route table"),  # one server for all
    pytest.mark.filterwarnings("ignore:Target and region quantiles"),  # of the dashboard, about two trials
]

COLUMNS = ("none", *SCOPES, "other submit", "other admin")
TABLE = """
GET    /                                                     401 200 200 200 200 200
POST   /api/artifacts/{study_id}                             401 403 403 403 403 403
DELETE /api/artifacts/{study_id}/{artifact_id}               401 403 403 403 403 403
POST   /api/artifacts/{study_id}/{trial_id}                  401 403 403 403 403 403
DELETE /api/artifacts/{study_id}/{trial_id}/{artifact_id}    401 403 403 403 403 403
POST   /api/llm/generate_plotly_graph_query                  401 403 403 403 403 403
POST   /api/llm/re_generate_plotly_graph_query               401 403 403 403 403 403
POST   /api/llm/trial_filter_query                           401 403 403 403 403 403
GET    /api/meta                                             401 200 200 200 403 403
GET    /api/studies                                          401 200 200 200 403 403
POST   /api/studies                                          401 403 403 201 403 403
DELETE /api/studies/{study_id}                               401 403 403 204 403 403
GET    /api/studies/{study_id}                               401 200 200 200 403 403
PUT    /api/studies/{study_id}/note                          401 403 403 204 403 403
GET    /api/studies/{study_id}/param_importances             401 200 200 200 403 403
GET    /api/studies/{study_id}/plot/{plot_type}              401 200 200 200 403 403
POST   /api/studies/{study_id}/preference                    401 403 403 204 403 403
DELETE /api/studies/{study_id}/preference/{history_id}       401 403 403 404 403 403
POST   /api/studies/{study_id}/preference/{history_id}       401 403 403 404 403 403
PUT    /api/studies/{study_id}/preference_feedback_component 401 403 403 204 403 403
POST   /api/studies/{study_id}/rename                        401 403 403 201 403 403
PUT    /api/studies/{study_id}/{trial_id}/note               401 403 403 204 403 403
POST   /api/studies/{study_id}/{trial_id}/skip               401 403 403 204 403 403
POST   /api/trials/{trial_id}/tell                           401 403 403 204 403 403
POST   /api/trials/{trial_id}/user-attrs                     401 403 403 204 403 403
GET    /artifacts/{study_id}/{artifact_id}                   401 404 404 404 403 403
GET    /artifacts/{study_id}/{trial_id}/{artifact_id}        401 404 404 404 403 403
GET    /assets/{version}/{name}                              200 200 200 200 200 200
GET    /csv/{study_id}                                       401 200 200 200 403 403
GET    /dashboard                                            401 200 200 200 403 403
GET    /docs                                                 401 200 200 200 200 200
GET    /favicon.ico                                          401 200 200 200 403 403
GET    /healthz                                              200 200 200 200 200 200
GET    /incompatible-rdb-schema                              401 302 302 302 403 403
POST   /incompatible-rdb-schema                              401 403 403 405 403 403
GET    /login                                                200 200 200 200 200 200
POST   /login                                                401 303 303 303 303 303
POST   /logout                                               303 303 303 303 303 303
GET    /metrics                                              401 200 200 200 403 403
GET    /new                                                  401 403 200 200 200 200
GET    /openapi.json                                         401 200 200 200 200 200
GET    /readyz                                               200 200 200 200 200 200
GET    /redoc                                                401 200 200 200 200 200
GET    /sessions                                             401 200 200 200 200 200
GET    /static/{filename}                                    401 200 200 200 403 403
GET    /studies/{name}                                       401 200 200 200 404 404
GET    /studies/{name}/points                                401 200 200 200 404 404
GET    /studies/{name}/predict                               401 403 200 200 404 404
GET    /studies/{name}/trials/{number}                       401 200 200 200 404 404
GET    /v1/datasets                                          401 200 200 200 200 200
POST   /v1/datasets                                          401 403 201 201 201 201
POST   /v1/datasets/profile                                  401 403 200 200 200 200
DELETE /v1/datasets/{name}                                   401 403 403 204 403 404
GET    /v1/datasets/{name}                                   401 200 200 200 404 404
GET    /v1/datasets/{name}/file                              401 200 200 200 404 404
GET    /v1/datasets/{name}/preview                           401 200 200 200 404 404
GET    /v1/datasets/{name}/versions                          401 200 200 200 404 404
POST   /v1/models/read                                       401 403 200 200 200 200
GET    /v1/projects                                          401 200 200 200 200 200
POST   /v1/projects                                          401 403 403 201 403 403
DELETE /v1/projects/{name}                                   401 403 403 204 403 404
GET    /v1/projects/{name}                                   401 200 200 200 404 404
PATCH  /v1/projects/{name}                                   401 403 403 200 403 404
GET    /v1/schema                                            401 200 200 200 200 200
DELETE /v1/sessions                                          401 204 204 204 204 204
GET    /v1/sessions                                          401 200 200 200 200 200
DELETE /v1/sessions/{session_id}                             401 204 204 204 204 204
GET    /v1/studies                                           401 200 200 200 200 200
POST   /v1/studies                                           401 403 201 201 201 201
POST   /v1/studies/check                                     401 403 200 200 200 200
DELETE /v1/studies/{name}                                    401 403 403 204 403 404
GET    /v1/studies/{name}                                    401 200 200 200 404 404
PATCH  /v1/studies/{name}                                    401 403 200 200 404 404
GET    /v1/studies/{name}/best                               401 200 200 200 404 404
GET    /v1/studies/{name}/changes                            401 200 200 200 404 404
DELETE /v1/studies/{name}/comparison                         401 403 403 204 403 404
GET    /v1/studies/{name}/comparison                         401 200 200 200 404 404
POST   /v1/studies/{name}/comparison                         401 403 202 202 404 404
GET    /v1/studies/{name}/comparison/export                  401 200 200 200 404 404
GET    /v1/studies/{name}/comparison/model                   401 200 200 200 404 404
POST   /v1/studies/{name}/comparison/stop                    401 403 200 200 404 404
GET    /v1/studies/{name}/events                             401 200 200 200 404 404
GET    /v1/studies/{name}/curves                             401 200 200 200 404 404
GET    /v1/studies/{name}/export                             401 200 200 200 404 404
GET    /v1/studies/{name}/model                              401 200 200 200 404 404
GET    /v1/studies/{name}/optuna.db                          401 200 200 200 404 404
POST   /v1/studies/{name}/pause                              401 403 200 200 404 404
POST   /v1/studies/{name}/predict                            401 403 422 422 422 422
GET    /v1/studies/{name}/report                             401 200 200 200 404 404
POST   /v1/studies/{name}/resume                             401 403 200 200 404 404
GET    /v1/studies/{name}/snippet                            401 200 200 200 404 404
GET    /v1/studies/{name}/split                              401 200 200 200 404 404
POST   /v1/studies/{name}/stop                               401 403 200 200 404 404
GET    /v1/studies/{name}/trials                             401 200 200 200 404 404
POST   /v1/studies/{name}/trials                             401 403 201 201 404 404
GET    /v1/studies/{name}/trials.arrow                       401 200 200 200 404 404
GET    /v1/studies/{name}/trials.csv                         401 200 200 200 404 404
GET    /v1/studies/{name}/trials.parquet                     401 200 200 200 404 404
GET    /v1/studies/{name}/trials/{number}                    401 200 200 200 404 404
GET    /v1/studies/{name}/trials/{number}/attempts           401 200 200 200 404 404
GET    /v1/studies/{name}/trials/{number}/curve              401 200 200 200 404 404
POST   /v1/studies/{name}/trials/{number}/invalidate         401 403 403 200 403 404
GET    /v1/studies/{name}/trials/{number}/weights            401 200 200 200 404 404
GET    /v1/webhooks                                          401 403 403 200 403 200
POST   /v1/webhooks                                          401 403 403 201 403 201
DELETE /v1/webhooks/{webhook_id}                             401 403 403 204 403 404
GET    /v1/webhooks/{webhook_id}                             401 403 403 200 403 404
PATCH  /v1/webhooks/{webhook_id}                             401 403 403 200 403 404
GET    /v1/webhooks/{webhook_id}/deliveries                  401 403 403 200 403 404
POST   /v1/webhooks/{webhook_id}/rotate                      401 403 403 200 403 404
POST   /v1/webhooks/{webhook_id}/test                        401 403 403 200 403 404
GET    /v1/workers                                           401 200 200 200 200 200
"""
#: Statuses of OPTIONS, which says nothing of what is there.
OPTIONS = (401, 204, 204, 204, 204, 204)
OPTIONS_OF_ADMINS = (401, 403, 403, 204, 403, 204)  # of paths that read nothing for other keys either
WITHOUT_A_KEY = {"/healthz", "/readyz", "/login", "/assets/{version}/{name}"}
#: Paths of the Optuna dashboard where no write passes.
NO_WRITES = ("/api/artifacts/", "/api/llm/", "/incompatible-rdb-schema")
VARYING_HEADERS = {"date", "x-request-id"}

ROWS = {
    (method, path): dict(zip(COLUMNS, map(int, statuses), strict=True))
    for method, path, *statuses in (line.split() for line in TABLE.strip().splitlines())
}
CSV = b"a,b,y\n" + b"".join(b"%d,%d,%d\n" % (row, row * row % 7, row % 2) for row in range(40))
FILE: dict[str, Any] = {"content": CSV, "headers": {"Content-Type": "text/csv"}}
KERAS_MODEL = (
    '{"class_name": "Sequential", "config": {"name": "s", "layers": [{"class_name": "InputLayer", "config": '
    '{"name": "rows", "batch_shape": [null, 2]}}, {"class_name": "Dense", "config": {"name": "out", "units": 2}}]}}'
)
RECEIVER = "http://127.0.0.1:1/"  # where nobody listens
_BEGIN = "POST /v1/studies/{name}/comparison"
COMPARISON = {"techniques": ["none", "l1"], "trials_per_technique": 1}
#: What a request sends beside its path: `{new}` is a name that nothing has, `{key}` that of the column.
SENT: dict[str, dict[str, Any]] = {
    "GET /readyz": {"params": {"exclude": "workers"}},
    "GET /v1/studies/{name}/comparison/export": {"params": {"technique": "none"}},
    "GET /v1/studies/{name}/curves": {"params": {"number": 0}},
    "GET /v1/studies/{name}/comparison/model": {"params": {"technique": "none"}},
    "POST /login": {"data": {"key": "{key}"}},
    "POST /v1/studies": {"json": document(None)},
    "POST /v1/studies/check": {"json": document(None)},
    "DELETE /v1/studies/{name}": {"params": {"force": "true"}},
    "PATCH /v1/studies/{name}": {"json": {"priority": 1}},
    "POST /v1/studies/{name}/trials": {"json": {"params": {}}},
    "POST /v1/studies/{name}/trials/{number}/invalidate": {"json": {"reason": "a fault"}},
    "POST /v1/studies/{name}/predict": {**FILE, "params": {"format": "unknown"}},  # a right one would load TensorFlow
    _BEGIN: {"json": COMPARISON},
    "POST /v1/datasets": {**FILE, "params": {"target": "y", "name": "{new}"}},
    "POST /v1/datasets/profile": FILE,
    "POST /v1/models/read": {"content": KERAS_MODEL, "headers": {"Content-Type": "application/json"}},
    "POST /v1/projects": {"json": {"name": "{new}"}},
    "PATCH /v1/projects/{name}": {"json": {"active_studies": 100}},
    "POST /v1/webhooks": {"json": {"url": RECEIVER}},
    "PATCH /v1/webhooks/{webhook_id}": {"json": {"enabled": True}},
    "POST /api/studies": {"json": {"study_name": "{new}", "directions": ["minimize"]}},
    "POST /api/studies/{study_id}/rename": {"json": {"study_name": "{new}"}},
    "PUT /api/studies/{study_id}/note": {"json": {"body": "x", "version": 2}},  # after that of the comparison
    "PUT /api/studies/{study_id}/{trial_id}/note": {"json": {"body": "x", "version": 1}},
    "POST /api/studies/{study_id}/preference": {"json": {"candidates": [0], "clicked": 0, "mode": "ChooseWorst"}},
    "PUT /api/studies/{study_id}/preference_feedback_component": {"json": {"output_type": "note"}},
    "POST /api/trials/{trial_id}/tell": {"json": {"state": "COMPLETE", "values": [0.5]}},
    "POST /api/trials/{trial_id}/user-attrs": {"json": {"user_attrs": {"a": 1}}},
}


def _as_template(path: str) -> str:
    """A path of the dashboard, written as ours are."""
    return re.sub(r"<(\w*)[^>]*>", lambda match: f"{{{match[1]}}}" if match[1] else "", path)


def _routes() -> list[tuple[str, str]]:
    """Methods and paths of the app and of the dashboard; HEAD is looked at where GET is."""
    ours = leaves(create_app(settings_in(Path("nowhere"))).routes)
    dashboard = optuna_dashboard.wsgi(optuna.storages.InMemoryStorage()).routes
    found = {*ours, *((route.method, _as_template(route.rule)) for route in dashboard)}
    return sorted({(method, path) for method, path in found if method != "HEAD"}, key=lambda pair: pair[::-1])


@dataclass(frozen=True, slots=True)
class Place:
    """A server, a key for each column, and what is to be found there."""

    api: httpx.Client
    store: Store
    headers: Mapping[str, dict[str, str]]
    names: Iterator[int]

    def new(self) -> str:
        """A name that nothing has."""
        return f"new-{next(self.names)}"

    def url(self, method: str, path: str, column: str, *, is_changed: bool) -> str:
        """The path about objects of the project alpha, which are there for this request alone if it changes them."""
        if path == "/assets/{version}/{name}":
            return str(re.findall(r"/assets/[^/\"]+/[^/\"]+", self.api.get("/login").text)[0])
        if "{session_id}" in path:
            return path.replace("{session_id}", str(self._login(column)))
        if "{webhook_id}" in path:
            return path.replace("{webhook_id}", self._webhook(is_new=is_changed))
        if "_id}" in path:
            return self._url_of_optunas(path, is_changed=is_changed and method in {"POST", "DELETE"})
        for prefix, make, name in (
            ("/v1/studies/", self._study, "secret"),
            ("/studies/", self._study, "secret"),
            ("/v1/datasets/", self._dataset, "rows"),
            ("/v1/projects/", self._project, "alpha"),
        ):
            if path.startswith(prefix):
                is_own = is_changed and not path.endswith(("/invalidate", "/predict"))
                path = path.replace("{name}", make(f"{method} {path}") if is_own else name)
        for part, value in (("{number}", "0"), ("{filename}", "bundle.js.LICENSE.txt"), ("{plot_type}", "slice")):
            path = path.replace(part, value)
        return path

    def _study(self, asked: str) -> str:
        """A study to which can be done what is asked."""
        name, admin = self.new(), self.headers["admin"]
        compared: dict[str, Any] = {"comparison": COMPARISON} if "/comparison" in asked and asked != _BEGIN else {}
        plain = document(name, **compared)
        self.api.post("/v1/studies", params={"project": "alpha"}, json=plain, headers=admin).raise_for_status()
        if asked.endswith("/resume"):
            self.api.post(f"/v1/studies/{name}/pause", headers=admin).raise_for_status()
        return name

    def _dataset(self, _asked: str) -> str:
        params = {"name": self.new(), "target": "y", "project": "alpha", "format": "csv"}
        self.api.post("/v1/datasets", params=params, content=CSV, headers=self.headers["admin"]).raise_for_status()
        return params["name"]

    def _project(self, _asked: str) -> str:
        name = self.new()
        self.api.post("/v1/projects", json={"name": name}, headers=self.headers["admin"]).raise_for_status()
        return name

    def _webhook(self, *, is_new: bool) -> str:
        """The id of a webhook of alpha."""
        admin = self.headers["admin"]
        if not is_new:
            for webhook in self.api.get("/v1/webhooks", headers=admin).json()["webhooks"]:
                return str(webhook["id"])
        asked = {"url": RECEIVER, "project": "alpha"}
        return str(self.api.post("/v1/webhooks", json=asked, headers=admin).raise_for_status().json()["id"])

    def _login(self, column: str) -> str:
        """The id of a new login with the column's key; of one that is not there without a key."""
        headers = self.headers[column]
        if not headers:
            return "1"
        self.api.post("/login", data={"key": headers["Authorization"].removeprefix("Bearer ")})
        return str(self.api.get("/v1/sessions", headers=headers).json()["sessions"][0]["id"])

    def _url_of_optunas(self, path: str, *, is_changed: bool) -> str:
        """A study of ours to Optuna, or one that is not ours, which alone may be changed."""
        with optunas(self.store.url) as storage:
            study_id = storage.get_study_id_from_name("secret")
            if is_changed and "/artifacts/" not in path:
                study_id = storage.create_new_study([StudyDirection.MINIMIZE], self.new())
                storage.set_study_system_attr(study_id, "preference:is_preferential", value=True)
                storage.create_new_trial(study_id, optuna.trial.create_trial(state=optuna.trial.TrialState.WAITING))
            trial_id = storage.get_all_trials(study_id)[0]._trial_id
        artifact = "00000000-0000-0000-0000-000000000000"
        values = {"study_id": study_id, "trial_id": trial_id, "artifact_id": artifact, "history_id": artifact}
        return path.format(**values, plot_type="slice")

    def ask(self, method: str, url: str, column: str, sent: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and the beginning of the body, which may be a stream that lasts."""
        self.api.cookies.clear()  # of a login before
        headers = {**self.headers[column], **sent.get("headers", {})}
        others = {key: value for key, value in sent.items() if key != "headers"}
        with self.api.stream(method, url, headers=headers, **others) as answer:
            kept = {name: value for name, value in answer.headers.items() if name not in VARYING_HEADERS}
            return answer.status_code, kept, next(answer.iter_bytes(), b"")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server whose project alpha has a dataset and a study of it that has ended, as has its comparison."""
    folder = tmp_path_factory.mktemp("table")
    settings = settings_in(folder, dashboard_writes=True).model_copy(update={"webhook_allow": "127.0.0.1"})
    store = Store(settings.database_url)
    for name in ("alpha", "beta"):
        ProjectStore(store).create(name, {})
    headers: dict[str, dict[str, str]] = {"none": {}}
    for scope in SCOPES:
        headers[scope] = bearer(KeyStore(store).create(scope, scope).text)
        other = f"other {scope}"
        headers[other] = bearer(KeyStore(store).create(other, scope, projects=["beta"]).text)
    with served(settings) as api:
        admin = headers["admin"]
        upload = {"name": "rows", "target": "y", "format": "csv", "project": "alpha"}
        api.post("/v1/datasets", params=upload, content=CSV, headers=admin).raise_for_status()
        compared = {"techniques": ["none", "l1"], "trials_per_technique": 1, "repeats": 2, "folds": 2, "racing": False}
        of_rows = document(
            "secret",
            2,
            dataset={"kind": "uploaded", "name": "rows"},
            comparison={**compared, "cocktails": False, "deliver": "split"},
        )
        api.post("/v1/studies", params={"project": "alpha"}, json=of_rows, headers=admin).raise_for_status()

        def has_ended() -> bool:
            study = api.get("/v1/studies/secret", headers=admin).json()
            comparison = api.get("/v1/studies/secret/comparison", headers=admin).json()
            return (study["state"], comparison["state"]) == ("completed", "completed")

        with working(store, folder / "artifacts", train):
            eventually(has_ended, 60)
        yield Place(api, store, headers, itertools.count())
    store.close()


def _filled(sent: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """What is sent, with values for `{new}` and `{key}`."""
    return {
        kind: {key: values.get(value, value) if isinstance(value, str) else value for key, value in fields.items()}
        if isinstance(fields, dict)
        else fields
        for kind, fields in sent.items()
    }


def test_the_table_has_every_route_and_no_other() -> None:
    assert set(ROWS) == set(_routes())


@pytest.mark.parametrize(("method", "path"), _routes())
def test_a_route_answers_each_key_as_the_table_says(place: Place, method: str, path: str) -> None:
    for column, status in ROWS[method, path].items():
        is_changed = method != "GET" and status < 300
        url = place.url(method, path, column, is_changed=is_changed)
        key = place.headers[column].get("Authorization", "Bearer rgs_none").removeprefix("Bearer ")
        sent = _filled(SENT.get(f"{method} {path}", {}), {"{new}": place.new(), "{key}": key})
        answered, headers, body = place.ask(method, url, column, sent)
        assert answered == status, (column, url, body)
        asks_for_key = headers.get("www-authenticate") == 'Bearer realm="regsweep"'
        assert asks_for_key == (column == "none" and status == 401 and path != "/login")
        if method == "GET":
            headed = place.ask("HEAD", url, column, sent)
            # Figures grow with each request, and pages tell how long ago a thing was.
            if path == "/metrics" or headers.get("content-type", "").startswith("text/html"):
                headers["content-length"] = headed[1]["content-length"] = ""
            assert headed == (answered, headers, b""), column


@pytest.mark.parametrize("path", sorted({path for _, path in _routes()}))
def test_options_tells_who_may_ask_the_methods_of_a_path(place: Place, path: str) -> None:
    methods = {method for method, other in ROWS if other == path}
    methods |= {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    if path.startswith(NO_WRITES):
        methods -= {"DELETE", "POST"}
    statuses = OPTIONS_OF_ADMINS if path.startswith("/v1/webhooks") else OPTIONS
    url = place.url("OPTIONS", path, "admin", is_changed=False)
    for column, status in zip(COLUMNS, statuses, strict=True):
        answered, headers, body = place.ask("OPTIONS", url, column, {})
        assert (answered, path) == (204 if path in WITHOUT_A_KEY else status, path)
        if answered == 204:
            assert (set(headers["allow"].split(", ")), body) == (methods, b"")
