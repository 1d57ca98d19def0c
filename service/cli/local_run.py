"""Runs one study in the foreground, without a server: the same store, the same workers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from shlex import quote
from time import monotonic, sleep
from typing import Any

from service import submission
from service.cli import terminal
from service.cli.following import follow
from service.cli.local_files import LocalDataset, dataset_kind, read_dataset
from service.cli.looking import Look, looking_at
from service.cli.options import warn_of
from service.cli.output import say
from service.cli.source import Source, database_flags, say_if_new, user_access
from service.cli.summary import show_all
from service.errors import ConflictError, NameInUseError, NotFoundError, QuotaError, WorkersFailedError
from service.local import LocalStudies
from service.loggers.processes import LoggerProcesses
from service.resuming import begin_or_resume, other_than_asked
from service.schemas.studies import StudyView
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.datasets import DatasetStore
from service.storage.store import Store
from service.views.studies import study_views
from service.worker.fleet import Fleet
from studies.errors import InvalidSpecError
from studies.spec.study import StudySpec

_LOGGING_SECONDS, _LOOKS_SECONDS = 60.0, 0.5


def run_study(document: Mapping[str, Any], settings: Settings, file: Path, model: Path | None = None) -> int:
    """Run the study that a file describes, perhaps with the model of another file, to its end; return the exit status.

    A study of the same name and the same description is resumed.
    """
    kind = dataset_kind(document)
    # Before the database is made: a wrong study file leaves nothing behind. Only a database knows uploaded datasets.
    local = read_dataset(document, file.parent) if kind == "file" else None
    checked: StudySpec | None = None
    if local is not None:
        checked = local.check(document, settings)
    elif kind != "uploaded":
        checked = submission.check(document, settings)
    say_if_new(settings)
    with closing(Store(settings.database_url, user_access(settings))) as store:
        artifacts = Artifacts(settings.artifacts_url)
        datasets = DatasetStore(store, artifacts)
        spec = checked or submission.check(document, settings, datasets.uploaded)
        flags = database_flags(settings)
        try:
            name = (
                begin_or_resume(store, spec, settings.project)
                if local is None
                else _begin_with_file(store, datasets, spec, local, settings.project)
            )
        except NameInUseError as error:
            if error.extension:
                error.add_note(f"extend it: regsweep extend {quote(str(spec.name))}{error.extension}{flags}")
            raise
        if more := other_than_asked(store.study(name), spec):
            say(f"regsweep: '{name}' {more}; it goes on with these", file=sys.stderr)
        source = Source(LocalStudies(store, artifacts, settings), None, settings, flags)
        # Without its data, which does not change and is long to read of a wide table.
        return _run(source, name, lambda: study_views(store, [store.study(name)])[0], _command(file, model))


def _begin_with_file(
    store: Store, datasets: DatasetStore, spec: StudySpec, local: LocalDataset, project: str | None
) -> str:
    """Keep the file of a study, and begin or resume the study; keep neither when the study is refused."""
    kept, is_new = datasets.add(local.upload, local.name, local.format, local.options, local.profile, project)
    # As it was described when it was first kept, by which an earlier run knows it again.
    dataset = datasets.uploaded(kept.name, kept.version)
    try:
        return begin_or_resume(store, spec.model_copy(update={"dataset": dataset}), project)
    except (ConflictError, InvalidSpecError, NotFoundError, QuotaError):
        if is_new:
            datasets.delete(kept.name, kept.version)
        raise


def _run(source: Source, name: str, read: Callable[[], StudyView], command: str) -> int:
    """Run a study with a fleet of workers, and show it; return the exit status."""
    fleet = Fleet(source.settings, max(source.settings.workers, 1), name)
    loggers = LoggerProcesses(source.settings)
    console = terminal.open_console()
    warn_of(source.studies.study(name), shown=True)
    fleet.start()
    loggers.start()
    look_at_study = looking_at(source.studies, name, read)

    def look() -> Look:
        fleet.check()
        # Its workers are on their way before they show themselves.
        return replace(look_at_study(), workers=None)

    try:
        follow(console, look)
        _await_loggers(source, name)
    except WorkersFailedError as error:
        say(f"regsweep: {error}\nregsweep: '{name}' is kept; the same command goes on with it", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        console.print(f"Interrupted; the same command goes on with '{name}'.", markup=False)
        return 130
    finally:
        fleet.stop()
        loggers.stop()
    study = source.studies.study(name)
    show_all(console, source, study, command)
    return terminal.exit_status(study)


def _await_loggers(source: Source, name: str) -> None:
    """Wait until all is logged, or a tracker fails; what is not logged then is logged by the next run, or a server."""
    settings, ends = source.settings, monotonic() + _LOGGING_SECONDS
    asked = {*settings.loggers, *source.studies.study(name).spec.get("loggers", ())}
    wanted = asked.intersection(settings.trackers)
    while monotonic() < ends:
        states = {logger.tracker: logger.state for logger in source.studies.study(name).loggers}
        if all(states.get(tracker) in {"logged", "failing"} for tracker in wanted):
            return
        sleep(_LOOKS_SECONDS)


def _command(file: Path, model: Path | None) -> str:
    return f"regsweep run {quote(str(file))}" + ("" if model is None else f" --model {quote(str(model))}")
