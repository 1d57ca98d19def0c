"""Keeps the report of what has ended, so that it is rendered once; what is kept is named by all it was made from."""

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
from service.storage import comparisons, lifecycle
from service.storage.artifacts import Artifacts, report_folder
from service.storage.findings import findings
from service.storage.records import StudyRecord, TrialRecord, running
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY
from service.storage.store import Store
from service.version import VERSION
from studies.analysis.findings import Findings

_log = structlog.get_logger(__name__)

ReportFormat = Literal["html", "json"]


class Standing(NamedTuple):
    """A study, and what names its report as it stands; None while the study or its comparison may still change."""

    study: StudyRecord
    tag: str | None


class Reports:
    """The reports of studies, kept beside their models."""

    def __init__(self, store: Store, artifacts: Artifacts) -> None:
        self._store = store
        self._artifacts = artifacts

    def standing(self, name: str, kind: ReportFormat) -> Standing:
        """How a study stands. Raises NotFoundError when there is none of the name."""
        with self._store.reading() as session:
            study = lifecycle.find(session, name)
            family = [study, *comparisons.parts(session, study)]
            runs = sa.exists().where(TrialRecord.study_id.in_([s.id for s in family]), running())
            settled = _ended(study) and not session.scalar(sa.select(runs))
        return Standing(study, _tag(family, kind) if settled else None)

    def read(self, standing: Standing, kind: ReportFormat) -> bytes:
        """The report as it was kept, else rendered now, and kept where it will stay so."""
        if standing.tag is not None:
            try:
                return self._artifacts.read(_path(standing, kind))
            except NotFoundError:
                pass
            # A place that does not answer costs time, not the report.
            except ArtifactError as error:
                _log.warning("a kept report cannot be read", study=standing.study.name, error=str(error))
        return self.render(standing, kind, findings(self._store, standing.study))

    def render(self, standing: Standing, kind: ReportFormat, found: Findings) -> bytes:
        """Render what was found, and keep it if the study still stands as it did before that was read."""
        from studies.analysis.report import as_html, as_json

        content = (as_html(found) if kind == "html" else as_json(found)).encode()
        if standing.tag is not None and self.standing(standing.study.name, kind).tag == standing.tag:
            self._keep(standing, kind, content)
        return content

    def _keep(self, standing: Standing, kind: ReportFormat, content: bytes) -> None:
        try:
            self._artifacts.remove_folder(report_folder(standing.study.id, kind))
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "report")
                file.write_bytes(content)
                self._artifacts.put(_path(standing, kind), file)
        # Whoever asked has the report all the same.
        except (ArtifactError, OSError) as error:
            _log.warning("a report is not kept", study=standing.study.name, error=str(error))


def _ended(study: StudyRecord) -> bool:
    return study.state not in ACTIVE_STUDY and study.comparison_state not in ACTIVE_COMPARISON


def _tag(family: Sequence[StudyRecord], kind: ReportFormat) -> str:
    """Names all a report is made from: a comparison that took another's place has other parts, whose ids are new."""
    parts = VERSION, _renderer(), kind, [each.etag for each in family]
    return sha256(repr(parts).encode()).hexdigest()[:16]


@cache
def _renderer() -> str:
    """Names the code that renders: in a checkout it changes while the version stays."""
    code = sorted((each.name, each.read_bytes()) for each in files("studies.analysis").iterdir() if each.is_file())
    return sha256(repr(code).encode()).hexdigest()


def _path(standing: Standing, kind: ReportFormat) -> str:
    return f"{report_folder(standing.study.id, kind)}/{standing.tag}"
