"""Runs one study in the foreground, without a server: the same store, the same workers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console

from service import submission
from service.cli import terminal
from service.cli.local_files import dataset_kind, keep_dataset
from service.cli.next_step import next_step_here
from service.cli.options import warn_of
from service.cli.terminal_comparison import show_comparison
from service.errors import ConflictError, NameInUseError, WorkersFailedError
from service.schemas.studies import StudyView
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.comparison_store import ComparisonStore
from service.storage.datasets import DatasetStore
from service.storage.pagination import Sort
from service.storage.records import StudyRecord
from service.storage.states import ACTIVE_COMPARISON, ComparisonState, StudyState
from service.storage.store import Store
from service.views import comparison_view, study_views, trial_view
from service.worker.fleet import Fleet
from studies.analysis import techniques
from studies.spec.comparison import ComparisonSpec
from studies.spec.study import StudySpec


def run_study(document: Mapping[str, Any], settings: Settings, file: Path, model: Path | None = None) -> int:
    """Run the study that a file describes, perhaps with the model of another file, to its end; return the exit status.

    A study of the same name and the same description is resumed.
    """
    # Before the database is made: a wrong study file leaves nothing behind. A file of the user's is read into it first.
    with_own_dataset = dataset_kind(document) in ("file", "uploaded")
    checked = None if with_own_dataset else submission.check(document, settings)
    with closing(Store(settings.database_url)) as store:
        spec = checked or _check_with_dataset(store, document, settings, file.parent)
        return _run(store, spec, settings, _command(file, model))


def _run(store: Store, spec: StudySpec, settings: Settings, command: str) -> int:
    """Accept or resume a study, run it with a fleet of workers, and show it; return the exit status."""
    name = _begin_or_resume(store, spec)
    fleet = Fleet(settings, max(settings.workers, 1), name)
    console = Console()
    warn_of(study_views(store, [store.study(name)])[0])
    fleet.start()

    def look() -> StudyView:
        fleet.check()
        return study_views(store, [store.study(name)])[0]

    try:
        study = terminal.follow(console, look)
    except WorkersFailedError as error:
        print(f"regsweep: {error}\nregsweep: '{name}' is kept; the same command goes on with it", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        console.print(f"Interrupted; the same command goes on with '{name}'.")
        return 130
    finally:
        fleet.stop()
    return _show(store, console, study, next_step_here(study, settings, command))


def _show(store: Store, console: Console, study: StudyView, next_step: str) -> int:
    """Show an ended study and the step that follows; return the exit status."""
    trials = store.trials(study.name, (), Sort.parse("number"), study.progress.trials, None)
    front = store.best(store.study(study.name))
    terminal.show_study(console, study, map(trial_view, trials.items), [trial_view(trial) for trial in front])
    if study.comparison is not None:
        show_comparison(console, comparison_view(store, study.name))
    console.print(next_step, highlight=False, markup=False, soft_wrap=True)
    compared = study.comparison is None or study.comparison.state == ComparisonState.COMPLETED
    return 0 if study.state == StudyState.COMPLETED and study.progress.complete and compared else 1


def _check_with_dataset(store: Store, document: Mapping[str, Any], settings: Settings, folder: Path) -> StudySpec:
    datasets = DatasetStore(store, Artifacts(settings.artifacts_url))
    if dataset_kind(document) == "file":
        document = keep_dataset(datasets, document, folder)
    return submission.check(document, settings, datasets.uploaded)


def _command(file: Path, model: Path | None) -> str:
    return f"regsweep run {quote(str(file))}" + ("" if model is None else f" --model {quote(str(model))}")


def _begin_or_resume(store: Store, spec: StudySpec) -> str:
    """Accept the study or, when it was accepted before, go on with it; return its name.

    Raises ConflictError when another study has the name.
    """
    alone = _without_comparison(spec)
    # The same description gets the same name, so that the same command goes on with it, also with a comparison.
    named = submission.with_name(spec, sha256(alone.model_dump_json().encode()).hexdigest())
    name = str(named.name)
    try:
        return store.create_study(named).name
    except NameInUseError:
        study = store.study(name)
        if _without_comparison(study.parsed_spec) != alone.named(name):
            raise ConflictError(
                f"another study is named '{name}'; choose another name, or delete that one first"
            ) from None
        _compare(store, study, spec)
        if study.state == StudyState.PAUSED or study.comparison_state in ACTIVE_COMPARISON:
            store.set_state(study.name, StudyState.RUNNING)
        return study.name


def _without_comparison(spec: StudySpec) -> StudySpec:
    return spec.model_copy(update={"comparison": None})


def _compare(store: Store, study: StudyRecord, spec: StudySpec) -> None:
    """Begin the comparison that the description has and the study lacks.

    A comparison that is all defaults accepts any that the study has.

    Raises ConflictError when the two differ.
    """
    if spec.comparison is None:
        return
    if study.comparison is None:
        ComparisonStore(store).begin(study.name, spec.comparison)
        return
    wanted, present = techniques.resolve(spec, spec.comparison), study.parsed_comparison
    if spec.comparison != ComparisonSpec() and wanted != present:
        raise ConflictError(
            f"study '{study.name}' has another comparison than this one, which is {study.comparison_state}; leave "
            "`comparison` as it was, or choose another name"
        )
