"""Runs one study in the foreground, without a server: the same store, the same workers."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console

from service import limits
from service.api.routes.comparisons import view
from service.api.routes.studies import made_up_name, views
from service.cli import terminal
from service.cli.local_files import dataset_kind, kept
from service.cli.next_step import next_step_here
from service.cli.terminal_comparison import show_comparison
from service.errors import ConflictError, NameInUseError
from service.schemas import trial_view
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.comparison_store import ComparisonStore
from service.storage.datasets import DatasetStore
from service.storage.pagination import Sort
from service.storage.records import StudyRecord
from service.storage.states import ACTIVE_COMPARISON, ComparisonState, StudyState
from service.storage.store import Store
from service.worker.fleet import Fleet
from studies.analysis import techniques
from studies.spec.comparison import ComparisonSpec
from studies.spec.study import StudySpec
from studies.study_file import parse


def run_study(given: Mapping[str, Any], settings: Settings, file: Path, model: Path | None = None) -> int:
    """Run a study as a file describes it, perhaps with the model of another, to its end; the exit status.

    A study of the same name and the same description is gone on with.
    """
    if dataset_kind(given) not in ("file", "uploaded"):
        limits.check(parse(given), settings)  # what is wrong is said before a database is made
    console = Console()
    store = Store(settings.database_url)
    datasets = DatasetStore(store, Artifacts(settings.artifacts_url))
    if dataset_kind(given) == "file":
        given = kept(datasets, given, file.parent)
    spec = parse(given, datasets.uploaded)
    limits.check(spec, settings)
    name = _accepted(store, spec)
    fleet = Fleet(settings, max(settings.workers, 1), name)
    fleet.start()
    try:
        study = terminal.follow(console, lambda: views(store, [store.study(name)])[0])
    except KeyboardInterrupt:
        console.print(f"Interrupted; the same command goes on with '{name}'.")
        return 130
    finally:
        fleet.stop()
    trials = store.trials(name, (), Sort.parse("number"), study.progress.trials, None)
    front = store.best(store.study(name))
    terminal.show_study(console, study, map(trial_view, trials.items), [trial_view(trial) for trial in front])
    if study.comparison is not None:
        show_comparison(console, view(store, name))
    console.print(next_step_here(study, settings, _command(file, model)), highlight=False, markup=False, soft_wrap=True)
    store.close()
    compared = study.comparison is None or study.comparison.state == ComparisonState.COMPLETED
    return 0 if study.state == StudyState.COMPLETED and study.progress.complete and compared else 1


def _command(file: Path, model: Path | None) -> str:
    return f"regsweep run {quote(str(file))}" + ("" if model is None else f" --model {quote(str(model))}")


def _accepted(store: Store, spec: StudySpec) -> str:
    alone = _alone(spec)
    # The same description has the same name, so that the same command goes on with it, also with a comparison.
    name = spec.name or made_up_name(spec, sha256(alone.model_dump_json().encode()).hexdigest())
    try:
        return store.create_study(spec.named(name)).name
    except NameInUseError:
        study = store.study(name)
        if _alone(study.parsed_spec) != alone.named(name):
            raise ConflictError(
                f"another study is named '{name}'; choose another name, or delete that one first"
            ) from None
        _compare(store, study, spec)
        if study.state == StudyState.PAUSED or study.comparison_state in ACTIVE_COMPARISON:
            store.set_state(study.name, StudyState.RUNNING)
        return study.name


def _alone(spec: StudySpec) -> StudySpec:
    return spec.model_copy(update={"comparison": None})


def _compare(store: Store, study: StudyRecord, spec: StudySpec) -> None:
    """Ask for the comparison that a description has and its study lacks; ConflictError when it has another.

    One that is asked for without a word of how is content with any.
    """
    if spec.comparison is None:
        return
    if study.comparison is None:
        ComparisonStore(store).ask(study.name, spec.comparison)
        return
    asked, there = techniques.settled(spec, spec.comparison), study.parsed_comparison
    if spec.comparison != ComparisonSpec() and asked != there:
        raise ConflictError(
            f"study '{study.name}' has another comparison than this one, which is {study.comparison_state}; leave "
            "`comparison` as it was, or choose another name"
        )
