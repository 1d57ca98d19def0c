"""The command `regsweep`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from service.cli import results, serving, studies, study_files
from service.cli.compare import compare
from service.cli.datasets import datasets
from service.cli.db import db
from service.cli.keys import keys
from service.cli.options import refuse

app = typer.Typer(
    help="Which regularization to use on your data, how much of it, and how sure that is.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    study_files.run,
    compare,
    results.report,
    results.export,
    results.model,
    results.snippet,
    results.predict,
    study_files.submit,
    studies.watch,
    studies.studies,
    studies.show,
    studies.trials,
    studies.pause,
    studies.resume,
    studies.stop,
    studies.delete,
    serving.serve,
    serving.worker,
    serving.demo,
):
    app.command()(command)
app.add_typer(datasets, name="datasets")
app.add_typer(keys, name="keys")
app.add_typer(db, name="db")


def _show_version(wanted: bool) -> None:
    if wanted:
        from service.version import VERSION

        print(VERSION)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # its callback prints it
        bool, typer.Option("--version", help="Show the version and leave.", callback=_show_version, is_eager=True)
    ] = False,
) -> None: ...


def main() -> None:
    """Run the command; a user's mistake is told in one clear line and exits with 2."""
    from service.errors import ServiceError
    from studies.errors import StudiesError

    try:
        app()
    except ServiceError as error:
        refuse(str(error))
    except StudiesError as error:
        refuse(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
