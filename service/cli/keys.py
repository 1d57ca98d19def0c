"""`regsweep keys`: makes, lists and revokes API keys, in the database that the server uses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import DatabaseUrlOption, JsonOption, load_settings, print_json, refuse
from service.cli.source import say_if_new
from service.scopes import Scope

if TYPE_CHECKING:
    from service.storage.keys import KeyStore
    from service.storage.records import KeyRecord

_MAX_NAME_LENGTH = 100

keys = typer.Typer(help="Make, list and revoke API keys, in the database that the server uses.", no_args_is_help=True)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is, or its purpose.")],
    scope: Annotated[Scope, typer.Option(help="read; submit: also submit and steer; admin: also delete.")] = "read",
    days: Annotated[float | None, typer.Option(help="Days until it expires, default never.")] = None,
    database_url: DatabaseUrlOption = None,
) -> None:
    """Make a key and print it; it is never shown again."""
    if not 0 < len(name) <= _MAX_NAME_LENGTH or not name.isprintable():
        refuse(f"NAME: must be 1 to {_MAX_NAME_LENGTH} printable characters")
    if days is not None and not 0 < days < float("inf"):
        refuse("--days: must be more than 0")
    with _keys(database_url) as store:
        print(store.create(name, scope, days).text)


@keys.command("list")
def list_keys(database_url: DatabaseUrlOption = None, as_json: JsonOption = False) -> None:
    """List the keys: id, name, scope, when made, when last used, and when revoked or expiring."""
    with _keys(database_url, must_exist=True) as store:
        if as_json:
            print_json([_shown(key) for key in store.list_keys()])
            return
        for key in store.list_keys():
            print(key.id, key.name, key.scope, f"made {_day(key.created_at)}", _use(key), _validity(key), sep="\t")


def _shown(key: KeyRecord) -> dict[str, Any]:
    """A key as JSON shows it: its times in UTC, and never what it opens doors with."""
    times = ("created_at", "last_used_at", "expires_at", "revoked_at")
    instants = {name: getattr(key, name) for name in times}
    shown = {name: None if at is None else datetime.fromtimestamp(at, UTC) for name, at in instants.items()}
    return {"id": key.id, "name": key.name, "scope": key.scope} | shown


def _day(instant: float) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%d}"


def _use(key: KeyRecord) -> str:
    return "never used" if key.last_used_at is None else f"used {_day(key.last_used_at)}"


def _validity(key: KeyRecord) -> str:
    if key.revoked_at is not None:
        return f"revoked {_day(key.revoked_at)}"
    if key.expires_at is None:
        return "never expires"
    return f"{'expired' if key.expires_at <= time.time() else 'expires'} {_day(key.expires_at)}"


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `regsweep keys list` shows it.")],
    database_url: DatabaseUrlOption = None,
) -> None:
    """Revoke a key; browsers that are logged in with it are logged out."""
    with _keys(database_url, must_exist=True) as store:
        store.revoke(key_id)


@contextmanager
def _keys(database_url: str | None, *, must_exist: bool = False) -> Iterator[KeyStore]:
    from service.storage import database
    from service.storage.keys import KeyStore
    from service.storage.store import Store

    settings = load_settings(database_url=database_url)  # making and revoking are lines of the audit
    if must_exist:
        database.check(settings.database_url, must_exist=True)
    else:
        say_if_new(settings)
    with closing(Store(settings.database_url)) as store:
        yield KeyStore(store)
