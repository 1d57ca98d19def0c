"""Accepts a new study; inside a `transactions.transaction`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import NameInUseError
from service.storage import comparisons, dataset_files, history, lifecycle, quotas, transactions, user_trials
from service.storage.access import Access
from service.storage.history import Change
from service.storage.records import StudyRecord
from studies.spec.differences import differences
from studies.spec.study import StudySpec

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


def accept(session: Session, optuna: RDBStorage, access: Access, spec: StudySpec, project: str) -> StudyRecord:
    """Add a study: its record, its whole budget, its Optuna study, and its comparison.

    Raises NotFoundError when there is no such project, QuotaError when that has as much as it may.
    Raises NameInUseError when a study has its name.
    Raises InvalidSpecError when it names a dataset, a study to start warm from or a technique that it cannot use.
    """
    from optuna.exceptions import DuplicatedStudyError

    if spec.name is None:
        raise ValueError("a study needs a name before it is stored")
    with quotas.admitting(session, access, project):
        dataset_files.check_dataset_exists(session, spec.dataset, project)
        conflict = name_conflict(session, spec)
        if conflict is not None:
            raise conflict
        try:
            study = lifecycle.create(session, optuna, spec, spec.name, project)
            study.created_by = access.name
            history.record(session, study, access.name, Change.SUBMITTED)
            user_trials.copy_warm_start_trials(session, study)
            if spec.comparison is not None:
                study.compared_by = access.name
                comparisons.begin(session, optuna, study, spec.comparison)
            session.flush()
            transactions.note(session, "study.submitted", study.id, study=study.name)
        except (sa.exc.IntegrityError, DuplicatedStudyError):
            raise NameInUseError(spec.name, is_seen=False) from None
    return study


def name_conflict(session: Session, spec: StudySpec) -> NameInUseError | None:
    """The error that says which study has a new one's name, and how they differ; None while the name is free."""
    if spec.name is None:
        return None
    study = session.scalar(sa.select(StudyRecord).where(StudyRecord.name == spec.name))
    if study is None and comparisons.name_in_use(session, [spec.name]) is None:
        return None
    # Where only Optuna has a study of that name, or another project has, nothing is said of it.
    if study is None:
        return NameInUseError(spec.name, is_seen=False)
    return NameInUseError(spec.name, differences(study.parsed_spec, spec))
