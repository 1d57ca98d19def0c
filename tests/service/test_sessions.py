"""Browsers' logins: they end with their logout, on the server, and are listed and ended by the key they belong to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from service.errors import ConflictError
from service.scopes import SCOPES, Scope
from service.storage.keys import KeyStore
from service.storage.sessions import SessionStore
from service.storage.store import Store
from tests.service.conftest import served, settings_in
from tests.service.test_keys import bearer, cookie, logged_in, problem


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sessions")


@pytest.fixture(scope="module")
def texts(keys: KeyStore) -> Mapping[Scope, str]:
    """A key of each scope."""
    return {scope: keys.create(f"for {scope}", scope).text for scope in SCOPES}


@pytest.fixture(scope="module")
def api(folder: Path, texts: Mapping[Scope, str]) -> Iterator[httpx.Client]:
    """A service with keys."""
    with served(settings_in(folder)) as client:
        yield client


SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


def reads(api: httpx.Client, headers: Mapping[str, str]) -> bool:
    return api.get("/v1/studies", headers=dict(headers)).status_code == 200


def test_a_login_ends_with_its_logout_and_not_those_of_other_browsers(api: httpx.Client, keys: KeyStore) -> None:
    key = keys.create("two browsers", "read")
    here, there = (cookie(logged_in(api, key.text)) for _ in range(2))
    api.post("/logout", headers=here | SAME_SITE)
    assert (reads(api, here), reads(api, there)) == (False, True)
    assert reads(api, bearer(key.text))
    api.post("/logout", headers=here | SAME_SITE)  # of one that has ended


def test_one_logout_ends_all_logins_of_a_key_when_asked_to(
    api: httpx.Client, keys: KeyStore, texts: Mapping[Scope, str]
) -> None:
    key = keys.create("everywhere", "read")
    here, there, other = (cookie(logged_in(api, text)) for text in (key.text, key.text, texts["read"]))
    api.post("/logout?everywhere=true", headers=here | SAME_SITE)
    assert [reads(api, one) for one in (here, there, other)] == [False, False, True]


def test_a_login_replaces_that_of_the_same_browser(api: httpx.Client, keys: KeyStore) -> None:
    key = keys.create("again", "read")
    first = cookie(logged_in(api, key.text))
    response = api.post("/login", data={"key": key.text}, headers=first | SAME_SITE)
    api.cookies.clear()
    assert (reads(api, first), reads(api, cookie(response))) == (False, True)


def test_a_login_in_a_second_cookie_header_opens_nothing_to_who_sends_the_first_alone(
    api: httpx.Client, keys: KeyStore
) -> None:
    key = keys.create("two headers", "read")
    login = cookie(logged_in(api, key.text))["Cookie"]
    api.cookies.clear()
    assert api.get("/v1/studies", headers=[("Cookie", "a=1"), ("Cookie", login)]).status_code == 200
    assert api.get("/v1/studies", headers=[("Cookie", "a=1")]).status_code == 401


def test_the_database_has_the_digest_of_a_login_and_no_secret_that_makes_one(
    api: httpx.Client, keys: KeyStore, folder: Path
) -> None:
    secret = cookie(logged_in(api, keys.create("digest", "read").text))["Cookie"].rpartition("_")[2]
    with closing(sqlite3.connect(folder / "regsweep.db")) as connection:
        kept = "\n".join(connection.iterdump())
    assert sha256(secret.encode()).hexdigest() in kept
    assert (secret in kept, "signing" in kept) == (False, False)


def test_a_key_sees_and_ends_its_own_sessions_and_an_admin_those_of_each(
    api: httpx.Client, keys: KeyStore, texts: Mapping[Scope, str]
) -> None:
    key, admin = keys.create("seen", "read"), bearer(texts["admin"])
    here = cookie(logged_in(api, key.text))
    there = cookie(api.post("/login", data={"key": key.text}, headers=SAME_SITE | {"User-Agent": "x" * 200}))
    api.cookies.clear()
    listed = api.get("/v1/sessions", headers=here).json()
    assert (listed["key"], [one["current"] for one in listed["sessions"]]) == ("seen", [False, True])
    assert [one["user_agent"][:9] for one in listed["sessions"]] == ["xxxxxxxxx", "python-ht"]
    assert len(listed["sessions"][0]["user_agent"]) == 100
    by_admin = api.get("/v1/sessions", params={"key": "seen"}, headers=admin).json()
    assert by_admin["sessions"] == [one | {"current": False} for one in listed["sessions"]]
    other, own = bearer(texts["submit"]), listed["sessions"][1]["id"]
    assert "need the scope admin" in problem(api.get("/v1/sessions?key=seen", headers=other), 403)["detail"]
    assert "need the scope admin" in problem(api.delete("/v1/sessions?key=seen", headers=other), 403)["detail"]
    problem(api.get("/v1/sessions?key=nobody", headers=admin), 404)
    problem(api.delete(f"/v1/sessions/{own}", headers=other), 404)
    assert api.delete(f"/v1/sessions/{own}", headers=bearer(key.text)).status_code == 204
    problem(api.delete(f"/v1/sessions/{own}", headers=bearer(key.text)), 404)
    assert (reads(api, here), reads(api, there)) == (False, True)
    assert api.delete("/v1/sessions?key=seen", headers=admin).status_code == 204
    assert not reads(api, there)
    problem(api.delete("/v1/sessions", headers=cookie(logged_in(api, key.text))), 403)  # of another site's page


def test_a_session_has_an_end_and_no_later_one_than_its_key(api: httpx.Client, keys: KeyStore, folder: Path) -> None:
    day, hour = keys.create("a day", "read", seconds=86400), keys.create("an hour", "read", seconds=3600)
    mine = cookie(logged_in(api, day.text))
    logged_in(api, hour.text)
    for key, seconds in ((day, 12 * 3600), (hour, 3600)):
        [session] = api.get("/v1/sessions", headers=bearer(key.text)).json()["sessions"]
        lasts = datetime.fromisoformat(session["expires_at"]) - datetime.fromisoformat(session["created_at"])
        assert lasts.total_seconds() == pytest.approx(seconds, abs=60)
    keys.rotate("a day", grace_seconds=60)
    with closing(sqlite3.connect(folder / "regsweep.db")) as connection, connection:
        query = "SELECT s.expires_at - unixepoch() FROM regsweep_sessions s WHERE key_id = ?"
        assert connection.execute(query, [day.id]).fetchone()[0] <= 61
        connection.execute("UPDATE regsweep_sessions SET expires_at = created_at WHERE key_id = ?", [day.id])
    assert not reads(api, mine)
    logged_in(api, hour.text)
    with closing(sqlite3.connect(folder / "regsweep.db")) as connection:
        count = "SELECT count(*) FROM regsweep_sessions WHERE key_id = ?"
        assert connection.execute(count, [day.id]).fetchone() == (0,)  # swept


def test_a_key_has_at_most_a_hundred_sessions(store: Store) -> None:
    keys, sessions = KeyStore(store), SessionStore(store)
    key = keys.find(keys.create("many", "read").id)
    tokens = [sessions.begin(key, "") for _ in range(102)]
    found = [sessions.find_key(token) is not None for token in tokens]
    # Two that begin within a millisecond are as old as each other.
    assert (found.count(True), found[10:]) == (100, [True] * 92)


def test_a_page_shows_where_a_key_is_logged_in_and_nothing_where_there_is_none(
    api: httpx.Client, keys: KeyStore, tmp_path: Path
) -> None:
    key = keys.create("<b>shown</b>", "read")
    agent = "<script>alert(1)</script>"
    here = cookie(api.post("/login", data={"key": key.text}, headers=SAME_SITE | {"User-Agent": agent}))
    api.cookies.clear()
    page = api.get("/sessions", headers=here).text
    assert "Logged in as <strong>&lt;b&gt;shown&lt;/b&gt; (read)</strong>" in page
    assert ("&lt;script&gt;alert(1)&lt;/script&gt; (this one)" in page, "alert(1)</script>" in page) == (True, False)
    assert 'action="/logout?everywhere=true"' in page
    with served(settings_in(tmp_path)) as without_keys:
        assert "so nobody is logged in" in without_keys.get("/sessions").text
        assert without_keys.get("/v1/sessions").json() == {"key": None, "sessions": []}
        assert without_keys.delete("/v1/sessions").status_code == 204
        assert without_keys.get("/v1/sessions?key=x").status_code == 404


def test_keys_and_sessions_are_the_same_on_both_databases(store: Store) -> None:
    keys, sessions = KeyStore(store), SessionStore(store)
    key = keys.find(keys.create("one", "read", seconds=60).id)
    token = sessions.begin(key, "browser\x00\n")
    found = sessions.find_key(token)
    assert found is not None
    assert found.id == key.id
    assert [one.user_agent for one in sessions.list_sessions(key.id)] == ["browser"]
    assert keys.session_counts() == {key.id: 1}
    assert sessions.find_key(type(token)(token.id, "0" * 64)) is None
    with pytest.raises(ConflictError, match="there is a key 'one', or was one"):
        keys.create("one", "admin")
    renewed = keys.rotate("one", grace_seconds=0)
    assert keys.authenticate(renewed).digest == renewed.digest
    assert sessions.find_key(token) is None
    another = sessions.begin(keys.find("one"), "")
    assert (sessions.end("x\x00"), sessions.end(another.id, "other"), sessions.end(another.id, key.id)) == (
        False, False, True
    )  # fmt: skip
    sessions.begin(keys.find("one"), "")
    keys.revoke("one")
    assert sessions.end_all(key.id) == 0
