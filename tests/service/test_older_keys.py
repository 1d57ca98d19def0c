"""Keys of earlier versions: they work on, those of one name are named apart, and logins made with them end."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from service.api_keys import ApiKey
from service.errors import ConflictError
from service.storage.database import connect
from service.storage.keys import KeyStore
from service.storage.store import Store
from tests.postgresql import PostgreSQL
from tests.service.conftest import served, settings_in
from tests.service.test_database_care import upgrade

LONG = "n" * 100
#: Name, when it was made, whether it was revoked; then its name now.
MADE = [
    ("alice", 1.0, True, "alice (4)"),
    ("alice", 2.0, False, "alice"),
    ("alice", 3.0, False, "alice (3)"),
    ("alice (2)", 4.0, False, "alice (2)"),
    ("bo\u0308b", 5.0, False, "b\u00f6b"),
    ("b\u00f6b", 6.0, False, "b\u00f6b (2)"),
    (LONG, 7.0, False, LONG),
    (LONG, 8.0, False, f"{LONG[:96]} (2)"),
    ("carol", 9.0, True, "carol"),
]


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def older(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database before this schema."""
    if request.param == "SQLite":
        url = f"sqlite:///{tmp_path / 'regsweep.db'}"
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql_template")
        url = server.url("older_keys")
    upgrade(url, "0010")
    return url


def test_keys_of_one_name_are_named_apart_and_all_of_them_work_on(older: str, tmp_path: Path) -> None:
    keys = [ApiKey.make() for _ in MADE]
    insert = sa.text(
        "INSERT INTO regsweep_keys (id, name, scope, digest, signing_secret, created_at, revoked_at)"
        " VALUES (:id, :name, 'read', :digest, :secret, :made, :revoked)"
    )
    engine = connect(older)
    with engine.begin() as connection:
        for key, (name, made, is_revoked, _) in zip(keys, MADE, strict=True):
            row = {"id": key.id, "name": name, "digest": key.digest, "secret": "5" * 64, "made": made}
            connection.execute(insert, row | {"revoked": made if is_revoked else None})
    engine.dispose()
    store = Store(older)
    assert [key.name for key in KeyStore(store).list_keys()] == [name for *_, name in MADE]
    with pytest.raises(ConflictError):
        KeyStore(store).create("carol", "read")
    store.close()
    with served(settings_in(tmp_path, older)) as api:
        for key, (_, _, is_revoked, _) in zip(keys, MADE, strict=True):
            status = api.get("/v1/studies", headers={"Authorization": f"Bearer {key.text}"}).status_code
            assert status == (401 if is_revoked else 200)
        signed = httpx.Cookies({"regsweep_login": f"{keys[1].id}.2000000000.{'0' * 64}"})
        assert httpx.get(f"{api.base_url}/v1/studies", cookies=signed).status_code == 401
