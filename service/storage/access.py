"""Who works with the store, and the projects whose studies and datasets they see.

This is the one place that hides what is of other projects: a session that is limited here selects no study and no
dataset of them, whatever the statement, so that all that is found by a study's name or its id is found through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from service.errors import BadRequestError, NotFoundError
from service.names import DEFAULT_PROJECT
from service.settings import Settings
from service.storage.records import DatasetRecord, StudyRecord
from studies.spec.name import normalize

#: Execution options of a statement that needs the rows of every project, and hands none of them out.
EVERY_PROJECT: dict[str, Any] = {"regsweep_every_project": True}


@dataclass(frozen=True, slots=True)
class Quotas:
    """The most that a project may have; None for no limit."""

    active_studies: int | None = None  # that have not ended, or whose comparison has not
    waiting_trials: int | None = None  # of these studies and their comparisons
    stored_bytes: int | None = None  # of datasets and models

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The quotas that the settings give to projects without own ones."""
        return cls(settings.quota_active_studies, settings.quota_waiting_trials, settings.quota_stored_bytes)


@dataclass(frozen=True, slots=True)
class Access:
    """Who works with the store; `quotas` are those of projects that have none of their own."""

    name: str | None = None  # of the API key, or of the user at a command line; None where no key was needed
    key_id: str = ""  # empty without an API key
    projects: frozenset[str] | None = None  # None for every project
    quotas: Quotas = Quotas()

    def sees(self, project: str) -> bool:
        """Return whether a project is one of theirs."""
        return self.projects is None or project in self.projects

    def choose(self, asked: str | None) -> str:
        """The project that a submission goes to: the one that is asked for, else their only one, else `default`.

        Raises NotFoundError when they do not see it, BadRequestError when they have to name one of several.
        """
        if asked is not None:
            asked = normalize(asked)
            if not self.sees(asked):
                raise unknown_project(asked)
            return asked
        own = sorted(self.projects or ())
        if len(own) == 1:
            return own[0]
        if not self.sees(DEFAULT_PROJECT):
            raise BadRequestError("project", f"name one of this key's: {', '.join(own)}")
        return DEFAULT_PROJECT

    @contextmanager
    def limiting(self, session: Session) -> Iterator[None]:
        """Limit a session to what they see, for as long as the `with` block lasts."""
        self.limit(session)
        try:
            yield
        finally:
            if self.projects is not None:
                sa.event.remove(session, "do_orm_execute", self._limit)

    def limit(self, session: Session) -> None:
        """Limit a session to what they see."""
        if self.projects is not None:
            sa.event.listen(session, "do_orm_execute", self._limit)

    def _limit(self, state: ORMExecuteState) -> None:
        everything = EVERY_PROJECT.keys() & state.execution_options.keys()
        if state.is_select and not state.is_column_load and not everything:
            state.statement = state.statement.options(
                *(
                    with_loader_criteria(record, record.project.in_(self.projects or ()), include_aliases=True)
                    for record in (StudyRecord, DatasetRecord)
                )
            )


def unknown_project(name: str) -> NotFoundError:
    """The error of a project that does not exist, or that is not to be seen."""
    return NotFoundError(f"there is no project named '{name}'")
