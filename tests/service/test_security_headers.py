"""Headers that tell browsers what they may not do with an answer: on every route, whatever it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from service.api.app import create_app
from service.pages import assets
from service.storage.keys import KeyStore
from service.storage.store import Store
from tests.service.conftest import served, settings_in
from tests.service.documents import document
from tests.service.test_keys import ROUTES, asked, bearer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("headers")


@pytest.fixture(scope="module")
def admin(folder: Path) -> Iterator[Mapping[str, str]]:
    """The headers of a key that may do everything."""
    store = Store(settings_in(folder).database_url)
    yield bearer(KeyStore(store).create("admin", "admin").text)
    store.close()


@pytest.fixture(scope="module")
def api(folder: Path, admin: Mapping[str, str]) -> Iterator[httpx.Client]:
    """A service with a key and the study `1`, which the paths of the walk name."""
    with served(settings_in(folder, dashboard_writes=True)) as client:
        client.post("/v1/studies", json=document("1", 1), headers=admin).raise_for_status()
        yield client


def check(response: httpx.Response) -> None:
    """What holds of every answer."""
    headers = response.headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert (policy["frame-ancestors"], policy["default-src"]) in {("'none'", "'none'"), ("'none'", "'self'")}
    assert len(headers.get_list("content-security-policy")) == 1
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "strict-transport-security" not in headers
    path = response.request.url.path
    is_code = path.startswith(("/static/", "/favicon.ico"))
    expected = "private, no-cache" if is_code and response.is_success else "no-store"
    assert headers["cache-control"] == expected, path


@pytest.mark.parametrize(("method", "path"), [pair for pair in ROUTES if not pair[1].endswith("/events")])
def test_every_route_answers_with_them_with_a_key_and_without(
    api: httpx.Client, admin: Mapping[str, str], method: str, path: str
) -> None:
    accept = {"Accept": "text/html", "Accept-Encoding": "gzip"}  # the dashboard's files want one
    check(api.request(method, path))
    check(api.request(method, path, headers={**admin, "Accept-Encoding": "gzip"}))
    check(api.request(method, path, headers={**admin, **accept}))


def test_a_stream_of_events_has_them_too(api: httpx.Client, admin: Mapping[str, str]) -> None:
    with api.stream("GET", "/v1/studies/1/events", headers=dict(admin)) as response:
        check(response)


def test_an_unforeseen_error_has_them_too(tmp_path: Path) -> None:
    app = create_app(settings_in(tmp_path))

    def broken() -> None:
        raise RuntimeError("broken")

    app.add_api_route("/v1/broken", broken)
    failed = asked(app, "GET", "http://127.0.0.1/v1/broken", {}, raises=False)
    assert failed.status_code == 500
    check(failed)


def test_files_that_never_change_are_kept_by_browsers(api: httpx.Client) -> None:
    kept = api.get(f"/assets/{assets.version()}/pages.css")
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_only_over_https_a_browser_is_told_to_stay_there(tmp_path: Path) -> None:
    app = create_app(settings_in(tmp_path))
    for scheme, expected in (("http", None), ("https", "max-age=31536000")):
        answer = asked(app, "GET", f"{scheme}://127.0.0.1/healthz", {})
        assert answer.headers.get("strict-transport-security") == expected


def test_the_dashboard_keeps_its_own_policy_and_no_page_may_frame_it(
    api: httpx.Client, admin: Mapping[str, str]
) -> None:
    policy = api.get("/dashboard/", headers=dict(admin)).headers["content-security-policy"]
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert policy.endswith("; frame-ancestors 'none'")


def test_a_report_reaches_nothing_with_its_readers_login(api: httpx.Client, admin: Mapping[str, str]) -> None:
    api.post("/v1/studies", json=document("reported", 1), headers=dict(admin)).raise_for_status()
    policy = api.get("/v1/studies/reported/report", headers=dict(admin)).headers["content-security-policy"]
    assert policy.endswith("sandbox allow-scripts allow-downloads")
