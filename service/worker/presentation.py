"""A study's answer in the Optuna dashboard: the report's figures, and a note that holds the recommendation."""

from __future__ import annotations

import re
from urllib.parse import quote

from service.storage.findings import findings
from service.storage.records import StudyRecord
from service.storage.store import Store
from studies.analysis.figures import figures
from studies.analysis.results import Findings


def present(store: Store, study: StudyRecord) -> None:
    """Attach figures and note; a figure of the same title takes the earlier one's place."""
    import optuna
    from optuna_dashboard import save_note, save_plotly_graph_object

    found = findings(store, study)
    shown = optuna.load_study(study_name=study.name, storage=store.optuna)
    for title, figure in figures(found).items():
        save_plotly_graph_object(shown, figure, graph_object_id=f"regsweep-{re.sub(r'[^a-z]+', '-', title.lower())}")
    save_note(shown, _note(found, study.name))
    store.set_presented(study)


def _note(found: Findings, name: str) -> str:
    lines = [f"[The whole report](/v1/studies/{quote(name)}/report)"]
    if found.comparison is not None:
        answer = found.comparison.recommendation
        lines = [f"**{answer.text}**", *(f"*{warning}*" for warning in answer.warnings), *lines]
    return "\n\n".join(lines)
