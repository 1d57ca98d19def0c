"""Runs one study in the foreground, without a server: the same store, the same workers."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from rich.console import Console

from service import limits, terminal
from service.errors import ConflictError, NameInUseError
from service.local_files import dataset_kind, kept
from service.routes.comparisons import view
from service.routes.studies import made_up_name, views
from service.schemas import StudyView, trial_view
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.comparisons import ACTIVE_COMPARISON
from service.storage.datasets import DatasetStore
from service.storage.pages import Sort
from service.storage.store import Store
from service.worker.fleet import Fleet
from studies.spec import StudySpec
from studies.study_file import document, parse


def run_study(file: Path, settings: Settings, model: Path | None = None) -> int:
    """Run the study of a file, perhaps with the model of another, to its end and show it; the exit status.

    A study of the same name and the same description is gone on with.
    """
    given = document(file, model)
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

    def look() -> StudyView:
        return views(store, [store.study(name)])[0]

    fleet = Fleet(settings, max(settings.workers, 1), name)
    fleet.start()
    try:
        study = terminal.follow(console, look)
    except KeyboardInterrupt:
        console.print(f"Interrupted; the same command goes on with '{name}'.")
        return 130
    finally:
        fleet.stop()
    trials = store.trials(name, (), Sort.parse("number"), study.progress.trials, None)
    front = store.best(store.study(name))
    terminal.show_study(console, study, map(trial_view, trials.items), [trial_view(trial) for trial in front])
    if study.comparison is not None:
        terminal.show_comparison(console, view(store, name))
    store.close()
    return 0 if study.state == "completed" and study.progress.complete else 1


def _accepted(store: Store, spec: StudySpec) -> str:
    # The same description has the same name, so that the same command goes on with it.
    spec = spec if spec.name else spec.named(made_up_name(spec, sha256(spec.model_dump_json().encode()).hexdigest()))
    try:
        return store.create_study(spec).name
    except NameInUseError:
        study = store.study(str(spec.name))
        if StudySpec.model_validate(study.spec) != spec:
            raise ConflictError(
                f"another study is named '{spec.name}'; choose another name, or delete that one first"
            ) from None
        if study.state == "paused" or study.comparison_state in ACTIVE_COMPARISON:
            store.move(study.name, "running")
        return study.name
