"""Keeps the report of a study that has ended, so that it is rendered once.

A kept report is named after everything it was made from, so a stale one has another name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

import sqlalchemy as sa
import structlog

from service.errors import ArtifactError, NotFoundError
from service.storage import comparisons, locking
from service.storage.artifacts import Artifacts, report_folder
from service.storage.findings import findings
from service.storage.records import StudyRecord, TrialRecord, running_in_study
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY
from service.storage.store import Store
from service.version import VERSION
from studies.analysis.findings import Findings

_log = structlog.get_logger(__name__)

ReportFormat = Literal["html", "json"]


class ReportVersion(NamedTuple):
    """A study with the ETag of its report; None while the study or its comparison may still change."""

    study: StudyRecord
    etag: str | None


class Reports:
    """The reports of studies, kept beside their models."""

    def __init__(self, store: Store, artifacts: Artifacts) -> None:
        self._store = store
        self._artifacts = artifacts

    def version(self, name: str, kind: ReportFormat) -> ReportVersion:
        """The present version of a study's report.

        Raises NotFoundError when there is no study of this name.
        """
        with self._store.reading() as session:
            study = locking.find(session, name)
            with_parts = [study, *comparisons.parts(session, study)]
            runs = sa.exists().where(TrialRecord.study_id.in_([member.id for member in with_parts]), running_in_study())
            settled = _ended(study) and not session.scalar(sa.select(runs))
        return ReportVersion(study, _etag(with_parts, kind) if settled else None)

    def read(self, version: ReportVersion, kind: ReportFormat) -> bytes:
        """Read the kept report; render it if there is none, and keep it if study and comparison have ended."""
        if version.etag is not None:
            try:
                return self._artifacts.read(_path(version, kind))
            except NotFoundError:
                pass
            # Artifacts that do not answer cost time, not the report.
            except ArtifactError as error:
                _log.warning("a kept report cannot be read", study=version.study.name, error=str(error))
        return self.render(version, kind, findings(self._store, version.study))

    def render(self, version: ReportVersion, kind: ReportFormat, study_findings: Findings) -> bytes:
        """Render a report; keep it unless the study has changed since `version` was read, before its findings."""
        from studies.analysis.report import as_html, as_json

        content = (as_html(study_findings) if kind == "html" else as_json(study_findings)).encode()
        if version.etag is not None and self.version(version.study.name, kind).etag == version.etag:
            self._keep(version, kind, content)
        return content

    def _keep(self, version: ReportVersion, kind: ReportFormat, content: bytes) -> None:
        try:
            self._artifacts.remove_folder(report_folder(version.study.id, kind))
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "report")
                file.write_bytes(content)
                self._artifacts.put(_path(version, kind), file)
        # The client gets the report all the same.
        except (ArtifactError, OSError) as error:
            _log.warning("a report is not kept", study=version.study.name, error=str(error))


def _ended(study: StudyRecord) -> bool:
    return study.state not in ACTIVE_STUDY and study.comparison_state not in ACTIVE_COMPARISON


def _etag(studies: Sequence[StudyRecord], kind: ReportFormat) -> str:
    """Hash all a report is made from: a comparison that replaced another has other parts, whose ids are new."""
    sources = VERSION, _renderer_digest(), kind, [study.etag for study in studies]
    return sha256(repr(sources).encode()).hexdigest()[:16]


@cache
def _renderer_digest() -> str:
    """Hash the code that renders: in a checkout it changes while the version stays."""
    code = sorted((file.name, file.read_bytes()) for file in files("studies.analysis").iterdir() if file.is_file())
    return sha256(repr(code).encode()).hexdigest()


def _path(version: ReportVersion, kind: ReportFormat) -> str:
    return f"{report_folder(version.study.id, kind)}/{version.etag}"
