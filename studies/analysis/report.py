"""Writes the whole answer as one self-contained page, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from studies.analysis import report_tables
from studies.analysis.figures import CANDIDATES, NOTES, figures
from studies.analysis.findings import Findings, Trial
from studies.analysis.labels import number, params_text
from studies.analysis.markup import Cell, folded, instant, note, table
from studies.analysis.results import Comparison
from studies.objectives import OBJECTIVES
from studies.search import pareto
from studies.spec.dataset import UploadedDataset

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def as_json(found: Findings) -> str:
    """The recommendation, the table, the differences, and each figure as Plotly's JSON."""
    document = {
        "study": found.spec.name,
        "state": found.state,
        "comparison_state": found.comparison_state,
        "about": about(found),
        "links": links(found),
        "comparison": None if found.comparison is None else asdict(found.comparison),
        "best": [asdict(trial) for trial in best(found)],
        "figures": {title: figure.to_plotly_json() for title, figure in figures(found).items()},
    }
    return json.dumps(document, default=_plain)


def _plain(value: Any) -> Any:
    """What Plotly holds beside plain values: arrays and numbers of numpy."""
    return value.tolist()


def as_html(found: Findings) -> str:
    """The page; Plotly's code stands in it once, so that it needs no network."""
    from plotly.offline import get_plotlyjs

    drawn = figures(found)
    first = drawn.pop(CANDIDATES, None)
    parts = [
        f"<h1>{escape(str(found.spec.name))}</h1>{note(_headline(found))}",
        _answer(found),
        "" if first is None else _section(CANDIDATES, first, 0),
        "" if found.comparison is None else _compared(found.comparison),
        *(_section(title, figure, index) for index, (title, figure) in enumerate(drawn.items(), start=1)),
        _best_table(found),
        _about(found),
    ]
    style = files("studies.analysis").joinpath("report.css").read_text(encoding="utf-8")
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<link rel='icon' href='data:,'><title>{escape(str(found.spec.name))} – regsweep</title><style>{style}</style>"
        f"<script>{get_plotlyjs()}</script></head><body><main>{''.join(parts)}</main></body></html>"
    )


def _section(title: str, figure: Figure, index: int) -> str:
    config = {"responsive": True, "displayModeBar": False}
    drawn = figure.to_html(full_html=False, include_plotlyjs=False, div_id=f"figure{index}", config=config)
    explained = note(NOTES[title]) if title in NOTES else ""
    return f"<section><h2>{escape(title)}</h2>{drawn}{explained}</section>"


def _answer(found: Findings) -> str:
    """The answer in three lines, how sure it is as a badge, and where to go from here."""
    if found.comparison is None:
        text = "No comparison was asked for: POST …/comparison does."
        if found.comparison_state is not None:
            text = f"The comparison is {found.comparison_state} and has no result."
        return f"<div class='answer'><p>{escape(text)}</p></div>{_links(found)}"
    answer = found.comparison.recommendation
    badge = f"<strong class='verdict {answer.verdict.replace(' ', '-')}'>{escape(answer.verdict)}</strong>"
    lines = "".join(f"<p>{_emphasized(line) if line is answer.lines[0] else escape(line)}</p>" for line in answer.lines)
    warnings = "".join(f"<p class='warning'>{escape(warning)}</p>" for warning in answer.warnings)
    return f"<div class='answer'>{badge}{lines}</div>{warnings}{_links(found)}"


def _emphasized(line: str) -> str:
    """What to use in bold, before what is said of it."""
    use, colon, rest = line.partition(":")
    return f"<b>{escape(use)}</b>{colon}{escape(rest)}"


def _headline(found: Findings) -> str:
    told = about(found)
    ended = "not ended yet" if found.ended_at is None else told["ended"]
    return " · ".join([told["data"], told["budget"], f"seed {told['seed']}", ended, told["version"]])


def _compared(comparison: Comparison) -> str:
    answer = comparison.recommendation
    return "".join(
        [
            report_tables.candidates(comparison),
            report_tables.contributions(answer, comparison.objective),
            folded("Tests and intervals behind the answer", f"<p>{escape(answer.evidence)}</p>"),
            report_tables.more(comparison),
            report_tables.pairs(comparison),
            *map(report_tables.features, comparison.selections),
        ]
    )


def links(found: Findings) -> dict[str, str]:
    """Where the service has the model, its export, its code and all trials."""
    study = f"/v1/studies/{quote(str(found.spec.name))}"
    exported = isinstance(found.spec.dataset, UploadedDataset)
    if found.comparison is not None:
        given = {
            "model": f"{study}/comparison/model",
            "export": f"{study}/comparison/export",
            "snippet": f"{study}/snippet?technique=recommended",
        }
    elif best(found):
        given = {name: f"{study}/{name}" for name in ("model", "export", "snippet")}
    else:
        given = {}
    # What prepares raw rows is kept of uploaded datasets alone.
    kept = {name: link for name, link in given.items() if exported or name != "export"}
    return kept | {"trials": f"{study}/trials.csv", "comparison": f"{study}/comparison", "study": study}


_LINKED: Mapping[str, str] = {
    "model": "model (.keras)",
    "export": "export (.zip)",
    "snippet": "code to train it",
    "trials": "all trials (.csv)",
}


def _links(found: Findings) -> str:
    shown = {name: link for name, link in links(found).items() if name in _LINKED}
    written = "".join(f"<a href='{escape(link)}'>{_LINKED[name]}</a>" for name, link in shown.items())
    return f"<nav>{written}</nav>"


def about(found: Findings) -> dict[str, str]:
    """What was done on which data, when, and by which version."""
    spec, facts, budget = found.spec, found.spec.dataset.facts, found.spec.budget
    compared = f"; its comparison is {found.comparison_state}" if found.comparison_state else ""
    shape = " × ".join(map(str, facts.shape))
    return {
        "state": f"the study is {found.state}{compared}",
        "data": f"{spec.dataset.name}: {facts.task}, {facts.rows:,} rows, {shape} inputs",
        "model": spec.model.kind,
        "budget": f"{budget.trials:,} trials of at most {budget.epochs:,} epochs",
        "seed": str(spec.seed),
        "submitted": instant(found.created_at),
        "ended": instant(found.ended_at),
        "version": f"regsweep {found.version}" if found.version else "–",
    }


def _about(found: Findings) -> str:
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in about(found).items())
    return f"<section><h2>About this study</h2><dl>{items}</dl></section>"


def best(found: Findings) -> list[Trial]:
    """The best complete trial of the study's own search, or the Pareto front of several objectives."""
    complete = [trial for trial in found.trials if trial.state == "COMPLETE" and trial.values]
    if not complete:
        return []
    if len(found.spec.objectives) > 1:
        return [complete[i] for i in pareto.front([trial.values or [] for trial in complete], found.spec.directions)]
    sign = 1 if OBJECTIVES[found.spec.objectives[0]].direction == "minimize" else -1
    return [min(complete, key=lambda trial: sign * (trial.values or [math.inf])[0])]


def _best_table(found: Findings) -> str:
    rows: list[tuple[list[Cell | str], str]] = [
        (
            [
                Cell(f"trial {trial.number}", params_text("combined", trial.params)),
                *map(number, trial.values or []),
                str(trial.epochs),
            ],
            "",
        )
        for trial in best(found)
    ]
    title = "Pareto front of the study's own search" if len(found.spec.objectives) > 1 else "Best of its own search"
    head = ["found in", *found.spec.objectives, "epochs"]
    return f"<section><h2>{title}</h2>{table(head, rows)}</section>" if rows else ""
