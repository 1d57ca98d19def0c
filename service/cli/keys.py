"""`regsweep keys`: makes, lists, rotates and revokes API keys, in the database that the server uses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service import audit
from service.cli.durations import parse_duration
from service.cli.options import DatabaseUrlOption, JsonOption, load_settings, print_json, refuse
from service.cli.source import say_if_new, user_name
from service.scopes import Scope

if TYPE_CHECKING:
    from service.storage.keys import KeyStore
    from service.storage.records import KeyRecord
    from service.storage.store import Store

_MAX_NAME_LENGTH = 100

keys = typer.Typer(
    help="Make, list, rotate and revoke API keys, in the database that the server uses.", no_args_is_help=True
)
KeyArgument = Annotated[str, typer.Argument(metavar="NAME|ID", help="As `regsweep keys list` shows it.")]
ExpiresOption = Annotated[str | None, typer.Option(metavar="90d", help="Time until it expires; default never.")]


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is, or its purpose; no two have one name.")],
    scope: Annotated[Scope, typer.Option(help="read; submit: also submit and steer; admin: also delete.")] = "read",
    expires: ExpiresOption = None,
    days: Annotated[float | None, typer.Option(hidden=True, help="As --expires, in days.")] = None,
    project: Annotated[
        list[str] | None, typer.Option(help="A project that it is limited to, default every one; may be repeated.")
    ] = None,
    database_url: DatabaseUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it; it is never shown again."""
    from studies.spec.name import is_printable

    name = name.strip(" ")
    if not 0 < len(name) <= _MAX_NAME_LENGTH or not is_printable(name):
        refuse(f"NAME: must be 1 to {_MAX_NAME_LENGTH} printable characters")
    if days is not None and (expires is not None or not 0 < days < float("inf")):
        refuse("--days: must be more than 0, and not with --expires")
    seconds = _seconds(f"{days:f}d" if days is not None else expires)
    with _keys(database_url) as store:
        _print_secret(store, store.create(name, scope, seconds, project).text, name, as_json)


@keys.command("rotate")
def rotate_key(
    key: KeyArgument,
    grace: Annotated[
        str, typer.Option(metavar="24h", help="Time for which the old secret stays valid; 0s: none.")
    ] = "24h",
    expires: Annotated[
        str | None, typer.Option(metavar="90d", help="Time until the key expires; as before when left out.")
    ] = None,
    database_url: DatabaseUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a key a new secret and print it whole; the old one is valid until the grace period is over."""
    grace_seconds = parse_duration("--grace", grace, least=0.0)
    with _keys(database_url, must_exist=True) as store:
        _print_secret(store, store.rotate(key, grace_seconds, _seconds(expires)).text, key, as_json)


@keys.command("list")
def list_keys(database_url: DatabaseUrlOption = None, as_json: JsonOption = False) -> None:
    """List the keys: id, name, scope, projects, when made, when last used, when it ends or did, and its sessions."""
    with _keys(database_url, must_exist=True) as store:
        found, counts = store.list_keys(), store.session_counts()
    if as_json:
        print_json([_shown(key, counts.get(key.id, 0)) for key in found])
        return
    for key in found:
        facts = f"made {_day(key.created_at)}", _use(key), _validity(key), f"sessions {counts.get(key.id, 0)}"
        print(key.id, key.name, key.scope, ", ".join(key.projects or ("every project",)), *facts, sep="\t")


@keys.command("revoke")
def revoke_key(key: KeyArgument, database_url: DatabaseUrlOption = None, as_json: JsonOption = False) -> None:
    """Revoke a key; browsers that are logged in with it are logged out."""
    with _keys(database_url, must_exist=True) as store:
        store.revoke(key)
        if as_json:
            print_json(_shown(store.find(key), 0))


@keys.command("sessions")
def list_sessions(
    key: KeyArgument,
    end: Annotated[bool, typer.Option("--end", help="Log all of these browsers out.")] = False,
    database_url: DatabaseUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the browsers that are logged in with a key: id, when, until when, last seen, what it says of itself."""
    from service.storage.keys import KeyStore
    from service.storage.sessions import SessionStore
    from service.views.sessions import sessions_view

    with _store(database_url, must_exist=True) as store:
        found, sessions = KeyStore(store).find(key), SessionStore(store)
        view = sessions_view(found.name, sessions.list_sessions(found.id))
        if end:
            sessions.end_all(found.id)
    if as_json:
        print_json(view)
        return
    for one in view.sessions:
        times = (f"{at:%Y-%m-%d %H:%M} UTC" for at in (one.created_at, one.expires_at, one.seen_at))
        began, until, seen = times
        print(one.id, f"began {began}", f"ends {until}", f"seen {seen}", one.user_agent, sep="\t")
    if not view.sessions or end:
        print(f"{len(view.sessions)} ended" if end else "there are none")


def _seconds(expires: str | None) -> float | None:
    return None if expires is None else parse_duration("--expires", expires)


def _print_secret(store: KeyStore, text: str, name_or_id: str, as_json: bool) -> None:
    if as_json:
        print_json({"key": text} | _shown(store.find(name_or_id), 0))
    else:
        print(text)


def _shown(key: KeyRecord, sessions: int) -> dict[str, Any]:
    """A key as JSON shows it: its times in UTC, and never what it opens doors with."""
    times = ("created_at", "last_used_at", "expires_at", "revoked_at", "old_until")
    instants = {name: getattr(key, name) for name in times}
    shown = {name: None if at is None else datetime.fromtimestamp(at, UTC) for name, at in instants.items()}
    facts = {"id": key.id, "name": key.name, "scope": key.scope, "projects": key.projects, "sessions": sessions}
    return facts | shown


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


@contextmanager
def _keys(database_url: str | None, *, must_exist: bool = False) -> Iterator[KeyStore]:
    from service.storage.keys import KeyStore

    with _store(database_url, must_exist=must_exist) as store:
        yield KeyStore(store)


@contextmanager
def _store(database_url: str | None, *, must_exist: bool) -> Iterator[Store]:
    from service.storage import schema
    from service.storage.store import Store

    settings = load_settings(database_url=database_url)
    if must_exist:
        schema.check(settings.database_url, must_exist=True)
    else:
        say_if_new(settings)
    with closing(Store(settings.database_url)) as store, audit.by_user(user_name()):
        yield store
