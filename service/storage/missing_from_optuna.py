"""Finds studies of ours that another program has deleted from Optuna's tables, or renamed there.

No worker serves one: its sampler and the dashboard read Optuna's tables. All else of it is ours, and goes on working.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.records import StudyRecord
from service.storage.states import ACTIVE_STUDY

#: What to do about one.
ADVICE = "`regsweep db check --repair` makes it again from what is kept here; or delete the study"
_MAX_NAMED = 5  # parts that a sentence names


def in_optuna() -> sa.ColumnElement[bool]:
    """Studies that Optuna's tables have, in a query of StudyRecord."""
    optuna_studies = sa.table("studies", sa.column("study_name", sa.String))
    return sa.exists().where(optuna_studies.c.study_name == StudyRecord.name)


def problems(session: Session, studies: Sequence[StudyRecord]) -> dict[int, str]:
    """What is wrong with each study that is missing from Optuna's tables, or a part of its comparison is, by its id."""
    ids = [study.id for study in studies]
    if not ids:
        return {}
    of_studies = sa.or_(StudyRecord.id.in_(ids), StudyRecord.parent_id.in_(ids))
    columns = StudyRecord.id, StudyRecord.parent_id, StudyRecord.name, StudyRecord.state
    missing = session.execute(sa.select(*columns).where(of_studies, ~in_optuna()).order_by(StudyRecord.id))
    by_study: dict[int, list[tuple[str, bool]]] = defaultdict(list)
    for study_id, parent_id, name, state in missing:
        which = f"the part '{name}'" if parent_id in ids else "this study"
        by_study[parent_id if parent_id in ids else study_id].append((which, state in ACTIVE_STUDY))
    return {study_id: _sentence(found) for study_id, found in by_study.items()}


def _sentence(missing: Sequence[tuple[str, bool]]) -> str:
    names = [which for which, _ in missing]
    listed = ", ".join(names[:_MAX_NAMED]) + (f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else "")
    waits = any(is_active for _, is_active in missing)
    effect = "no worker serves what is missing" if waits else "the dashboard does not show what is missing"
    verb, it = ("is", "it") if len(names) == 1 else ("are", "them")
    happened = f"{verb} no longer in Optuna's tables, where another program deleted or renamed {it}"
    return f"{listed} {happened}: {effect}; {ADVICE}"
