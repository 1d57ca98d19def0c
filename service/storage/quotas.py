"""Holds projects to their quotas: how much each has, and a check around whatever adds to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import QuotaError
from service.storage import locking
from service.storage.access import EVERY_PROJECT, Access, Quotas, unknown_project
from service.storage.records import DatasetRecord, ProjectRecord, StudyRecord, TrialRecord, has_name
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY, TrialState

_RETRY_SECONDS = 60  # nobody knows when there is room


def active_studies(session: Session, project: str) -> int:
    """The number of a project's studies that have not ended, or whose comparison has not."""
    active = sa.or_(StudyRecord.state.in_(ACTIVE_STUDY), StudyRecord.comparison_state.in_(ACTIVE_COMPARISON))
    of_project = StudyRecord.project == project, StudyRecord.parent_id.is_(None)
    query = sa.select(sa.func.count()).select_from(StudyRecord).where(active, *of_project)
    return session.scalar(query, execution_options=EVERY_PROJECT) or 0


def waiting_trials(session: Session, project: str) -> int:
    """The number of trials that wait for a worker in a project's studies and their comparisons."""
    active = sa.select(StudyRecord.id).where(StudyRecord.project == project, StudyRecord.state.in_(ACTIVE_STUDY))
    waits = TrialRecord.study_id.in_(active), TrialRecord.state == TrialState.WAITING
    query = sa.select(sa.func.count()).select_from(TrialRecord).where(*waits)
    return session.scalar(query, execution_options=EVERY_PROJECT) or 0


def stored_bytes(session: Session, project: str) -> int:
    """The bytes of a project's datasets, each file once, and of its studies' models."""
    files = sa.select(DatasetRecord.digest, sa.func.max(DatasetRecord.bytes).label("bytes"))
    files_of_project = files.where(DatasetRecord.project == project).group_by(DatasetRecord.digest).subquery()
    studies = sa.select(StudyRecord.id).where(StudyRecord.project == project)
    models = sa.select(sa.func.sum(TrialRecord.model_bytes)).where(
        TrialRecord.study_id.in_(studies), sa.literal_column("model IS NOT NULL")
    )
    sums = sa.select(sa.func.sum(files_of_project.c.bytes)), models
    return sum(int(session.scalar(each, execution_options=EVERY_PROJECT) or 0) for each in sums)


#: What counts each quota, what it counts, and what makes room.
_COUNTED: Mapping[str, tuple[Callable[[Session, str], int], str, str]] = MappingProxyType(
    {
        "active_studies": (active_studies, "studies that have not ended", "a study that ends, or is stopped"),
        "waiting_trials": (waiting_trials, "waiting trials", "a trial that runs, or a study that is stopped"),
        "stored_bytes": (stored_bytes, "bytes of datasets and models", "a dataset or a study, once deleted"),
    }
)
QUOTAS = tuple(_COUNTED)


def find_project(session: Session, access: Access, name: str, *, lock: bool = False) -> ProjectRecord:
    """Find a project that is to be seen, and lock it until commit if asked.

    Raises NotFoundError when there is none of this name.
    """
    query = sa.select(ProjectRecord).where(has_name(ProjectRecord.name, name))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    record = session.scalar(query)
    if record is None or not access.sees(record.name):
        raise unknown_project(name)
    return record


def count(session: Session, quota: str, project: str) -> int:
    """How much a project has of what a quota limits."""
    return _COUNTED[quota][0](session, project)


def limits_of(project: ProjectRecord, defaults: Quotas) -> dict[str, int | None]:
    """The quotas of a project: its own, else the server's."""
    return {name: own if (own := getattr(project, name)) is not None else getattr(defaults, name) for name in QUOTAS}


@contextmanager
def admitting(session: Session, access: Access, project: str) -> Iterator[None]:
    """Lock a project until commit, and refuse what the `with` block adds where it then has more than its quotas.

    Raises NotFoundError when there is no such project, QuotaError when it has more than a quota.
    """
    locking.lock_admission(session)
    record = find_project(session, access, project, lock=True)
    project, defaults = record.name, access.quotas
    limits = {name: limit for name, limit in limits_of(record, defaults).items() if limit is not None}
    before = {name: count(session, name, project) for name in limits}
    yield
    for name, limit in limits.items():
        _check(project, name, limit, before[name], count(session, name, project))


def check_room(session: Session, access: Access, project: str, size: int) -> None:
    """Check that a project has room for a file of so many bytes, as far as that is known before the file is.

    Raises NotFoundError when there is no such project, QuotaError when it would have more than its quota.
    """
    record = find_project(session, access, project)
    limit = limits_of(record, access.quotas)["stored_bytes"]
    if limit is None:
        return
    same_size = sa.select(DatasetRecord.id).where(DatasetRecord.project == record.name, DatasetRecord.bytes == size)
    if session.scalar(same_size.limit(1)) is None:  # else it may be a file that it has
        stored = stored_bytes(session, record.name)
        _check(record.name, "stored_bytes", limit, stored, stored + size)


def _check(project: str, quota: str, limit: int, before: int, after: int) -> None:
    """Raise QuotaError when a project would have more than its quota."""
    if after > limit:
        _, counted, frees = _COUNTED[quota]
        room = f"{frees}, makes room" if after - before <= limit else "alone it is more than the quota"
        raise QuotaError(
            f"project '{project}' has {before:,} of at most {limit:,} {counted} (quota {quota}), and would "
            f"have {after:,}; {room}",
            _RETRY_SECONDS,
        )
