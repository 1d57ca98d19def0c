"""Deletes studies that ended long ago, with their comparisons, trials and models; archives them first where asked.

Deletes datasets that no study is about any more where asked.

A study is as old as the end of the last of itself and its comparison's parts. One whose comparison goes on stays whole.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
import structlog

from service.errors import BackupError, ConflictError, DatasetInUseError, NotFoundError, PreconditionError
from service.names import make_name
from service.storage.artifacts import Artifacts
from service.storage.clock import unix_now
from service.storage.dataset_files import FIRST_VERSION
from service.storage.datasets import DatasetStore
from service.storage.private_files import create_private_file, create_private_folder
from service.storage.records import DatasetRecord, StudyRecord, TrialRecord, running_in_study
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY
from service.storage.store import Store
from service.views.studies import one_study_view
from service.views.trials import trial_view

_log = structlog.get_logger(__name__)
DAY = 86_400.0


def ended_before(store: Store, days: float) -> list[StudyRecord]:
    """The studies that ended at least so many days ago, and all of their comparisons, oldest first."""
    with store.reading() as session:
        before = (session.scalar(sa.select(unix_now())) or 0.0) - days * DAY
        part = sa.orm.aliased(StudyRecord)
        with_part = sa.or_(part.id == StudyRecord.id, part.parent_id == StudyRecord.id)
        has_ended = sa.and_(part.state.not_in(ACTIVE_STUDY), part.ended_at <= before)
        runs = sa.exists().where(TrialRecord.study_id == part.id, running_in_study())
        goes_on = sa.exists().where(with_part, sa.or_(~has_ended, part.ended_at.is_(None), runs))
        compares = StudyRecord.comparison_state.in_(ACTIVE_COMPARISON)
        ended = StudyRecord.parent_id.is_(None), ~goes_on, sa.or_(StudyRecord.comparison_state.is_(None), ~compares)
        return list(session.scalars(sa.select(StudyRecord).where(*ended).order_by(StudyRecord.ended_at)))


def prune(store: Store, artifacts: Artifacts, days: float, archive: Path | None = None) -> Iterator[str]:
    """Delete them, each once it lies in the folder `archive` if there is one; yield the name of each that is gone.

    Raises BackupError when an archive cannot be written; its study stays.
    """
    for study in ended_before(store, days):
        try:
            if archive is not None:
                _archive(store, artifacts, study, archive)
            reason = f"it ended more than {days:g} days ago"
            deleted = store.delete_study(study.name, force=False, etags=[study.etag], reason=reason)
        except (ConflictError, NotFoundError, PreconditionError) as error:  # it was extended or deleted meanwhile
            _log.info("a study is kept, for it has changed", study=study.name, error=str(error))
            continue
        artifacts.remove_studies(deleted)
        yield study.name


def unused_datasets(store: Store, days: float, beside: Collection[int] = ()) -> list[DatasetRecord]:
    """The versions of datasets that were added at least so many days ago and that no study is about, oldest first.

    Studies with the ids `beside`, and the parts of their comparisons, do not count.
    """
    dataset = StudyRecord.spec["dataset"]
    columns = dataset["name"].as_string(), dataset["digest"].as_string(), dataset["version"].as_integer()
    counts = sa.func.coalesce(StudyRecord.parent_id, StudyRecord.id).not_in(beside)
    with store.reading() as session:
        before = (session.scalar(sa.select(unix_now())) or 0.0) - days * DAY
        rows = session.execute(sa.select(*columns).where(counts, dataset["digest"].as_string().is_not(None)))
        used = {(name, digest, version or FIRST_VERSION) for name, digest, version in rows}
        added = sa.select(DatasetRecord).where(DatasetRecord.created_at <= before).order_by(DatasetRecord.id)
        return [one for one in session.scalars(added) if (one.name, one.digest, one.version) not in used]


def prune_datasets(store: Store, artifacts: Artifacts, days: float) -> Iterator[DatasetRecord]:
    """Delete the datasets that nobody uses; yield each version that is gone. One that a study names meanwhile stays."""
    for record in unused_datasets(store, days):
        with suppress(DatasetInUseError, NotFoundError):
            DatasetStore(store, artifacts).delete(record.name, record.version)
            yield record


def _archive(store: Store, artifacts: Artifacts, study: StudyRecord, folder: Path) -> None:
    """Zip the study, its trials, its report and the models that were kept of it and of its comparison."""
    from service.storage.findings import findings
    from studies.analysis.report import as_html, as_json

    file, found = folder / f"{make_name(study.name)}-{study.id}.zip", findings(store, study)
    partial = file.with_name(f"{file.name}.partial")
    try:
        create_private_folder(folder)
        try:
            create_private_file(partial)
            with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as bundle:
                bundle.writestr("study.json", one_study_view(store, study).model_dump_json(indent=2))
                bundle.writestr("report.html", as_html(found))
                bundle.writestr("report.json", as_json(found))
                for record, trial in _trials(store, study):
                    _add(bundle, artifacts, record, trial)
            partial.rename(file)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise BackupError(f"the archive {file} cannot be written: {error.strerror or error}") from error


def _add(bundle: zipfile.ZipFile, artifacts: Artifacts, record: StudyRecord, trial: TrialRecord) -> None:
    part = "study" if record.parent_id is None else record.technique or "confirmation"
    path = f"{part}/trial-{trial.slot}"
    if trial.number is not None:  # repeats of the best are in the report
        bundle.writestr(f"trials/{path}.json", trial_view(trial).model_dump_json())
    if trial.model is not None:
        bundle.writestr(f"models/{path}.keras", artifacts.read(trial.model))


def _trials(store: Store, study: StudyRecord) -> Iterator[tuple[StudyRecord, TrialRecord]]:
    with_parts = sa.or_(StudyRecord.id == study.id, StudyRecord.parent_id == study.id)
    query = sa.select(StudyRecord, TrialRecord).join(TrialRecord, TrialRecord.study_id == StudyRecord.id)
    with store.reading() as session:
        rows = session.execute(query.where(with_parts).order_by(StudyRecord.id, TrialRecord.slot)).all()
    yield from ((row[0], row[1]) for row in rows)
