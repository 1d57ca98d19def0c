"""Checks the settings of a command or a server that needs a database."""

from __future__ import annotations

import re
import shlex

from pydantic_settings import SettingsError

from service.setting_defaults import ARTIFACTS, DATABASE, file_of_sqlite, folder_beside
from service.settings import Settings
from service.webhook_addresses import AllowList

_URL = re.compile(r"[\w+]+://")
#: Which run in threads, as we do.
_DRIVERS = frozenset({"sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"})
#: What stands behind `sqlite://` of a database that has no file.
_IN_MEMORY = re.compile(r"/?(\?.*)?$|/:memory:|/file:[^?]*:memory:|/[^?]*\?(.*&)?mode=memory")


def check_database(settings: Settings) -> None:
    """Check that the database's URL is one, and not a path.

    Raises SettingsError, without the text where that may hold a password.
    """
    wrong = "--database-url (or REGSWEEP_DATABASE_URL):"
    if _URL.match(settings.database_url):
        driver, _, rest = settings.database_url.partition("://")
        if driver not in _DRIVERS:
            raise SettingsError(f"{wrong} '{driver}' is not served; use sqlite:///FILE or postgresql+psycopg://…")
        if driver.startswith("sqlite") and _IN_MEMORY.match(rest):
            raise SettingsError(
                f"{wrong} a database in memory ends with its process, and workers would have others; name a file, "
                f"as sqlite:///{DATABASE}"
            )
        return
    if "@" in settings.database_url:
        raise SettingsError(f"{wrong} no URL; begin it with sqlite:/// or postgresql+psycopg://")
    right = f"sqlite:///{settings.database_url or DATABASE}"
    raise SettingsError(f"{wrong} '{settings.database_url}' is no URL; write {right}")


def check_webhooks(settings: Settings) -> None:
    """Check the hosts that webhooks may reach.

    Raises SettingsError when one is neither a host nor an address nor a network.
    """
    try:
        AllowList.parse(settings.webhook_allow)
    except ValueError as error:
        raise SettingsError(f"REGSWEEP_WEBHOOK_ALLOW: {error}") from error


def check_loggers(settings: Settings) -> None:
    """Check that every tracker which all studies are logged to is set up.

    Raises SettingsError when one is not.
    """
    for name in settings.loggers:
        if name not in settings.trackers:
            place = {"mlflow": "REGSWEEP_MLFLOW_URI", "tensorboard": "REGSWEEP_TENSORBOARD_FOLDER"}[name]
            raise SettingsError(f"REGSWEEP_LOGGERS: {name} is not set up; name its place by {place}")


def check_artifacts(settings: Settings) -> None:
    """Check that no command goes on without the files that an earlier version kept for its database.

    Raises SettingsError when no folder is named, the database has none beside it, and `data/artifacts` is there
    without a database of its own.
    """
    file = None if "artifacts_url" in settings.model_fields_set else file_of_sqlite(settings.database_url)
    if file is None or not file.exists() or folder_beside(file).exists():
        return
    if ARTIFACTS.exists() and not DATABASE.exists():
        move = shlex.join(["mv", str(ARTIFACTS), str(folder_beside(file))])
        raise SettingsError(
            f"REGSWEEP_ARTIFACTS_URL: an earlier version kept the files of {file} in {ARTIFACTS}; move them with "
            f"`{move}`, or name their folder by REGSWEEP_ARTIFACTS_URL or --artifacts-url"
        )


def check_fleet(settings: Settings) -> None:
    """Check that workers on Ray can reach the database.

    Raises SettingsError when it is a file of this machine, or when the bounds of the workers leave nothing between.
    """
    if settings.fleet != "ray":
        return
    if settings.sqlite_file is not None:
        raise SettingsError(
            "--fleet ray (or REGSWEEP_FLEET): workers on Ray are on other machines, which no SQLite file reaches; "
            "name a PostgreSQL database, as --database-url postgresql+psycopg://user@host/regsweep"
        )
    if settings.min_workers > settings.max_workers:
        raise SettingsError(
            f"REGSWEEP_MIN_WORKERS: {settings.min_workers} are more than REGSWEEP_MAX_WORKERS, which is "
            f"{settings.max_workers}"
        )
