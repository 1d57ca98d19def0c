"""Files that no record points to: their writer was killed before it said so, or their removal failed.

A file is written before the record that points to it and removed after it, so whatever breaks leaves files too many
and never one too few.
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

#: What this service writes; anything else in that folder is somebody else's.
_OURS = re.compile(r"datasets/[0-9a-f]{64}|studies/\d+/(trials/|checkpoints/|preparation-|report-)")
_DATASET = re.compile(r"datasets/([0-9a-f]{64})")
#: What belongs to a study as a whole and has no record of its own.
_OF_A_STUDY = re.compile(r"studies/(\d+)/(preparation-\d+\.skops|report-(html|json)/[0-9a-f]+)")


def find(store: Store, artifacts: Artifacts, older_than_seconds: float) -> list[str]:
    """The orphans that were written so long ago, for the record of a younger file may be on its way."""
    # First the files: one that is written from here on is not judged by records of before.
    listed = artifacts.paths()
    pointed_to, studies = _records(store)
    before = time.time() - older_than_seconds

    def orphan(path: str) -> bool:
        if path in pointed_to or not _OURS.match(path):
            return False
        whole = _OF_A_STUDY.fullmatch(path)
        if whole is not None and int(whole[1]) in studies:
            return False
        return artifacts.written_at(path) <= before

    return sorted(filter(orphan, listed))


def remove(store: Store, artifacts: Artifacts, paths: Sequence[str]) -> list[str]:
    """Remove orphans; those that are gone."""
    datasets = DatasetStore(store, artifacts)

    def removed(path: str) -> bool:
        dataset = _DATASET.fullmatch(path)
        # The same bytes may be coming in at this moment.
        return artifacts.remove(path) if dataset is None else datasets.drop(dataset[1])

    return list(filter(removed, paths))


def _records(store: Store) -> tuple[set[str], set[int]]:
    """Every path that a record points to, and the studies there are."""
    with store.reading() as session:
        digests = session.scalars(sa.select(DatasetRecord.digest)).all()
        kept = session.execute(sa.select(TrialRecord.model, TrialRecord.checkpoint)).all()
        studies = session.scalars(sa.select(StudyRecord.id)).all()
    paths = {path for both in kept for path in both if path is not None}
    return paths | {file_path(digest) for digest in digests}, set(studies)
