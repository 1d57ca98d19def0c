"""Studies, and what was done with them."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.orm import Mapped, mapped_column

from service.names import DEFAULT_PROJECT
from service.storage.records.table import Record, one_of
from service.storage.states import ACTIVE_COMPARISON, ENDED_STUDY, ComparisonState, StudyState
from studies.spec.comparison import ComparisonSpec
from studies.spec.study import StudySpec

#: Queries must state it word for word, see `unpublished`.
_UNPUBLISHED = sa.text("parent_id IS NULL AND presented IS NULL")

Model = TypeVar("Model", bound=BaseModel)


class StudyRecord(Record):
    """A study. Instants are seconds since 1970, UTC, by the database's clock."""

    __tablename__ = "regsweep_studies"
    __table_args__ = (
        sa.Index("ix_regsweep_studies_parent", "parent_id"),
        sa.Index("ix_regsweep_studies_project", "project", "id"),
        sa.Index("ix_regsweep_studies_state", "state", "parent_id"),
        # Idle workers ask for them again and again: those that have ended are most studies, and nearly all published.
        # By the same columns as the index above, or SQLite takes that one.
        sa.Index(
            "ix_regsweep_studies_unpublished",
            *("state", "parent_id"),
            sqlite_where=_UNPUBLISHED,
            postgresql_where=_UNPUBLISHED,
        ),
        {"sqlite_autoincrement": True},  # a deleted study's id names its artifacts and is never reused
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(140), unique=True)  # the Optuna study has the same
    project: Mapped[str] = mapped_column(sa.String(100), server_default=DEFAULT_PROJECT)
    state: Mapped[StudyState] = mapped_column(one_of(StudyState, 10))
    reason: Mapped[str | None]  # for its end, unless that was its budget
    spec: Mapped[dict[str, Any]]  # StudySpec as JSON
    engine: Mapped[dict[str, Any] | None]  # that trains it, and why; None until a worker has begun
    facts: Mapped[dict[str, Any] | None]  # of its data, see worker.worker.facts; None until a worker has begun
    parent_id: Mapped[int | None]  # the study whose comparison this is a part of
    technique: Mapped[str | None] = mapped_column(sa.String(20))  # searched by this part; None for the confirmation
    comparison: Mapped[dict[str, Any] | None]  # ComparisonSpec as JSON
    comparison_state: Mapped[ComparisonState | None] = mapped_column(one_of(ComparisonState, 10))
    answer: Mapped[str | None] = mapped_column(sa.String(100))  # "L1, likely": of the comparison, once it is published
    published: Mapped[bool | None] = mapped_column("presented")  # the report is kept, its figures in the dashboard
    publishing_at: Mapped[float | None] = mapped_column("presenting_at")  # when a worker claimed to publish it
    #: Another study's trials that its sampler knows, see studies.search.warm_start; of earlier versions a list of them.
    warm_start: Mapped[Any | None] = mapped_column("earlier", sa.JSON(none_as_null=True))
    priority: Mapped[int] = mapped_column(default=0)  # workers serve the highest first
    needs_cpus: Mapped[float | None]  # of a worker, as the spec's `resources`; see storage.offers
    needs_gpus: Mapped[int] = mapped_column(default=0, server_default="0")
    needs_memory: Mapped[int | None] = mapped_column(sa.BigInteger)  # bytes
    max_workers: Mapped[int | None]  # at once, of the study with its comparison; None: no limit
    served_at: Mapped[float | None]  # when a worker last began to serve it or a part of it
    invalidated_count: Mapped[int] = mapped_column("forgotten", default=0)  # changes whenever a trial is marked invalid
    paused_at: Mapped[float | None]
    paused_seconds: Mapped[float] = mapped_column(default=0.0)  # before paused_at; left out of its timeout
    #: The name of the key that it came with; None where none was needed.
    created_by: Mapped[str | None] = mapped_column("submitted_by", sa.String(100))
    compared_by: Mapped[str | None] = mapped_column(sa.String(100))  # who began its comparison, in the same way
    traceparent: Mapped[str | None] = mapped_column(sa.String(55))  # of its submission, where that was traced
    created_at: Mapped[float]
    started_at: Mapped[float | None]  # the first claim
    ended_at: Mapped[float | None]

    @property
    def parsed_spec(self) -> StudySpec:
        """The validated `spec`; validated again only after it was assigned or read from the database."""
        return self._parsed("spec", StudySpec.read)

    @property
    def parsed_comparison(self) -> ComparisonSpec:
        """The validated `comparison`, which must not be None."""
        return self._parsed("comparison", ComparisonSpec.model_validate)

    def _parsed(self, column: str, read: Callable[[Any], Model]) -> Model:
        document, memo = getattr(self, column), self.__dict__.setdefault("_parsed_columns", {})
        parsed: tuple[object, Model] | None = memo.get(column)
        if parsed is None or parsed[0] is not document:
            parsed = memo[column] = document, read(document)
        return parsed[1]

    @property
    def warm_start_trials(self) -> list[dict[str, Any]]:
        """Another study's trials that its sampler knows."""
        document: Any = self.warm_start or []
        return list(document["trials"] if isinstance(document, dict) else document)

    @property
    def warm_start_left_out(self) -> dict[str, int]:
        """The number of that study's complete trials that its sampler does not know, by why."""
        return dict(self.warm_start["left_out"]) if isinstance(self.warm_start, dict) else {}

    @property
    def etag(self) -> str:
        """The entity tag for If-Match: changes with what users can change, and not with progress."""
        # Plain strings: the repr of an enum is another.
        comparison_state = None if self.comparison_state is None else str(self.comparison_state)
        counts = self.priority, self.max_workers, self.invalidated_count
        parts = self.id, str(self.state), comparison_state, *counts, self.ended_at
        # A confirmation's budget grows round by round.
        budget = None if self.parent_id is not None else sorted(self.spec["budget"].items())
        return sha256(repr((*parts, budget)).encode()).hexdigest()[:16]

    @property
    def root_id(self) -> int:
        """The id of the study whose comparison it is a part of, else its own."""
        return self.parent_id or self.id


def unpublished() -> sa.ColumnElement[bool]:
    """Studies that have ended, with their comparison, and whose report is not published."""
    compared = sa.or_(StudyRecord.comparison_state.is_(None), StudyRecord.comparison_state.not_in(ACTIVE_COMPARISON))
    ended = StudyRecord.state.in_(ENDED_STUDY), StudyRecord.parent_id.is_(None)  # as in _UNPUBLISHED
    return sa.and_(*ended, StudyRecord.published.is_(None), compared)


class ChangeRecord(Record):
    """What somebody did with a study."""

    __tablename__ = "regsweep_changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(sa.ForeignKey("regsweep_studies.id", ondelete="CASCADE"), index=True)
    what: Mapped[str] = mapped_column(sa.String(20))  # service.storage.history.Change
    details: Mapped[str]  # in words; empty for none
    changed_by: Mapped[str | None] = mapped_column(sa.String(100))  # as StudyRecord.created_by
    changed_at: Mapped[float]
