"""The command `regsweep`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from service.cli import changing, results, serving, studies, study_files
from service.cli.compare import compare
from service.cli.datasets import datasets
from service.cli.db import db
from service.cli.exporting import export
from service.cli.exporting_raw_rows import convert
from service.cli.importing import imports
from service.cli.init import init
from service.cli.keys import keys
from service.cli.options import refuse
from service.cli.output import say
from service.cli.projects import projects
from service.cli.validate import validate
from service.cli.webhooks import webhooks

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
    results.model,
    results.snippet,
    results.predict,
    convert,
    study_files.submit,
    validate,
    init,
    studies.watch,
    studies.studies,
    studies.show,
    studies.trials,
    studies.pause,
    studies.resume,
    studies.stop,
    changing.extend,
    changing.change,
    studies.workers,
    studies.delete,
    serving.serve,
    serving.worker,
    serving.demo,
):
    app.command()(command)
app.add_typer(export, name="export")
app.add_typer(imports, name="import")
app.add_typer(datasets, name="datasets")
app.add_typer(keys, name="keys")
app.add_typer(projects, name="projects")
app.add_typer(webhooks, name="webhooks")
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
    """Run the command; a user's mistake is told in clear lines, one a wrong field, and exits with 2."""
    from service.errors import (
        ExtraMissingError,
        NameInUseError,
        NoWorkerError,
        ServiceError,
        UnauthenticatedError,
        UnreachableError,
    )
    from service.extras import extra_of
    from studies.errors import InvalidSpecError, StudiesError

    try:
        app()
    except UnreachableError as error:
        refuse(f"{error}; start one with `regsweep serve`, or name it with --server")
    except UnauthenticatedError as error:
        said = f"{str(error).partition(';')[0]}; give one with --key, REGSWEEP_KEY or REGSWEEP_KEY_FILE"
        refuse(_with_notes(error, said))
    except NoWorkerError as error:  # nothing is wrong with the request
        say(f"regsweep: {error}", file=sys.stderr)
        sys.exit(1)
    except NameInUseError as error:  # its sentence names the fields that differ, and what to do
        refuse(_with_notes(error, str(error)))
    except (ServiceError, InvalidSpecError) as error:
        said = "\n".join(f"{e.field}: {e.message}".removeprefix(": ") for e in error.fields) or str(error)
        refuse(_with_notes(error, said))
    except StudiesError as error:
        refuse(str(error))
    except ModuleNotFoundError as error:
        extra = extra_of(error)
        if extra is None:
            raise
        # These train or predict, and need more than the server's packages.
        if extra == "server" and {*sys.argv[1:2]} & {"convert", "demo", "predict", "run", "worker"}:
            extra = "worker"
        refuse(str(ExtraMissingError("this command", str(error.name), extra)))
    except KeyboardInterrupt:
        sys.exit(130)


def _with_notes(error: Exception, said: str) -> str:
    return "\n".join([said, *getattr(error, "__notes__", ())])


if __name__ == "__main__":
    main()
