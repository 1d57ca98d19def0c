"""The options that commands share, and what a wrong one leads to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from service import audit, logs
from service.cli.output import plain_json, say
from service.setting_checks import check_artifacts, check_database, check_fleet, check_webhooks
from service.settings import Settings

if TYPE_CHECKING:
    from service.client import Client
    from service.schemas.studies import StudyView

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="A study file.")]
ModelFile = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="A Keras model, .json or .keras, in place of the study's; its weights are read where the study says "
        "`model: {kind: keras, weights: true}`.",
    ),
]
StudyName = Annotated[str, typer.Argument(metavar="NAME", help="A study's name.")]
ServerOption = Annotated[str | None, typer.Option("--server", help="The server's URL [REGSWEEP_SERVER_URL].")]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key", help="The server's API key [REGSWEEP_KEY, REGSWEEP_KEY_FILE]; other users can see a command line."
    ),
]
FILE_HELP = "CSV, TSV, Excel, JSON lines, Parquet, Feather or .npz; texts also as .gz."
EncodingOption = Annotated[
    str | None, typer.Option(help="Of a text file, as cp1252; seen from the file when left out.")
]
SheetOption = Annotated[str | None, typer.Option(help="Of a workbook; the first that is shown when left out.")]
ProjectOption = Annotated[
    str | None, typer.Option("--project", help="The project that it belongs to [REGSWEEP_PROJECT].")
]
OfProjectOption = Annotated[str | None, typer.Option("--project", help="Only what belongs to this project.")]
DatabaseUrlOption = Annotated[str | None, typer.Option(help="SQLAlchemy URL of the database [REGSWEEP_DATABASE_URL].")]
ArtifactsUrlOption = Annotated[
    str | None, typer.Option(help="fsspec URL of the folder for models and datasets [REGSWEEP_ARTIFACTS_URL].")
]
WorkersOption = Annotated[int | None, typer.Option(help="Worker processes, default one per core [REGSWEEP_WORKERS].")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, as the REST API answers.")]
_SQLITE = b"SQLite format 3\0"  # what each of its files begins with
LogLevelOption = Annotated[str | None, typer.Option(help="debug, info, warning or error [REGSWEEP_LOG_LEVEL].")]


def refuse(message: str) -> NoReturn:
    """Print the user's mistake, as a log line where log lines are JSON, and exit with 2."""
    if logs.is_json():
        logs.refuse(message)
    else:
        for line in message.splitlines():
            say(f"regsweep: {line}", file=sys.stderr)
    sys.exit(2)


def load_settings(*, asks_server: bool = False, is_service: bool = False, **flags: Any) -> Settings:
    """Load the settings, set up the log; flags that are not None go first. A wrong setting ends the command.

    A command that only `asks_server` needs no database, so those settings may be what they like. One that `is_service`
    shows the lines of the audit at a terminal too.
    """
    try:
        settings = Settings(**{name: value for name, value in flags.items() if value is not None})
        if not asks_server:
            check_database(settings)
            check_artifacts(settings)
            check_webhooks(settings)
        if is_service:
            check_fleet(settings)
    except SettingsError as error:
        refuse(str(error))
    except ValidationError as error:
        from studies.field_errors import field_errors

        refuse("\n".join(f"REGSWEEP_{e.field.upper()}: {e.message}" for e in field_errors(error.errors())))
    logs.configure(settings.log_level, settings.log_format)
    # Its user sees what a command says itself; the database's history has the change all the same.
    audit.set_shown(is_service or settings.log_format == "json" or not sys.stderr.isatty())
    return settings


def open_client(server: str | None, key: str | None) -> Client:
    """Make a client of the server that the flags or the settings name. A malformed key ends the command."""
    from service.client import Client

    settings = load_settings(asks_server=True, server_url=server, key=key, log_level="warning")
    return Client(settings.server_url, api_key_of(settings))


def api_key_of(settings: Settings) -> str | None:
    """The API key to send. A setting that is none ends the command."""
    from service.api_keys import ApiKey

    if settings.key is None:
        return None
    text = settings.key.get_secret_value()
    if ApiKey.parse(text) is None:
        refuse("REGSWEEP_KEY: holds no key; give one whole, as `regsweep keys create` printed it")
    return text


def warn_of(study: StudyView, *, shown: bool = False) -> None:
    """Print the warnings of a study and of its data to the standard error.

    Where the study is `shown` as well, that says which columns are left out.
    """
    from studies.datasets.summary import other_warnings

    data = study.data
    of_data = () if data is None else other_warnings(data) if shown else data.warnings
    for warning in (*study.warnings, *of_data):
        say(f"regsweep: warning: {warning}", file=sys.stderr)


def print_json(document: Any) -> None:
    """Print views as one JSON document, as the REST API writes them."""
    from pydantic_core import to_json

    print(plain_json(to_json(document, indent=2, inf_nan_mode="null").decode()))


def write_file(output: Path, content: bytes) -> None:
    """Write what a command made, and print where it is; never over a database, which may be the studies'."""
    try:
        if output.exists() and _is_database(output):
            refuse(f"--output: {output} is a database, which is not written over; remove it, or write to another file")
        output.write_bytes(content)
    except OSError as error:
        refuse(f"cannot write {output}: {error.strerror}")
    print(output)


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE
