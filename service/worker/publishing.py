"""A study's answer: its report, kept, and in the Optuna dashboard the report's figures and the recommendation."""

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


def publish(store: Store, artifacts: Artifacts, study: StudyRecord) -> None:
    """Keep the report, attach figures and note; a figure of the same title takes the earlier one's place."""
    import optuna
    from optuna_dashboard import save_note, save_plotly_graph_object

    reports = Reports(store, artifacts)
    standings = {kind: reports.standing(study.name, kind) for kind in get_args(ReportFormat)}
    found = findings(store, study)
    for kind, standing in standings.items():
        reports.render(standing, kind, found)
    shown = optuna.load_study(study_name=study.name, storage=store.optuna)
    # Of importances the dashboard shows its own, which are the same.
    attached = {title: figure for title, figure in figures(found).items() if title != IMPORTANCE}
    for title, figure in attached.items():
        save_plotly_graph_object(shown, figure, graph_object_id=f"regsweep-{re.sub(r'[^a-z]+', '-', title.lower())}")
    save_note(shown, _note(found, study.name))
    WorkerStore(store).set_published(study)


def _note(found: Findings, name: str) -> str:
    lines = [f"[The whole report](/v1/studies/{quote(name)}/report)"]
    if found.comparison is not None:
        answer = found.comparison.recommendation
        lines = [
            f"**{answer.verdict}**: {answer.lines[0]}",
            *answer.lines[1:],
            *(f"*{warning}*" for warning in answer.warnings),
            *lines,
        ]
    return "\n\n".join(lines)
