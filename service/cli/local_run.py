"""Runs one study in the foreground, without a server: the same store, the same workers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console

from service import submission
from service.cli import terminal
from service.cli.local_files import LocalDataset, dataset_kind, read_dataset
from service.cli.next_step import next_step_here
from service.cli.options import warn_of
from service.cli.terminal_comparison import show_comparison
from service.errors import ConflictError, WorkersFailedError
from service.resuming import begin_or_resume
from service.schemas.studies import StudyView
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.datasets import DatasetStore
from service.storage.pagination import Sort
from service.storage.store import Store
from service.views import comparison_view, one_study_view, study_views, trial_view
from service.worker.fleet import Fleet
from studies.errors import InvalidSpecError
from studies.spec.study import StudySpec


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
    with closing(Store(settings.database_url)) as store:
        datasets = DatasetStore(store, Artifacts(settings.artifacts_url))
        spec = checked or submission.check(document, settings, datasets.uploaded)
        name = begin_or_resume(store, spec) if local is None else _begin_with_file(store, datasets, spec, local)
        return _run(store, name, settings, _command(file, model))


def _begin_with_file(store: Store, datasets: DatasetStore, spec: StudySpec, local: LocalDataset) -> str:
    """Keep the file of a study, and begin or resume the study; keep neither when the study is refused."""
    kept, is_new = datasets.add(local.upload, local.name, local.format, local.options, local.profile)
    # As it was described when it was first kept, by which an earlier run knows it again.
    dataset = datasets.uploaded(kept.name, kept.version)
    try:
        return begin_or_resume(store, spec.model_copy(update={"dataset": dataset}))
    except (ConflictError, InvalidSpecError):
        if is_new:
            datasets.delete(kept.name, kept.version)
        raise


def _run(store: Store, name: str, settings: Settings, command: str) -> int:
    """Run a study with a fleet of workers, and show it; return the exit status."""
    fleet = Fleet(settings, max(settings.workers, 1), name)
    console = Console()
    warn_of(one_study_view(store, store.study(name)))
    fleet.start()

    def look() -> StudyView:
        fleet.check()
        return study_views(store, [store.study(name)])[0]

    try:
        terminal.follow(console, look)
    except WorkersFailedError as error:
        print(f"regsweep: {error}\nregsweep: '{name}' is kept; the same command goes on with it", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        console.print(f"Interrupted; the same command goes on with '{name}'.")
        return 130
    finally:
        fleet.stop()
    study = one_study_view(store, store.study(name))  # with its data, which no look in between has to read
    return _show(store, console, study, next_step_here(study, settings, command))


def _show(store: Store, console: Console, study: StudyView, next_step: str) -> int:
    """Show an ended study and the step that follows; return the exit status."""
    trials = store.trials(study.name, (), Sort.parse("number"), study.progress.trials, None)
    front = store.best(store.study(study.name))
    terminal.show_study(console, study, map(trial_view, trials.items), [trial_view(trial) for trial in front])
    if study.comparison is not None:
        show_comparison(console, comparison_view(store, study.name))
    console.print(next_step, highlight=False, markup=False, soft_wrap=True)
    return terminal.exit_status(study)


def _command(file: Path, model: Path | None) -> str:
    return f"regsweep run {quote(str(file))}" + ("" if model is None else f" --model {quote(str(model))}")
