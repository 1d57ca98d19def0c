"""The tables beside Optuna's: studies, the slots of their budgets with the results of their trials, and what is kept.

Samplers and the dashboard read Optuna's tables, the API reads these. Both change in one transaction. All are imported
here, so that `Record` knows every table whichever of them is asked for.
"""

from __future__ import annotations

from service.storage.records.datasets import DatasetRecord
from service.storage.records.keys import KeyRecord, RequestRecord, SessionRecord
from service.storage.records.projects import ProjectRecord
from service.storage.records.studies import ChangeRecord, StudyRecord, unpublished
from service.storage.records.table import Record, has_name, table_of
from service.storage.records.tracked import TrackedRecord
from service.storage.records.trials import (
    MARKED_INVALID,
    AttemptRecord,
    CurveRecord,
    TrialRecord,
    asked,
    claimable,
    complete,
    gave_nothing,
    held_by,
    in_budget,
    running,
    running_in_study,
    waiting,
)
from service.storage.records.webhooks import DeliveryRecord, WebhookRecord
from service.storage.records.workers import WorkerRecord

__all__ = [
    "MARKED_INVALID",
    "AttemptRecord",
    "ChangeRecord",
    "CurveRecord",
    "DatasetRecord",
    "DeliveryRecord",
    "KeyRecord",
    "ProjectRecord",
    "Record",
    "RequestRecord",
    "SessionRecord",
    "StudyRecord",
    "TrackedRecord",
    "TrialRecord",
    "WebhookRecord",
    "WorkerRecord",
    "asked",
    "claimable",
    "complete",
    "gave_nothing",
    "has_name",
    "held_by",
    "in_budget",
    "running",
    "running_in_study",
    "table_of",
    "unpublished",
    "waiting",
]
