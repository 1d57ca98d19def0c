"""Keys: nothing passes without the right one, on any route or mount, and what opens a server to its own machine."""

from __future__ import annotations

import asyncio
import re
import socket
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import optuna
import optuna_dashboard
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import Message

from service.api.app import create_app
from service.api.server import run
from service.errors import NoKeyError
from service.scopes import RULES, SCOPES, Scope
from service.storage.keys import KeyStore
from service.storage.store import Store
from tests.service.conftest import served, settings_in
from tests.service.documents import document


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def texts(keys: KeyStore) -> Mapping[Scope, str]:
    """A key of each scope."""
    return {scope: keys.create(f"for {scope}", scope).text for scope in SCOPES}


@pytest.fixture(scope="module")
def api(folder: Path, texts: Mapping[Scope, str]) -> Iterator[httpx.Client]:
    """A service with keys, whose dashboard may write."""
    settings = settings_in(folder, dashboard_writes=True)
    with served(settings.model_copy(update={"max_failed_keys": 10_000})) as client:
        yield client


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def leaves(routes: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Methods and paths of routes, those of included routers among them; a mount is one that takes GET."""
    for route in routes:
        if hasattr(route, "path"):
            yield from ((method, route.path) for method in getattr(route, "methods", None) or {"GET"})
        else:
            yield from leaves(route.original_router.routes)


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path of the app and of the dashboard, with an id in place of each name."""
    dashboard = optuna_dashboard.wsgi(optuna.storages.InMemoryStorage())
    found = [*leaves(app.routes), *((route.method, route.rule) for route in dashboard.routes)]
    return sorted({(method, re.sub(r"\{[^}]*\}|<[^>]*>", "1", path)) for method, path in found})


ROUTES = routes(create_app(settings_in(Path("nowhere"))))


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    return body


# What needs which key


def test_the_walk_sees_our_routes_the_documentation_and_the_dashboard() -> None:
    assert {"/healthz", "/login", "/openapi.json", "/v1/studies", "/v1/studies/1/trials/1/invalidate"} <= {
        path for _, path in ROUTES
    }
    assert {("POST", "/api/studies"), ("DELETE", "/api/studies/1"), ("GET", "/docs")} <= set(ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_that_changes_something_is_named_in_the_table(method: str, path: str) -> None:
    assert any(rule.covers(method, path) for rule in RULES), "name the scope it needs in service/scopes.py"


@pytest.mark.parametrize(
    ("method", "path", "needed", "granted"),
    [("POST", "/v1/studies", "submit", "read"), ("DELETE", "/api/studies/1", "admin", "submit")],
)
def test_a_refusal_names_the_scope_that_is_needed_and_that_of_the_key(
    api: httpx.Client, texts: Mapping[Scope, str], method: str, path: str, needed: Scope, granted: Scope
) -> None:
    response = api.request(method, path, headers=bearer(texts[granted]))
    wanted = f"needs the scope {needed}, and the key 'for {granted}' has {granted}"
    assert wanted in problem(response, 403)["detail"]
    assert f'error="insufficient_scope", scope="{needed}"' in response.headers["www-authenticate"]


@pytest.mark.parametrize("path", ["export?format=onnx", "comparison/export?technique=l1&format=keras"])
def test_a_conversion_needs_the_scope_of_a_prediction_and_the_zip_that_of_a_read(
    api: httpx.Client, texts: Mapping[Scope, str], path: str
) -> None:
    refused = api.get(f"/v1/studies/none/{path}", headers=bearer(texts["read"]))
    assert "needs the scope submit, and the key 'for read' has read" in problem(refused, 403)["detail"]
    problem(api.get(f"/v1/studies/none/{path}", headers=bearer(texts["submit"])), 404)
    problem(api.get(f"/v1/studies/none/{path.partition('format')[0]}", headers=bearer(texts["read"])), 404)


def asked(app: FastAPI, method: str, url: str, headers: Mapping[str, str], *, raises: bool = True) -> httpx.Response:
    """An answer of an app that listens nowhere; it takes the URL's host for its own address."""

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=raises)) as client:
            return await client.request(method, url, headers=dict(headers))

    return asyncio.run(ask())


def test_what_is_mounted_later_is_closed_too(folder: Path, texts: Mapping[Scope, str]) -> None:
    app = create_app(settings_in(folder))
    app.router.routes.append(Mount("/extra", PlainTextResponse("inside")))
    read, submit, admin = (bearer(texts[scope]) for scope in SCOPES)
    for method, headers, status in (("GET", {}, 401), ("GET", read, 200), ("POST", submit, 403), ("POST", admin, 200)):
        assert asked(app, method, "http://127.0.0.1/extra/page", headers).status_code == status


def test_a_websocket_is_denied_also_with_a_key(folder: Path, texts: Mapping[Scope, str]) -> None:
    app, sent = create_app(settings_in(folder)), list[Message]()

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {texts['admin']}".encode())]
    asyncio.run(app({"type": "websocket", "path": "/v1/studies", "headers": headers}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_each_scope_may_do_what_it_is_for(api: httpx.Client, texts: Mapping[Scope, str]) -> None:
    made = api.post("/v1/studies", json=document("mine"), headers=bearer(texts["submit"]))
    assert made.status_code == 201
    assert api.get("/v1/studies/mine", headers=bearer(texts["read"])).json() == made.json()
    assert api.post("/v1/studies/mine/stop", headers=bearer(texts["submit"])).json()["state"] == "stopped"
    written = api.put("/api/studies/1/note", json={"body": "x", "version": 1}, headers=bearer(texts["admin"]))
    assert written.status_code == 204, written.text
    assert api.delete("/v1/studies/mine", headers=bearer(texts["admin"])).status_code == 204


# Keys that are of no use


def test_a_key_that_is_not_one_of_ours_is_refused(api: httpx.Client, texts: Mapping[Scope, str]) -> None:
    right = texts["admin"]
    other = right[:-1] + ("0" if right[-1] != "0" else "1")
    unknown = right.replace(right[4:16], "0" * 12)
    for header in (f"Bearer {other}", f"Bearer {unknown}", "Bearer x", right, f"Basic {right}", "", "Bearer"):
        response = api.get("/v1/studies", headers={"Authorization": header})
        problem(response, 401)
        is_wrong = header not in ("", "Bearer")  # none, as of a script whose variable is not set
        assert ('error="invalid_token"' in response.headers["www-authenticate"]) == is_wrong
    assert api.get("/v1/studies", headers={"Authorization": f"bearer {right}"}).status_code == 200


def test_a_revoked_key_and_an_expired_one_are_of_no_use_from_the_next_request_on(
    api: httpx.Client, keys: KeyStore, folder: Path
) -> None:
    leaked, short = keys.create("leaked", "read"), keys.create("short", "read", seconds=3600)
    for key in (leaked, short):
        assert api.get("/v1/studies", headers=bearer(key.text)).status_code == 200
    keys.revoke(leaked.id)
    with closing(sqlite3.connect(folder / "regsweep.db")) as connection, connection:
        connection.execute("UPDATE regsweep_keys SET expires_at = created_at WHERE id = ?", [short.id])
    for key, why in ((leaked, "this key was revoked on 20"), (short, "this key expired on 20")):
        assert problem(api.get("/v1/studies", headers=bearer(key.text)), 401)["detail"].startswith(why)
        guess = key.text[:-1] + ("0" if key.text[-1] != "0" else "1")
        assert problem(api.get("/v1/studies", headers=bearer(guess)), 401)["detail"].startswith("this key is not known")


def test_the_database_has_the_digest_of_a_key_and_not_the_key(keys: KeyStore, folder: Path) -> None:
    key = keys.create("secret", "read")
    assert re.fullmatch(r"rgs_[0-9a-f]{12}_[0-9a-f]{64}", key.text)
    with closing(sqlite3.connect(folder / "regsweep.db")) as connection:
        [row] = connection.execute("SELECT * FROM regsweep_keys WHERE id = ?", [key.id])
    assert sha256(key.secret.encode()).hexdigest() in row
    assert key.secret not in map(str, row)


def test_a_key_says_when_it_was_last_used(api: httpx.Client, keys: KeyStore) -> None:
    key = keys.create("idle", "read")
    assert {one.id: one.last_used_at for one in keys.list_keys()}[key.id] is None
    api.get("/v1/studies", headers=bearer(key.text))
    used = {one.id: one.last_used_at for one in keys.list_keys()}[key.id]
    assert used is not None
    api.get("/v1/studies", headers=bearer(key.text))
    assert {one.id: one.last_used_at for one in keys.list_keys()}[key.id] == used  # a write a day, not a request


# Browsers


def logged_in(api: httpx.Client, text: str, **fields: str) -> httpx.Response:
    origin = f"http://{api.base_url.host}:{api.base_url.port}"
    response = api.post("/login", data={"key": text, **fields}, headers={"Origin": origin})
    api.cookies.clear()  # tests send it, or do not, by themselves
    return response


def cookie(response: httpx.Response) -> dict[str, str]:
    return {"Cookie": response.headers["set-cookie"].partition(";")[0]}


def test_a_server_without_a_key_asks_for_none_and_says_how_to_begin(tmp_path: Path) -> None:
    with served(settings_in(tmp_path)) as api:
        page = api.get("/login").text
        refused = logged_in(api, "rgs_no")
        here, default = api.get("/").text, api.get("/", headers={"Host": "127.0.0.1:8000"}).text
        url = str(api.base_url).rstrip("/")
    assert ("has no key and needs none" in page, "<form" in page) == (True, False)
    assert (refused.status_code, "needs none" in refused.text) == (401, True)
    assert f"<code>regsweep submit study.yaml --server {url}</code>" in here
    assert "<code>regsweep submit study.yaml</code>" in default


def test_a_browser_is_led_to_the_login_and_back(api: httpx.Client, texts: Mapping[Scope, str]) -> None:
    led = api.get("/dashboard/?a=b&c", headers={"Accept": "text/html,*/*"})
    assert (led.status_code, led.headers["location"]) == (303, "/login?next=%2Fdashboard%2F%3Fa%3Db%26c")
    page = api.get(led.headers["location"])
    assert (page.status_code, 'value="/dashboard/?a=b&amp;c"' in page.text) == (200, True)
    response = logged_in(api, texts["read"], next="/dashboard/?a=b&c")
    assert (response.status_code, response.headers["location"]) == (303, "/dashboard/?a=b&c")
    attributes = response.headers["set-cookie"].lower()
    assert all(part in attributes for part in ("httponly", "samesite=lax", "max-age=43200"))
    assert "secure" not in attributes
    for path in ("/dashboard/", "/api/studies", "/docs", "/v1/studies"):
        assert api.get(path, headers=cookie(response)).status_code == 200


def test_a_wrong_key_gets_the_page_again_and_no_cookie(api: httpx.Client) -> None:
    refused = logged_in(api, "rgs_nothing", next='"><script>')
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
    assert "This is no key." in refused.text
    assert "This key is not known." in logged_in(api, f"rgs_{'0' * 12}_{'0' * 64}").text
    assert "<script>" not in refused.text


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\nb"])
def test_a_login_leads_to_no_other_site(api: httpx.Client, texts: Mapping[Scope, str], target: str) -> None:
    assert logged_in(api, texts["read"], next=target).headers["location"] == "/"


def test_the_cookie_of_a_login_over_https_stays_there_if_the_proxy_that_says_so_is_trusted(
    api: httpx.Client, texts: Mapping[Scope, str], folder: Path
) -> None:
    def cookie_of(api: httpx.Client) -> str:
        forwarded = api.post("/login", data={"key": texts["read"]}, headers={"X-Forwarded-Proto": "https"})
        api.cookies.clear()
        return forwarded.headers["set-cookie"].lower()

    assert "; secure" not in cookie_of(api)
    for proxies, is_trusted in ((("127.0.0.0/8",), True), (("10.0.0.1",), False)):
        with served(settings_in(folder).model_copy(update={"trusted_proxies": proxies})) as behind:
            assert ("; secure" in cookie_of(behind)) == is_trusted


def test_a_cookie_dies_with_its_key_and_cannot_be_made_up(api: httpx.Client, keys: KeyStore) -> None:
    key, other = keys.create("browser", "read"), keys.create("another", "admin")
    mine, theirs = cookie(logged_in(api, key.text)), cookie(logged_in(api, other.text))
    assert api.get("/v1/studies", headers=mine).status_code == 200
    secret = mine["Cookie"].rpartition("_")[2]
    for forged in (
        f"{theirs['Cookie'].rpartition('_')[0]}_{secret}",
        f"{mine['Cookie'].rpartition('_')[0]}_{'0' * 64}",
        mine["Cookie"][:-1],
        f"regsweep_login={key.text}",
        "regsweep_login=x",
    ):
        ended = problem(api.get("/v1/studies", headers={"Cookie": forged}), 401)
        assert ended["detail"].startswith("this login has ended; ")
    keys.revoke(key.id)
    assert api.get("/v1/studies", headers=mine).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
    ],
)
def test_another_sites_page_cannot_use_the_cookie(
    api: httpx.Client, texts: Mapping[Scope, str], headers: dict[str, str], status: int
) -> None:
    mine = cookie(logged_in(api, texts["submit"]))
    response = api.post("/v1/studies", json=document(None), headers={**mine, **headers})
    assert response.status_code == status, response.text


def test_logging_out_drops_the_cookie(api: httpx.Client) -> None:
    response = api.post("/logout", headers={"Sec-Fetch-Site": "same-origin"})
    assert (response.status_code, response.headers["location"]) == (303, "/login")
    assert 'regsweep_login=""; ' in response.headers["set-cookie"]
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert response.headers["clear-site-data"] == '"cache"'  # else a browser shows the dashboard it has kept


# Requests that look like others


METHODS = ("GET", "HEAD", "OPTIONS", "POST", "DELETE", "TRACE", "get", "PROPFIND")
ODD_TARGETS = (
    *("//v1/studies", "/v1//studies", "/v1/studies/", "/%2e/v1/studies", "http://other.example/v1/studies", "*"),
    *("/assets", "/assets/1", "/assets/../v1/studies", "/assets/..%2fv1/studies", "/assets/1/%2e%2e/v1/studies"),
    *("/healthz/", "/healthz/../v1/studies", "/healthz%2f..%2fv1%2fstudies", "/healthz;/v1", "/HEALTHZ", "/healthz%00"),
    *("/login/", "/login%0a/v1/studies", "/dashboard/../healthz"),
)


@pytest.mark.parametrize("target", ODD_TARGETS)
def test_no_way_to_write_a_path_or_a_method_passes_without_a_key(api: httpx.Client, target: str) -> None:
    assert {method: sent_raw(api, method, target) for method in METHODS} == dict.fromkeys(METHODS, 401)


@pytest.mark.parametrize(
    ("path", "others", "options"),
    [
        ("/healthz", 405, 204),  # has no method that changes anything, and says which it has
        ("/login", 401, 204),
        ("/assets/1/1", 401, 204),
        ("/logout", 401, 401),
        ("/v1/studies", 401, 401),
    ],
)
def test_what_needs_no_key_needs_none_for_its_own_methods_only(
    api: httpx.Client, path: str, others: int, options: int
) -> None:
    methods = ("PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "get")
    assert {method: sent_raw(api, method, path) for method in methods} == dict.fromkeys(methods, others)
    assert sent_raw(api, "OPTIONS", path) == options


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_no_header_makes_a_request_another(api: httpx.Client, texts: Mapping[Scope, str], name: str) -> None:
    api.post("/v1/studies", json=document("stays"), headers=bearer(texts["submit"]))
    api.get("/v1/studies/stays", headers={name: "DELETE"} | bearer(texts["read"]))
    api.get("/v1/studies/stays?_method=DELETE", headers=bearer(texts["read"]))
    assert api.post("/logout", headers={name: "GET", "X-Original-URL": "/v1/studies"}).status_code == 303
    rewritten = {"X-Original-URL": "/v1/studies", "X-Rewrite-URL": "/v1/studies"}
    assert api.get("/healthz", headers=rewritten).json().keys() == api.get("/healthz").json().keys()
    assert api.get("/v1/studies/stays", headers=bearer(texts["read"])).status_code == 200


def test_a_second_authorization_makes_a_wrong_key_no_right_one(api: httpx.Client, texts: Mapping[Scope, str]) -> None:
    wrong, right = ("Authorization", "Bearer x"), ("Authorization", f"Bearer {texts['admin']}")
    assert api.get("/v1/studies", headers=[wrong, right]).status_code == 401
    mine = cookie(logged_in(api, texts["admin"]))
    assert api.get("/v1/studies", headers=mine | bearer("x")).status_code == 401  # nor does a cookie beside it


def sent_raw(api: httpx.Client, method: str, target: str) -> int:
    """The status of a request whose line is sent as it is: clients tidy paths up."""
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=20) as connection:
        connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return int(connection.makefile("rb").readline().split()[1])


# Without any key


@pytest.fixture
def fresh(tmp_path: Path) -> FastAPI:
    return create_app(settings_in(tmp_path))


@pytest.mark.parametrize(
    ("server", "host", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8000", 200),
        ("127.0.0.1", "localhost", 200),
        ("127.0.0.1", "regsweep.localhost:8000", 200),
        ("[::1]", "[::1]:8000", 200),
        ("127.0.0.1", "[::1", 403),
        ("127.0.0.1", "evil.example:8000", 403),
        ("127.0.0.1", "127.0.0.1.evil.example", 403),
        ("127.0.0.1", "", 403),
        ("192.0.2.1", "localhost", 401),
        ("testserver", "localhost", 401),
    ],
)
def test_without_keys_only_this_machine_under_its_own_name_is_answered(
    fresh: FastAPI, server: str, host: str, status: int
) -> None:
    assert asked(fresh, "GET", f"http://{server}/v1/schema", {"Host": host}).status_code == status


@pytest.mark.parametrize("name", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP"])
def test_without_keys_nobody_passes_through_a_proxy_on_this_machine(fresh: FastAPI, name: str) -> None:
    answer = asked(fresh, "GET", "http://127.0.0.1/v1/schema", {"Host": "localhost", name: "192.0.2.1"})
    assert answer.status_code == 401


def test_without_keys_nobody_passes_by_the_version_of_http_that_proxies_speak(tmp_path: Path) -> None:
    with served(settings_in(tmp_path)) as api, socket.create_connection(("127.0.0.1", api.base_url.port or 0)) as old:
        old.sendall(b"GET /v1/studies HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        assert old.recv(12) == b"HTTP/1.1 401"


@pytest.mark.parametrize("change", [{"root_path": "/regsweep"}, {"trusted_proxies": ("192.0.2.1",)}])
def test_behind_a_proxy_everybody_needs_a_key(tmp_path: Path, change: dict[str, Any]) -> None:
    app = create_app(settings_in(tmp_path).model_copy(update=change))
    assert asked(app, "GET", "http://127.0.0.1/v1/schema", {"Host": "localhost"}).status_code == 401
    with pytest.raises(NoKeyError, match="a proxy's clients"):
        run(settings_in(tmp_path).model_copy(update={**change, "port": 0}))


def test_without_keys_another_sites_page_may_not_write(tmp_path: Path) -> None:
    with served(settings_in(tmp_path)) as api:
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            refused = api.post("/v1/studies", json=document(), headers=headers)
            assert "another site" in problem(refused, 403)["detail"]
        assert api.post("/v1/studies", json=document()).status_code == 201


def test_a_server_is_closed_by_its_first_key_and_stays_so_when_that_is_revoked(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with served(settings) as api:
        assert api.get("/v1/studies").status_code == 200
        store = Store(settings.database_url)
        key = KeyStore(store).create("first", "read")
        assert api.get("/v1/studies").status_code == 401
        assert api.get("/v1/studies", headers=bearer(key.text)).status_code == 200
        KeyStore(store).revoke(key.id)
        assert api.get("/v1/studies").status_code == 401
        store.close()


def test_a_login_that_is_no_key_by_its_size_is_refused(api: httpx.Client) -> None:
    answer = api.post("/login", content=b"key=" + b"0" * 20_000)
    assert answer.status_code == 413
