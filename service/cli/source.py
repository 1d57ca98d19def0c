"""Where a command finds its studies: on a server, or in a database that this machine reaches."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from getpass import getuser
from shlex import quote
from typing import TYPE_CHECKING, Any, Literal, Protocol

from service import audit
from service.cli.options import api_key_of, load_settings, refuse
from service.cli.output import say
from service.errors import UnreachableError
from service.extras import extra_of

if TYPE_CHECKING:
    from service.export import ExportFormat
    from service.schemas.changes import ChangeView
    from service.schemas.comparisons import ComparisonView
    from service.schemas.projects import ProjectView
    from service.schemas.studies import StudyView
    from service.schemas.trials import CurveView, TrialView
    from service.schemas.workers import WorkersView
    from service.settings import Settings
    from service.storage.access import Access
    from service.trials_file import TrialsFormat

_PROBE_SECONDS = 2.0


class StudySource(Protocol):
    """What commands ask of studies; `service.client.Client` answers it, and `service.local.LocalStudies`."""

    def study(self, name: str, /) -> StudyView:
        """One study."""

    def studies(self, *, project: str | None = None) -> Iterable[StudyView]:
        """All studies, or those of a project, newest first."""

    def trials(self, name: str, /) -> Iterable[TrialView]:
        """All trials of a study, by number."""

    def curves(self, name: str, numbers: Sequence[int], /) -> Iterable[CurveView]:
        """The learning curves of at most 50 trials."""

    def trials_file(self, name: str, kind: TrialsFormat, /) -> bytes:
        """All trials of a study as a file."""

    def optuna_study(self, name: str, /) -> bytes:
        """A study as an SQLite file for Optuna."""

    def best(self, name: str, /) -> Iterable[TrialView]:
        """The best trial or the Pareto front."""

    def comparison(self, name: str, /) -> ComparisonView:
        """A study's comparison."""

    def report(self, name: str, /) -> str:
        """A study's report, an HTML page."""

    def report_data(self, name: str, /) -> dict[str, Any]:
        """What a study's report says, as JSON."""

    def model(self, name: str, technique: str | None = None, /) -> bytes:
        """A trained model, a .keras file."""

    def export(self, name: str, technique: str | None = None, *, file_format: ExportFormat = "zip") -> bytes:
        """A model with its preprocessing, a zip or one model that takes raw rows."""

    def snippet(self, name: str, technique: str | None = None, /) -> str:
        """Keras code."""

    def workers(self) -> WorkersView:
        """The workers that are alive."""

    def set_state(self, name: str, action: Literal["pause", "resume", "stop"], /) -> StudyView:
        """Pause, resume or stop a study."""

    def change(
        self,
        name: str,
        /,
        *,
        priority: int | None = None,
        max_workers: float | None = None,
        trials: int | None = None,
        timeout_seconds: float | None = None,
    ) -> StudyView:
        """Change a study's priority or its most workers, or give it more trials, or more time."""

    def delete(self, name: str, /, *, force: bool) -> None:
        """Delete a study with all it has."""

    def changes(self, name: str, /) -> Iterable[ChangeView]:
        """What was done with a study, the latest first."""

    def projects(self) -> Iterable[ProjectView]:
        """The projects."""

    def create_project(self, name: str, **quotas: int | None) -> ProjectView:
        """Make a project."""

    def change_project(self, name: str, **quotas: int | None) -> ProjectView:
        """Give a project quotas of its own; None gives it the server's again."""

    def delete_project(self, name: str, /) -> None:
        """Delete a project that has nothing."""


@dataclass(frozen=True, slots=True)
class Source:
    """Studies, and where they are: the URL of a server, else the settings' database."""

    studies: StudySource
    server: str | None
    settings: Settings
    flags: str  # that lead another command here; begins with a blank unless it is empty


@contextmanager
def open_source(
    server: str | None, key: str | None, database_url: str | None, artifacts_url: str | None
) -> Iterator[Source]:
    """Open what the flags name, else what the environment names, else the default server, else the default database.

    Which of the last two it is, is said on standard error. A database is never made.
    """
    if server is not None and (database_url or artifacts_url) is not None:
        refuse("--server and --database-url name two places; give one of them")
    settings = load_settings(
        server_url=server, key=key, database_url=database_url, artifacts_url=artifacts_url, log_level="warning"
    )
    if _asks_server(settings, server, database_url):
        with _server(settings, server_flag(server)) as source:
            yield source
    else:
        with _database(settings, database_flags(settings)) as source:
            yield source


def _asks_server(settings: Settings, server: str | None, database_url: str | None) -> bool:
    if server is not None or database_url is not None:
        return server is not None
    named = settings.model_fields_set
    if named & {"server_url", "database_url"}:
        return "server_url" in named
    return _finds_server(settings)


def _finds_server(settings: Settings) -> bool:
    """Look for a server at the default address; say what is asked: it, or the database."""
    from service.client import Client

    with Client(settings.server_url, timeout_seconds=_PROBE_SECONDS) as client:
        answers = client.is_healthy()
    if answers:
        say(f"regsweep: asking the server at {settings.server_url}", file=sys.stderr)
        return True
    try:
        from service.storage import database, schema
    except ModuleNotFoundError as error:
        if extra_of(error) is None:
            raise
        reason = 'no answer; to read a database here: pip install "regsweep[server]"'
        raise UnreachableError(settings.server_url, reason) from error
    place = database.place(settings.database_url)
    if not schema.exists(settings.database_url):
        refuse(
            f"no server answers at {settings.server_url}, and there is no database at {place}; name one with --server "
            "or --database-url, or run this in the folder where `regsweep run` or `regsweep serve` was"
        )
    say(f"regsweep: no server answers at {settings.server_url}; reading the database {place}", file=sys.stderr)
    return False


@contextmanager
def _server(settings: Settings, flags: str) -> Iterator[Source]:
    from service.client import Client

    with Client(settings.server_url, api_key_of(settings)) as client:
        yield Source(client, settings.server_url, settings, flags)


@contextmanager
def _database(settings: Settings, flags: str) -> Iterator[Source]:
    from service.local import LocalStudies
    from service.storage import schema
    from service.storage.artifacts import Artifacts
    from service.storage.keys import KeyStore
    from service.storage.store import Store

    schema.check(settings.database_url, must_exist=True)
    with (
        closing(Store(settings.database_url, user_access(settings))) as store,
        # Without keys it is one user's own, who knows what they do.
        audit.by_user(user_name()) if KeyStore(store).has_keys() else nullcontext(),
    ):
        yield Source(LocalStudies(store, Artifacts(settings.artifacts_url), settings), None, settings, flags)


def user_access(settings: Settings) -> Access:
    """What the user of this command line may use: every project, under their name on this machine."""
    from service.storage.access import Access, Quotas

    return Access(user_name(), quotas=Quotas.of(settings))


def user_name() -> str | None:
    """Who runs this command, by the name on this machine; a container's user may have none."""
    try:
        return getuser()
    except (KeyError, OSError):
        return None


def server_flag(server: str | None) -> str:
    """The flag that leads to the server that a user named; empty where the user named none."""
    return "" if server is None else f" --server {quote(server)}"


def database_flags(settings: Settings) -> str:
    """The flags that lead to a database and its files, without those that the environment already sets."""
    from service.storage import database

    kind, flags = type(settings), ""
    if settings.database_url != kind().database_url:
        flags += f" --database-url {quote(database.parse(settings.database_url).render_as_string(hide_password=True))}"
    if settings.artifacts_url != kind(database_url=settings.database_url).artifacts_url:
        flags += f" --artifacts-url {quote(settings.artifacts_url)}"
    return flags


def say_if_new(settings: Settings) -> None:
    """Say on standard error that a database is made, and where, when there is none yet."""
    from service.storage import database, schema

    if not schema.exists(settings.database_url):
        say(f"regsweep: a new database is made: {database.place(settings.database_url)}", file=sys.stderr)
