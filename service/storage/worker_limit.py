"""Changes how many workers may serve a study at once; inside a `transaction` that has locked it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from service.errors import ConflictError
from service.storage import comparisons
from service.storage.records import StudyRecord


def set_max_workers(session: Session, study: StudyRecord, max_workers: int | None) -> None:
    """Let at most so many workers serve a study and its comparison, None for any number.

    Those that are too many leave when they next claim.

    Raises ConflictError for a part of a comparison, and for a reproducible study.
    """
    if study.parent_id is not None:
        raise ConflictError(f"'{study.name}' is a part of a comparison; change max_workers of its study instead")
    if study.parsed_spec.reproducible:
        raise ConflictError(
            f"study '{study.name}' is reproducible, and max_workers settles its generations; submit a new study"
        )
    for each in (study, *comparisons.parts(session, study)):
        each.max_workers = max_workers
        each.spec = {**each.spec, "max_workers": max_workers}
    session.flush()
