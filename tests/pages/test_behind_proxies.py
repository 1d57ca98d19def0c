"""Everything works under a path of a host with TLS, behind nginx and Caddy as docker/ has them."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from regsweep import Client
from service.scopes import SCOPES
from service.storage.keys import KeyStore
from service.storage.store import Store
from tests.pages.conftest import looking
from tests.pages.filling import fill
from tests.pages.proxies import certificate, proxied
from tests.service.conftest import served, settings_in
from tests.service.documents import document

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.xdist_group("behind proxies")
_ROOT = "/regsweep"
_LINK = re.compile(r"""(?:href|src|action)=["']([^"']+)""")


@dataclass
class Site:
    """A server as its users see it."""

    url: str
    key: str
    certificate: Path

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        context = ssl.create_default_context(cafile=self.certificate)
        return httpx.Client(base_url=self.url, headers=headers, verify=context, timeout=30)


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    settings = settings_in(folder).model_copy(update={"root_path": _ROOT, "trusted_proxies": ("127.0.0.1",)})
    store = Store(settings.database_url)
    key = KeyStore(store).create("me", SCOPES[-1]).text
    made = certificate(folder)
    with served(settings) as api, proxied(request.param, folder, urlsplit(str(api.base_url)).port or 0) as url:
        api.headers["Authorization"] = f"Bearer {key}"
        fill(api, store, folder / "artifacts", "iris compared", 6)
        yield Site(url, key, made)
    store.close()


def test_programs_are_led_to_paths_under_the_prefix(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with site.client(site.key) as api:
        submitted = api.post("/v1/studies", json=document("a new one"))
        assert submitted.headers["location"] == f"{_ROOT}/v1/studies/a%20new%20one"
        assert api.get(submitted.headers["location"].removeprefix(_ROOT)).json()["name"] == "a new one"
        moved = api.get("/v1/studies/")
        assert (moved.status_code, moved.headers["location"]) == (307, f"{site.url}/v1/studies")
        assert api.get("/openapi.json").json()["servers"] == [{"url": _ROOT}]
        assert api.post("/v1/studies", content=bytes(11_000_000)).status_code == 413
    monkeypatch.setenv("SSL_CERT_FILE", str(site.certificate))
    with Client(site.url, site.key) as client:
        assert {study.name for study in client.studies()} >= {"iris compared", "a new one"}


def test_events_come_as_they_are_sent(site: Site) -> None:
    with site.client(site.key) as api, api.stream("GET", "/v1/studies/a new one/events") as events:
        first = next(line for line in events.iter_lines() if line.startswith("event:"))
        assert first == "event: study"  # of a stream that goes on: the study waits for a worker


def test_nobody_needs_no_key_because_the_proxy_is_on_the_same_machine(site: Site) -> None:
    with site.client() as anyone:
        assert anyone.get("/v1/studies").status_code == 401
        assert anyone.get("/v1/studies", headers={"Host": "localhost"}).status_code == 401
        sent = anyone.get("/studies/iris compared", headers={"Accept": "text/html"})
        assert sent.headers["location"] == f"{_ROOT}/login?next=%2Fstudies%2Firis%20compared"
        logged_in = anyone.post("/login", data={"key": site.key, "next": "/docs"})
        assert logged_in.headers["location"] == f"{_ROOT}/docs"
        cookie = logged_in.headers["set-cookie"].lower()
        assert f"path={_ROOT};" in cookie
        assert "secure" in cookie


def test_a_browser_is_never_led_outside_of_the_prefix(site: Site, browser: Browser) -> None:
    with looking(browser, site.url, ignore_https_errors=True) as look:
        page = look.go("/studies/iris compared")
        page.fill("[name=key]", site.key)
        page.click("button.primary")
        page.wait_for_url(f"{site.url}/studies/iris%20compared")
        page.locator("#plot-history .main-svg").first.wait_for()
        page.get_by_text("Keras code").click()
        page.get_by_text("import keras").wait_for()
        page.get_by_role("link", name="Studies", exact=True).first.click()
        page.get_by_role("link", name="New study").first.click()
        page.get_by_label("a known one").or_(page.locator("#known")).first.wait_for(state="attached")
        page.get_by_role("link", name="API").click()
        page.locator(".opblock").first.wait_for()
        page.get_by_role("link", name="Optuna dashboard").click()
        page.get_by_text("iris compared").first.click()
        page.get_by_text("The whole report").or_(page.get_by_text("Hyperparameter Importance")).first.wait_for()
        assert page.url.startswith(f"{site.url}/dashboard/studies/")
        page.goto(f"{site.url}/")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url(f"{site.url}/login")


def test_no_link_of_a_page_leads_outside_of_the_prefix(site: Site) -> None:
    found: list[str] = []
    with site.client() as api:
        api.post("/login", data={"key": site.key})
        for path in (
            "/",
            "/new",
            "/docs",
            "/login",
            "/sessions",
            "/studies/iris compared",
            "/studies/iris compared/trials/0",
        ):
            found += _LINK.findall(api.get(path, headers={"Accept": "text/html"}).text)
        report = "/v1/studies/iris compared/report"
        found += _LINK.findall(api.get(report).text)
    assert len(found) > 50
    assert [link for link in found if link.startswith("/") and not link.startswith(f"{_ROOT}/")] == []
