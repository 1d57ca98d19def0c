"""What all commands share: their options, and what becomes of a wrong one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from service import logs
from service.settings import Settings

if TYPE_CHECKING:
    from service.client import Client

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="A study file.")]
ModelFile = Annotated[
    Path | None,
    typer.Option("--model", help="A Keras model, .json or .keras, in place of the study's; its weights are not read."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A study's name.")]
Server = Annotated[str | None, typer.Option("--server", help="The server's URL [REGSWEEP_SERVER_URL].")]
Key = Annotated[
    str | None,
    typer.Option("--key", help="The server's API key [REGSWEEP_KEY, REGSWEEP_KEY_FILE]; others see a command line."),
]
DatabaseUrl = Annotated[str | None, typer.Option(help="SQLAlchemy URL of the database [REGSWEEP_DATABASE_URL].")]
ArtifactsUrl = Annotated[str | None, typer.Option(help="fsspec URL of the models' folder [REGSWEEP_ARTIFACTS_URL].")]
Workers = Annotated[int | None, typer.Option(help="Worker processes, default one a core [REGSWEEP_WORKERS].")]
LogLevelText = Annotated[str | None, typer.Option(help="debug, info, warning or error [REGSWEEP_LOG_LEVEL].")]


def refuse(message: str) -> NoReturn:
    """Say what the user did wrong, and end with exit 2."""
    for line in message.splitlines():
        print(f"regsweep: {line}", file=sys.stderr)
    sys.exit(2)


def settings_of(**flags: Any) -> Settings:
    """The environment's settings with the flags that were given; a wrong one ends the command."""
    try:
        settings = Settings(**{name: value for name, value in flags.items() if value is not None})
    except SettingsError as error:
        refuse(str(error))
    except ValidationError as error:
        from studies.study_file import field_errors

        refuse("\n".join(f"REGSWEEP_{e.field.upper()}: {e.message}" for e in field_errors(error.errors())))
    logs.configure(settings.log_level)
    return settings


def client_of(server: str | None, key: str | None) -> Client:
    """A client of the server that is meant; a key that cannot be one ends the command."""
    from service.client import Client, key_of

    settings = settings_of(server_url=server, key=key, log_level="warning")
    return Client(settings.server_url, key_of(settings))
