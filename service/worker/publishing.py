"""Publishes an ended study: keeps its report, and shows figures and recommendation in the Optuna dashboard."""

from __future__ import annotations

import re
from typing import get_args
from urllib.parse import quote

from service.storage.artifacts import Artifacts
from service.storage.findings import findings
from service.storage.records import StudyRecord
from service.storage.reports import ReportFormat, Reports
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.analysis.figures import IMPORTANCE, figures
from studies.analysis.findings import Findings
from studies.analysis.wording import answer


def publish(store: Store, artifacts: Artifacts, study: StudyRecord) -> None:
    """Keep the report, attach figures and note, and mark the study published.

    A figure replaces one of the same title.
    """
    import optuna
    from optuna_dashboard import save_note, save_plotly_graph_object

    reports = Reports(store, artifacts)
    versions = {kind: reports.version(study.name, kind) for kind in get_args(ReportFormat)}
    study_findings = findings(store, study)
    for kind, version in versions.items():
        reports.render(version, kind, study_findings)
    optuna_study = optuna.load_study(study_name=study.name, storage=store.optuna)
    # The dashboard shows the importances itself, and the same.
    attached = {title: figure for title, figure in figures(study_findings).items() if title != IMPORTANCE}
    for title, figure in attached.items():
        save_plotly_graph_object(
            optuna_study, figure, graph_object_id=f"regsweep-{re.sub(r'[^a-z]+', '-', title.lower())}"
        )
    save_note(optuna_study, _note(study_findings, study.name))
    comparison = study_findings.comparison
    WorkerStore(store).set_published(study, None if comparison is None else answer(comparison.recommendation))


def _note(study_findings: Findings, name: str) -> str:
    lines = [f"[The whole report](/v1/studies/{quote(name)}/report)"]
    if study_findings.comparison is not None:
        recommendation = study_findings.comparison.recommendation
        lines = [
            f"**{recommendation.verdict}**: {recommendation.lines[0]}",
            *recommendation.lines[1:],
            *(f"*{warning}*" for warning in recommendation.warnings),
            *lines,
        ]
    return "\n\n".join(lines)
