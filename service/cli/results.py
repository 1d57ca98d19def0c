"""`regsweep export | model | snippet`: what a user takes away of a study, of its best trial or of a technique."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import Key, Name, Server, client_of, refuse

Technique = Annotated[
    str | None,
    typer.Option(help="Of a compared study: recommended, none, l1, …, l1+dropout, …; default: the best trial."),
]


def export(
    name: Name,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the zip goes.")] = Path("model.zip"),
    technique: Technique = None,
    server: Server = None,
    key: Key = None,
) -> None:
    """Write the best model of a study of an uploaded dataset, with its fitted preprocessing, as a zip."""
    with client_of(server, key) as client:
        _write(output, client.export(name, technique))


def model(
    name: Name,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the model goes.")] = Path("model.keras"),
    technique: Technique = None,
    server: Server = None,
    key: Key = None,
) -> None:
    """Write the best model of a study as a .keras file."""
    with client_of(server, key) as client:
        _write(output, client.model(name, technique))


def snippet(name: Name, technique: Technique = None, server: Server = None, key: Key = None) -> None:
    """Print Keras code that rebuilds and trains the best model of a study."""
    with client_of(server, key) as client:
        print(client.snippet(name, technique), end="")


def _write(output: Path, content: bytes) -> None:
    try:
        output.write_bytes(content)
    except OSError as error:
        refuse(f"cannot write {output}: {error.strerror}")
    print(output)
