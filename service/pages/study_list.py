"""What the first page shows: the studies, the parts of their comparisons, and how to begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.names import DEFAULT_PROJECT
from service.pages import phrases
from service.pages.worker_section import WorkerSection, worker_section
from service.schemas.studies import StudyView
from service.storage.comparison_store import ComparisonStore
from service.storage.pagination import Cursor
from service.storage.progress import Progress
from service.storage.projects import ProjectStore
from service.storage.records import StudyRecord
from service.storage.states import StudyState
from service.storage.store import Store
from service.views.studies import study_views
from studies.analysis.labels import label

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class PartRow:
    """A part of a comparison."""

    name: str
    title: str  # the technique, or "confirmation"
    state: str
    done: int
    trials: int


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study in the list."""

    name: str
    state: str
    waits_for: str  # a worker that is not there
    problem: str  # that keeps workers or the dashboard from it
    done: int
    trials: int
    left: str  # empty when it has ended, or nothing is known yet
    comparison: str  # its state; empty without one
    answer: str
    objective: str
    best: str
    age: str
    created: str
    who: str
    project: str
    parts: Sequence[PartRow]


@dataclass(frozen=True, slots=True)
class StudyList:
    """A page of the list."""

    rows: Sequence[StudyRow]
    next: str | None
    is_filtered: bool
    state: str
    name_part: str
    states: Sequence[str]
    workers: WorkerSection
    projects: Sequence[str]  # that can be chosen; empty where everything is in `default`
    project: str  # that is chosen; empty for all

    @property
    def has_who(self) -> bool:
        """Whether a study came with a key, whose name says who submitted it."""
        return any(row.who for row in self.rows)


def study_list(
    store: Store, state: StudyState | None, name_part: str, project: str | None, cursor: str | None
) -> StudyList:
    """Read a page of the list, of all projects or of one.

    Raises BadRequestError or OtherListingError when the cursor is none of this list's, NotFoundError when there is no
    such project.
    """
    after = None if cursor is None else Cursor.decode(cursor)
    page = store.studies(state, PAGE_SIZE, after, name_part, project)
    parts = ComparisonStore(store).parts_by_study(page.items)
    counts = store.progress([part for each in parts.values() for part in each])
    rows = [
        _row(view, _part_rows(parts[study.id], counts))
        for study, view in zip(page.items, study_views(store, page.items), strict=True)
    ]
    is_filtered = state is not None or bool(name_part) or project is not None or cursor is not None
    states, workers = tuple(StudyState), worker_section(store)
    projects = [] if (names := ProjectStore(store).names()) == [DEFAULT_PROJECT] else names
    return StudyList(rows, page.next, is_filtered, state or "", name_part, states, workers, projects, project or "")


def _row(view: StudyView, parts: Sequence[PartRow]) -> StudyRow:
    overall, comparison = view.overall, view.comparison
    return StudyRow(
        name=view.name,
        state=view.state,
        waits_for=view.waits_for or "",
        problem=view.problem or "",
        done=overall.done,
        trials=view.planned_trials,
        left=phrases.time_left(view),
        comparison="" if comparison is None else comparison.state,
        answer=view.answer or "",
        objective=view.spec["objectives"][0],
        best="" if view.best is None else phrases.number(view.best.value),
        age=phrases.age(view.created_at),
        created=phrases.time_tag(view.created_at),
        who=view.created_by or "",
        project=view.project,
        parts=parts,
    )


def _part_rows(parts: Sequence[StudyRecord], counts: Mapping[int, Progress]) -> list[PartRow]:
    return [
        PartRow(
            name=part.name,
            title="confirmation" if part.technique is None else label(part.technique),
            state=part.state,
            done=counts[part.id].complete + counts[part.id].pruned + counts[part.id].failed,
            trials=counts[part.id].trials,
        )
        for part in parts
    ]
