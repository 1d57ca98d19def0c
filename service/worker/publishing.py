"""Publishes an ended study: keeps its report, and shows figures and recommendation in the Optuna dashboard."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args
from urllib.parse import quote

from service.storage import comparisons, transactions
from service.storage.artifacts import Artifacts
from service.storage.findings import findings
from service.storage.records import StudyRecord
from service.storage.reports import ReportFormat, Reports
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.analysis.drawing import fit_into
from studies.analysis.figures import DROPOUT, FRONT, HISTORY, IMPORTANCE, PATIENCE, figures
from studies.analysis.findings import Findings
from studies.analysis.labels import label
from studies.analysis.wording import answer

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_FIGURE_HEIGHT = 450  # pixels, of the dashboard's box: it cuts off what is higher
_MAX_DRAWN_HEIGHT = 800  # pixels; a figure of more panels cannot be read in that box, and stands in the report alone
_FIGURE_PREFIX = "regsweep-"  # of the ids that they have in the dashboard
_NOTE_KEY = "regsweep:note"  # of what was written last, so that what users wrote can be told apart
_REPORT_LINK = "[The whole report, with every figure]("
_FIGURES_KEY = "dashboard:plot_data:"  # how the dashboard's keys of figures begin, before the id


def publish(store: Store, artifacts: Artifacts, study: StudyRecord, root_path: str = "") -> None:
    """Keep the report, attach figures and note, and mark the study published.

    The figures replace those of an earlier publishing.
    """
    reports = Reports(store, artifacts)
    versions = {kind: reports.version(study.name, kind) for kind in get_args(ReportFormat)}
    study_findings = findings(store, study)
    for kind, version in versions.items():
        reports.render(version, kind, study_findings)
    _show_in_dashboard(store, study, study_findings, root_path)
    comparison = study_findings.comparison
    WorkerStore(store).set_published(study, None if comparison is None else answer(comparison.recommendation))


def _show_in_dashboard(store: Store, study: StudyRecord, study_findings: Findings, root_path: str) -> None:
    import optuna
    from optuna_dashboard import get_note, save_note, save_plotly_graph_object

    from service.storage import optuna_tables

    with transactions.transaction(store.optuna) as session:
        optuna_id = optuna_tables.find_study(session, study.name)
        if optuna_id is None:  # another program deleted it there
            return
        optuna_tables.remove_study_attributes(session, optuna_id, f"{_FIGURES_KEY}{_FIGURE_PREFIX}")
    optuna_study = optuna.load_study(study_name=study.name, storage=store.optuna)
    for title, figure in _shown_figures(study_findings).items():
        figure_id = f"{_FIGURE_PREFIX}{re.sub(r'[^a-z]+', '-', title.lower())}"
        save_plotly_graph_object(optuna_study, figure, graph_object_id=figure_id)
    ours = _note(study_findings, study.name, _part_links(store, study, root_path), root_path)
    last = store.optuna.get_study_system_attrs(optuna_id).get(_NOTE_KEY)
    note = get_note(optuna_study)
    if (written := _with_ours(note, last, ours)) != note:
        save_note(optuna_study, written)
    store.optuna.set_study_system_attr(optuna_id, _NOTE_KEY, ours)


def _with_ours(note: str, last: str | None, ours: str) -> str:
    """A note of the dashboard with our part of it, in place of the `last` one; what users wrote stays.

    Where they took our part out, it stays out.
    """
    is_ours = note == last or (last is None and note.startswith(("**", _REPORT_LINK)) and _REPORT_LINK in note)
    if not note.strip() or is_ours:  # versions before 0.2 did not say what they wrote
        return ours
    return f"{note}\n\n{ours}" if last is None else note.replace(last, ours, 1)


def _shown_figures(study_findings: Findings) -> dict[str, Figure]:
    """The figures that the dashboard does not draw itself, with titles, as high as it shows them."""
    repeated = {FRONT, HISTORY, IMPORTANCE}
    if not study_findings.searched:  # of a comparison they show every search, and the dashboard's slices one
        repeated |= {DROPOUT, PATIENCE}
    drawn = {title: figure for title, figure in figures(study_findings).items() if title not in repeated}
    shown = {title: figure for title, figure in drawn.items() if figure.layout.height <= _MAX_DRAWN_HEIGHT}
    for title, figure in shown.items():
        fit_into(figure, title, _FIGURE_HEIGHT)
    return shown


def _part_links(store: Store, study: StudyRecord, root_path: str) -> list[str]:
    """Links to the parts of its comparison, which are not in the dashboard's list."""
    with store.reading() as session:
        parts = {part.name: part.technique for part in comparisons.parts(session, study)}
    ids = store.dashboard_ids(parts)
    labels = {name: "confirmation" if technique is None else label(technique) for name, technique in parts.items()}
    return [f"[{labels[name]}]({root_path}/dashboard/studies/{ids[name]})" for name in parts if name in ids]


def _note(study_findings: Findings, name: str, part_links: Sequence[str], root_path: str) -> str:
    lines = [f"{_REPORT_LINK}{root_path}/v1/studies/{quote(name)}/report)"]
    if part_links:
        lines.append(f"The studies of its comparison: {', '.join(part_links)}")
    if study_findings.comparison is not None:
        recommendation = study_findings.comparison.recommendation
        lines = [
            f"**{recommendation.verdict}**: {recommendation.lines[0]}",
            *recommendation.lines[1:],
            *(f"*{warning}*" for warning in recommendation.warnings),
            *lines,
        ]
    return "\n\n".join(lines)
