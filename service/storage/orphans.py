"""Finds and removes files that no record points to: their writer was killed first, or their removal failed.

A file is written before the record that points to it and removed after it, so a failure leaves a file too many and
never one too few.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

import sqlalchemy as sa

from service.storage.artifacts import Artifacts
from service.storage.dataset_files import file_path
from service.storage.datasets import DatasetStore
from service.storage.records import DatasetRecord, StudyRecord, TrialRecord
from service.storage.store import Store

#: Paths that this service writes; anything else in the folder is somebody else's.
_OURS = re.compile(r"datasets/[0-9a-f]{64}|studies/\d+/(trials/|checkpoints/|preparation-|report-)")
_DATASET = re.compile(r"datasets/([0-9a-f]{64})")
#: Files of a study that no record of their own points to.
_OF_A_STUDY = re.compile(r"studies/(\d+)/(preparation-\d+\.skops|report-(html|json)/[0-9a-f]+)")


def find(store: Store, artifacts: Artifacts, older_than_seconds: float) -> list[str]:
    """Find the orphans older than this; the record of a younger file may be on its way."""
    # The files first: one that is written from here on is not judged by older records.
    listed = artifacts.paths()
    pointed_to, studies = _records(store)
    before = time.time() - older_than_seconds

    def is_orphan(path: str) -> bool:
        if path in pointed_to or not _OURS.match(path):
            return False
        of_study = _OF_A_STUDY.fullmatch(path)
        if of_study is not None and int(of_study[1]) in studies:
            return False
        return artifacts.written_at(path) <= before

    return sorted(filter(is_orphan, listed))


def remove(store: Store, artifacts: Artifacts, paths: Sequence[str]) -> list[str]:
    """Remove orphans; return those that are gone."""
    datasets = DatasetStore(store, artifacts)

    def remove_one(path: str) -> bool:
        dataset = _DATASET.fullmatch(path)
        # The same bytes may be uploaded at this moment.
        return artifacts.remove(path) if dataset is None else datasets.remove_unused_file(dataset[1])

    return list(filter(remove_one, paths))


def oldest_paths(store: Store, count: int) -> list[str]:
    """The paths of the oldest files that records point to: so many datasets, then so many models."""
    datasets = sa.select(DatasetRecord.digest).order_by(DatasetRecord.created_at).limit(count)
    models = sa.select(TrialRecord.model).where(TrialRecord.model.is_not(None)).order_by(TrialRecord.id).limit(count)
    with store.reading() as session:
        return [*map(file_path, session.scalars(datasets)), *(path for path in session.scalars(models) if path)]


def _records(store: Store) -> tuple[set[str], set[int]]:
    """All paths that records point to, and the ids of all studies."""
    with store.reading() as session:
        digests = session.scalars(sa.select(DatasetRecord.digest)).all()
        kept_paths = session.execute(sa.select(TrialRecord.model, TrialRecord.checkpoint)).all()
        studies = session.scalars(sa.select(StudyRecord.id)).all()
    paths = {path for row in kept_paths for path in row if path is not None}
    return paths | {file_path(digest) for digest in digests}, set(studies)
