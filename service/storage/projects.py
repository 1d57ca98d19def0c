"""Projects: make, list, change and delete them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service import audit
from service.errors import BadRequestError, ConflictError, ForbiddenError
from service.names import DEFAULT_PROJECT
from service.storage import quotas
from service.storage.clock import unix_now
from service.storage.keys import is_usable
from service.storage.locking import name_like
from service.storage.pagination import NO_CURSOR, Page
from service.storage.records import DatasetRecord, KeyRecord, ProjectRecord, StudyRecord, WebhookRecord
from service.storage.store import Store
from studies.spec.name import is_name


@dataclass(frozen=True, slots=True)
class ProjectState:
    """A project, and how much it has."""

    record: ProjectRecord
    studies: int
    datasets: int  # names, whatever the number of versions
    limits: Mapping[str, int | None]  # of each quota
    used: Mapping[str, int]


class ProjectStore:
    """Projects in the database.

    Every method is one transaction. Methods that take a name raise NotFoundError when no project that is to be seen has
    it. Those that change projects raise ForbiddenError for a key that is limited to some.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._access = store, store.access

    def list_projects(self, limit: int | None = None, cursor: str | None = None) -> Page[ProjectState]:
        """A page of the projects that are to be seen, by name; all without a limit. A cursor is the last name before.

        Raises BadRequestError when the cursor is no name.
        """
        query = sa.select(ProjectRecord).order_by(ProjectRecord.name)
        if self._access.projects is not None:
            query = query.where(ProjectRecord.name.in_(self._access.projects))
        if cursor is not None:
            if not is_name(cursor):
                raise BadRequestError("cursor", NO_CURSOR)
            query = query.where(ProjectRecord.name > cursor)
        if limit is not None:
            query = query.limit(limit + 1)  # the last shows that there are more
        with self._store.reading() as session:
            records = session.scalars(query).all()
            items = [self._state(session, one) for one in records[:limit]]
        return Page(items, items[-1].record.name if len(records) > len(items) else None)

    def names(self) -> list[str]:
        """The names of the projects that are to be seen."""
        with self._store.reading() as session:
            names = session.scalars(sa.select(ProjectRecord.name).order_by(ProjectRecord.name))
            return [name for name in names if self._access.sees(name)]

    def project(self, name: str) -> ProjectState:
        """One project."""
        with self._store.reading() as session:
            return self._state(session, quotas.find_project(session, self._access, name))

    def create(self, name: str, own: Mapping[str, int | None]) -> ProjectState:
        """Make a project with quotas of its own, where some are given.

        Raises ConflictError when there is one of this name, in letters of whatever case.
        """
        self._check_unlimited()
        with self._store.writing() as session:
            if (known := name_like(session, ProjectRecord.name, name)) is not None:
                raise ConflictError(f"a project named '{known}' exists; choose another name")
            session.add(ProjectRecord(name=name, created_by=self._access.name, created_at=unix_now(), **own))
        audit.record("project.created", project=name, **own)
        return self.project(name)

    def change(self, name: str, own: Mapping[str, int | None]) -> ProjectState:
        """Give a project quotas of its own; None gives it the server's again."""
        with self._store.writing() as session:
            record = quotas.find_project(session, self._access, name, lock=True)
            self._check_unlimited()
            for quota, limit in own.items():
                setattr(record, quota, limit)
            known = record.name
        # As the command line says it.
        told = {quota: "none" if limit is None else limit for quota, limit in own.items()}
        audit.record("project.changed", project=known, **told)
        return self.project(known)

    def delete(self, name: str) -> None:
        """Delete a project with its webhooks.

        Raises ConflictError when it is `default`, has studies or datasets, or is one that a usable key is limited to.
        """
        with self._store.writing() as session:
            record = quotas.find_project(session, self._access, name, lock=True)
            self._check_unlimited()
            if record.name == DEFAULT_PROJECT:
                raise ConflictError(f"the project '{name}' is that of what names none; it stays")
            state, keys = self._state(session, record), _usable_keys(session, record.name)
            if state.studies or state.datasets:
                has = f"studies ({state.studies}) or datasets ({state.datasets})"
                raise ConflictError(f"the project '{name}' has {has}; delete those first")
            if keys:
                raise ConflictError(f"the project '{name}' is that of the keys {', '.join(keys)}; revoke those first")
            session.execute(sa.delete(WebhookRecord).where(WebhookRecord.project == record.name))
            session.delete(record)
            known = record.name
        audit.record("project.deleted", project=known)

    def _state(self, session: Session, record: ProjectRecord) -> ProjectState:
        name = record.name
        studies = sa.select(sa.func.count()).where(StudyRecord.project == name, StudyRecord.parent_id.is_(None))
        datasets = sa.select(sa.func.count(DatasetRecord.name.distinct())).where(DatasetRecord.project == name)
        return ProjectState(
            record,
            session.scalar(studies) or 0,
            session.scalar(datasets) or 0,
            quotas.limits_of(record, self._access.quotas),
            {quota: quotas.count(session, quota, name) for quota in quotas.QUOTAS},
        )

    def _check_unlimited(self) -> None:
        if self._access.projects is not None:
            raise ForbiddenError("this key is limited to projects, and may neither make, change nor delete any")


def _usable_keys(session: Session, project: str) -> Sequence[str]:
    keys = session.scalars(sa.select(KeyRecord).where(is_usable()))
    return [f"'{key.name}'" for key in keys if project in (key.projects or ())]
