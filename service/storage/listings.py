"""Pages of studies and of trials."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.pagination import Cursor, Page, Sort, listing_id
from service.storage.records import StudyRecord, TrialRecord, asked
from service.storage.states import StudyState, TrialState
from studies.spec.name import normalize


def list_studies(
    session: Session,
    state: StudyState | None,
    limit: int,
    cursor: Cursor | None,
    name_part: str = "",
    project: str | None = None,
) -> Page[StudyRecord]:
    """A page of the studies whose names hold a text, newest first, without the parts of comparisons.

    Raises OtherListingError when the cursor is not of this listing.
    """
    name_part = normalize(name_part)
    named = [] if project is None else [f"of {project}"]
    listing = listing_id("studies", state, *([name_part] if name_part else []), *named)
    query = sa.select(StudyRecord).where(StudyRecord.parent_id.is_(None))
    query = query.order_by(StudyRecord.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(StudyRecord.state == state)
    if name_part:
        holds = StudyRecord.name.icontains(name_part, autoescape=True)
        query = query.where(holds if name_part.isprintable() else sa.false())
    if cursor is not None:
        cursor.check(listing)
        query = query.where(StudyRecord.id < cursor.after)
    if project is not None:
        query = query.where(StudyRecord.project == project)
    return Page.cut(session.scalars(query).all(), limit, lambda study: Cursor(listing, 0, None, study.id))


def list_trials(
    session: Session, study: StudyRecord, states: Sequence[TrialState], sort: Sort, limit: int, cursor: Cursor | None
) -> Page[TrialRecord]:
    """A page of a study's trials that were asked.

    Raises OtherListingError when the cursor is not of this listing.
    """
    listing = listing_id("trials", study.id, sort, *sorted(set(states)))
    order = sort.towards(study.parsed_spec.directions[0])
    query = asked_trials(study).order_by(*order.order())
    if states:
        query = query.where(TrialRecord.state.in_(states))
    if cursor is not None:
        cursor.check(listing)
    trials: list[TrialRecord] = []
    for group, condition in order.groups(states).items():
        lacking = limit + 1 - len(trials)
        of_group = query.where(condition).limit(lacking)
        if not lacking or (cursor is not None and group < cursor.group):
            continue
        if cursor is not None and group == cursor.group:
            of_group = of_group.where(order.beyond(cursor))
        trials += session.scalars(of_group)
    return Page.cut(trials, limit, lambda trial: order.cursor(trial, listing))


def asked_trials(study: StudyRecord) -> sa.Select[TrialRecord]:
    """Select a study's trials that were asked."""
    return sa.select(TrialRecord).where(TrialRecord.study_id == study.id, asked())
