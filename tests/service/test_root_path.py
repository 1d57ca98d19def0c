"""A server under a root path answers as it does without one, however a proxy passes requests on."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from service.scopes import SCOPES
from service.storage.keys import KeyStore
from service.storage.store import Store
from tests.service.conftest import served, settings_in
from tests.service.documents import document

ROOT = "/regsweep"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service under a root path, asked with the highest key."""
    settings = settings_in(tmp_path_factory.mktemp("root")).model_copy(update={"root_path": ROOT})
    store = Store(settings.database_url)
    keys = {scope: KeyStore(store).create(scope, scope).text for scope in SCOPES}
    store.close()
    with served(settings) as client:
        client.headers["Authorization"] = f"Bearer {keys['admin']}"
        client.post("/v1/studies", json=document("mine")).raise_for_status()
        client.headers["read"] = f"Bearer {keys['read']}"
        yield client


@pytest.mark.parametrize(
    "path", ["/", "/v1/studies", "/studies/mine", "/docs", "/dashboard", "/api/studies", "/openapi.json", "/nothing"]
)
def test_a_proxy_may_pass_the_prefix_on_or_take_it_off(api: httpx.Client, path: str) -> None:
    kept, taken_off = (api.get(asked, headers={"X-Request-ID": "1"}) for asked in (ROOT + path, path))
    assert (kept.status_code, kept.text) == (taken_off.status_code, taken_off.text)
    assert kept.status_code == (404 if path == "/nothing" else 200)


def test_the_prefix_alone_is_the_first_page_and_a_longer_word_is_none(api: httpx.Client) -> None:
    assert api.get(ROOT).text == api.get("/").text
    assert api.get(f"{ROOT}s/v1/studies").status_code == 404


@pytest.mark.parametrize(
    "path", ["/v1/studies/mine", "/v1/studies/mine/", f"{ROOT}/v1/studies/mine", "//v1/studies/mine"]
)
def test_the_prefix_opens_nothing(api: httpx.Client, path: str) -> None:
    headers = {"Authorization": api.headers["read"]}
    assert api.delete(ROOT + path, headers=headers).status_code == 403
    assert api.get("/v1/studies/mine").status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", None])
def test_the_files_of_the_dashboard_come_however_they_are_asked_for(api: httpx.Client, encoding: str | None) -> None:
    headers = {} if encoding is None else {"Accept-Encoding": encoding}
    for path in ("/static/bundle.js", "/favicon.ico"):
        request = api.build_request("GET", ROOT + path, headers=headers)
        if encoding is None:
            del request.headers["Accept-Encoding"]
        found = api.send(request)
        assert (found.status_code, found.headers.get("content-encoding")) == (200, encoding)
        assert api.get(path, headers={"If-None-Match": found.headers["etag"]}).status_code == 304
    assert api.get("/static/nothing").status_code == 404
    assert api.get("/static/../index.html").status_code == 404


@pytest.mark.parametrize("page", ["/", "/studies/mine", "/new", "/docs", "/redoc", "/sessions", "/login"])
def test_a_page_leads_nowhere_outside_of_the_prefix(api: httpx.Client, page: str) -> None:
    asked = api.get(page, headers={"Accept": "text/html"})
    assert asked.status_code == 200
    leads = re.findall(r'(?:href|src|action)="(/[^"]*)"', asked.text)
    assert [lead for lead in leads if not lead.startswith(f"{ROOT}/")] == []
    for script in re.findall(r'<script type="module" src="([^"]+)"', asked.text):
        assert re.findall(r"""(?<!at\()["'`]/openapi""", api.get(script).text) == []


def test_the_dashboard_asks_for_nothing_outside_of_the_prefix(api: httpx.Client) -> None:
    assert f'src="{ROOT}/static/bundle.js"' in api.get("/dashboard").text
    script = api.get("/static/bundle.js").text
    for address in ("/api/", "/csv/", "/artifacts/"):
        assert f"`{address}" not in script
        assert f"{ROOT}{address}" in script
    assert 'url_prefix:"/dashboard"' not in script
    assert api.get("/api/meta").json()["jupyterlab_extension_context"] == {"base_url": ROOT}
