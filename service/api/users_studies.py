"""Optuna's storage as the dashboard's list reads it: without the parts of comparisons."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from optuna.storages import RDBStorage

from service.storage.records import StudyRecord


class UsersStudies(RDBStorage):
    """Lists the studies that users made, by our API or by Optuna."""

    def get_all_studies(self) -> list[Any]:
        """Every study but the parts of comparisons."""
        with self.engine.connect().execution_options(reads=True) as connection:
            parts = set(connection.scalars(sa.select(StudyRecord.name).where(StudyRecord.parent_id.is_not(None))))
        return [study for study in super().get_all_studies() if study.study_name not in parts]
