"""Studies read and steered in the database itself, without a server: with the methods and views of a client."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from service import limits, snippets, trials_file
from service.conversion import convert
from service.errors import BadRequestError
from service.export import ExportFormat, bundle, model_path
from service.schemas.changes import ChangeView
from service.schemas.comparisons import ComparisonView
from service.schemas.projects import ProjectView
from service.schemas.studies import StudyView
from service.schemas.trials import CurveView, TrialView
from service.schemas.workers import WorkersView
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.dataset_files import check_file_kept
from service.storage.pagination import Cursor, Page, Sort
from service.storage.projects import ProjectStore
from service.storage.records import TrialRecord
from service.storage.reports import ReportFormat, Reports
from service.storage.states import StudyState
from service.storage.store import Store
from service.trained_models import check_candidate, find_delivered, find_trial
from service.trials_file import TrialsFormat
from service.views.changes import change_view
from service.views.comparisons import comparison_view
from service.views.projects import project_view
from service.views.studies import listed_views, one_study_view
from service.views.trials import curve_view, curve_views, trial_view
from service.views.workers import workers_view
from studies.spec.budget import extension
from studies.spec.name import NAME_RULE, is_name, normalize

_PAGE = 500
_STATES = {"pause": StudyState.PAUSED, "resume": StudyState.RUNNING, "stop": StudyState.STOPPED}


class LocalStudies:
    """The studies of a database.

    Methods that take a name raise NotFoundError when no study has it.
    """

    def __init__(self, store: Store, artifacts: Artifacts, settings: Settings) -> None:
        self._store, self._artifacts, self._settings = store, artifacts, settings

    def study(self, name: str) -> StudyView:
        """One study."""
        return one_study_view(self._store, self._store.study(name))

    def studies(self, *, project: str | None = None) -> Iterator[StudyView]:
        """All studies, or those of a project, newest first."""
        cursor: Cursor | None = None
        while True:
            page = self._store.studies(None, _PAGE, cursor, project=project)
            yield from listed_views(self._store, page.items)
            if page.next is None:
                return
            cursor = Cursor.decode(page.next)

    def trials(self, name: str) -> Iterator[TrialView]:
        """All trials of a study that have started, by number."""
        cursor: Cursor | None = None
        while True:
            page: Page[TrialRecord] = self._store.trials(name, (), Sort.parse("number"), _PAGE, cursor)
            yield from map(trial_view, page.items)
            if page.next is None:
                return
            cursor = Cursor.decode(page.next)

    def curve(self, name: str, number: int) -> CurveView:
        """A trial's learning curve.

        Raises NotFoundError when the trial gave none.
        """
        return curve_view(self._store, name, number)

    def curves(self, name: str, numbers: Sequence[int]) -> list[CurveView]:
        """The learning curves of some trials, by number; those that gave none are left out."""
        return curve_views(self._store, name, numbers)

    def trials_file(self, name: str, kind: TrialsFormat) -> bytes:
        """All trials of a study as a file."""
        return trials_file.write(self.trials(name), kind)

    def optuna_study(self, name: str) -> bytes:
        """A study as an SQLite file for `optuna.load_study`."""
        from service.storage import optuna_file

        return optuna_file.write(self._store, name)

    def best(self, name: str) -> list[TrialView]:
        """The best trial or the Pareto front."""
        return [trial_view(trial) for trial in self._store.best(self._store.study(name))]

    def comparison(self, name: str) -> ComparisonView:
        """A study's comparison.

        Raises NotFoundError when it has none.
        """
        return comparison_view(self._store, name)

    def report(self, name: str) -> str:
        """A study's report, an HTML page."""
        return self._report(name, "html").decode()

    def report_data(self, name: str) -> dict[str, Any]:
        """What a study's report is made of."""
        data: dict[str, Any] = json.loads(self._report(name, "json"))
        return data

    def _report(self, name: str, kind: ReportFormat) -> bytes:
        reports = Reports(self._store, self._artifacts)
        return reports.read(reports.version(name, kind), kind)

    def model(self, name: str, technique: str | None = None) -> bytes:
        """A trained model, a .keras file: the best trial's, or a compared technique's.

        Raises NotFoundError when there is none, BadRequestError when a technique has not this name.
        """
        return self._artifacts.read(model_path(self._trained(name, technique)[1]))

    def export(self, name: str, technique: str | None = None, *, file_format: ExportFormat = "zip") -> bytes:
        """A model with its preprocessing, a zip, or as one model that takes raw rows, which loads TensorFlow here.

        Raises DatasetError when the model cannot be had in that format; else see `model`.
        """
        title, trial = self._trained(name, technique)
        content = bundle(self._artifacts, trial, self._store.detail(trial), title)
        return content if file_format == "zip" else convert(content, file_format, self._settings.max_parameters)

    def _trained(self, name: str, technique: str | None) -> tuple[str, TrialRecord]:
        """The title of a trained model, and its trial."""
        if technique is None:
            trial = find_trial(self._store, name, None)[1]
            return f"{name} {trial.number}", trial
        candidate, trial = find_delivered(self._store, name, _candidate(technique))
        return f"{name} {candidate}", trial

    def snippet(self, name: str, technique: str | None = None) -> str:
        """Keras code of the best trial, or of a compared technique; see `model`."""
        if technique is None:
            return snippets.trial_code(self._store, name, None)
        return snippets.candidate_code(self._store, name, _candidate(technique))

    def workers(self) -> WorkersView:
        """The workers that are alive, of all that use the database."""
        return workers_view(self._store)

    def set_state(self, name: str, action: str) -> StudyView:
        """Pause, resume or stop a study.

        Raises ConflictError when its state does not allow that.
        """
        return one_study_view(self._store, self._store.set_state(name, _STATES[action]))

    def change(
        self,
        name: str,
        *,
        priority: int | None = None,
        max_workers: float | None = None,
        trials: int | None = None,
        timeout_seconds: float | None = None,
    ) -> StudyView:
        """Change a study's priority or its most workers, or give it more trials, or more time, in all.

        `inf` is no limit, of workers or of seconds. One that has ended runs again when it is given more.

        Raises InvalidSpecError when the budget would shrink or exceed a limit, ConflictError when it cannot go on.
        """
        budget = extension(trials, timeout_seconds)
        if budget:
            limits.check_trials(trials or 0, self._settings)
            check_file_kept(self._artifacts, self._store.study(name).parsed_spec.dataset)
        changed = self._store.change(
            name,
            priority=priority,
            max_workers=max_workers,
            budget=budget,
            max_active=self._settings.max_active_studies,
        )
        return one_study_view(self._store, changed)

    def delete(self, name: str, *, force: bool) -> None:
        """Delete a study with its trials, its comparison and its models.

        Raises ConflictError when it has not ended, unless `force`.
        """
        self._artifacts.remove_studies(self._store.delete_study(name, force=force))

    def changes(self, name: str) -> Iterator[ChangeView]:
        """What was done with a study, the latest first."""
        cursor: Cursor | None = None
        while True:
            page = self._store.changes(name, _PAGE, cursor)
            yield from map(change_view, page.items)
            if page.next is None:
                return
            cursor = Cursor.decode(page.next)

    def projects(self) -> list[ProjectView]:
        """The projects, by name."""
        return [project_view(project) for project in ProjectStore(self._store).list_projects().items]

    def create_project(self, name: str, **quotas: int | None) -> ProjectView:
        """Make a project.

        Raises ConflictError when there is one of this name, BadRequestError when no project may have it.
        """
        if not is_name(normalize(name)):
            raise BadRequestError("name", NAME_RULE)
        return project_view(ProjectStore(self._store).create(normalize(name), quotas))

    def change_project(self, name: str, **quotas: int | None) -> ProjectView:
        """Give a project quotas of its own; None gives it those of the settings again."""
        return project_view(ProjectStore(self._store).change(name, quotas))

    def delete_project(self, name: str) -> None:
        """Delete a project.

        Raises ConflictError when it is `default`, or has studies, datasets or keys.
        """
        ProjectStore(self._store).delete(name)


def _candidate(technique: str) -> str:
    try:
        return check_candidate(technique)
    except ValueError as error:
        raise BadRequestError("technique", str(error)) from None
