"""Keys that are of no use are slowed by their address, those that are right never."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.requests import HTTPConnection

from service.api import failed_keys
from service.client import Client
from service.errors import RateLimitedError
from service.storage.keys import KeyStore
from service.storage.store import Store
from tests.service.conftest import served, settings_in
from tests.service.test_keys import bearer, cookie, logged_in, problem


def test_keys_that_fail_too_often_are_slowed_and_one_that_is_right_is_not(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_in(tmp_path).model_copy(update={"max_failed_keys": 3})
    store = Store(settings.database_url)
    right = KeyStore(store).create("right", "read").text
    with served(settings) as api:
        wrong = bearer(f"rgs_{'0' * 12}_{'0' * 64}")
        assert [api.get("/v1/studies", headers=wrong).status_code for _ in range(2)] == [401] * 2
        assert [logged_in(api, "x").status_code for _ in range(3)] == [401, 429, 429]
        slowed = api.get("/v1/studies", headers=wrong)
        told = problem(slowed, 429)["detail"]
        assert 1 <= int(slowed.headers["retry-after"]) <= 61
        assert told.startswith("this key is not known, and more than 3 from this address failed within a minute; wait")
        with Client(str(api.base_url), wrong["Authorization"].split()[1]) as client:
            with pytest.raises(RateLimitedError, match="more than 3") as refused:
                client.studies()
            assert 1 <= refused.value.retry_after <= 60
        assert "more than 3 from this address" in logged_in(api, "x").text
        assert api.get("/v1/studies", headers=bearer(right)).status_code == 200
        mine = cookie(logged_in(api, right))
        assert api.get("/v1/studies", headers=mine).status_code == 200
        # What comes without a key, and a login that has ended, are no tries.
        assert api.get("/v1/studies").status_code == 401
        for _ in range(4):  # more than may fail
            empty = api.get("/v1/studies", headers={"Authorization": "Bearer"})
            assert (empty.status_code, empty.headers["www-authenticate"]) == (401, 'Bearer realm="regsweep"')
        assert api.get("/v1/studies", headers={"Cookie": "regsweep_login=x"}).status_code == 401
    store.close()
    lines = [line for line in (capfd.readouterr().out + caplog.text).splitlines() if "this key is not known" in line]
    assert (len(lines), [line for line in lines if "request.refused" not in line]) == (4, [])  # one each


def test_failures_are_counted_by_address_or_network_and_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_keys, "_MAX_ADDRESSES", 3)
    counts = failed_keys.FailedKeys(1)

    def passes(host: str) -> bool:
        try:
            counts.count(HTTPConnection({"type": "http", "path": "/", "headers": [], "client": (host, 1)}), "no key")
        except RateLimitedError:
            return False
        return True

    assert [passes("192.0.2.1"), passes("192.0.2.2"), passes("192.0.2.1")] == [True, True, False]
    assert [passes("2001:db8::1"), passes("2001:db8::2")] == [True, False]
    assert [passes(f"198.51.100.{last}") for last in range(50)] == [True] + [False] * 49  # they share a count
