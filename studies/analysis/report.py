"""Writes the report of a study: one self-contained page, or JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from studies.analysis import report_tables
from studies.analysis.figures import CANDIDATES, NOTES, figures
from studies.analysis.findings import Findings
from studies.analysis.labels import number, params_text, repeats_text
from studies.analysis.markup import Cell, fold, note, table
from studies.analysis.report_facts import LINK_TEXTS, about, headline, links
from studies.analysis.results import Comparison
from studies.analysis.searches import best_searched
from studies.datasets import summary
from studies.datasets.summary import DataSummary

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def as_json(findings: Findings) -> str:
    """Write the recommendation, the table, the differences, and each figure as Plotly's JSON."""
    document = {
        "study": findings.spec.name,
        "state": findings.state,
        "comparison_state": findings.comparison_state,
        "about": about(findings),
        "links": links(findings),
        "data": None if findings.data is None else findings.data.model_dump(mode="json"),
        "comparison": None if findings.comparison is None else asdict(findings.comparison),
        "best": [asdict(trial) for trial in best_searched(findings)],
        "best_repeats": findings.best_repeats,
        "figures": {title: figure.to_plotly_json() for title, figure in figures(findings).items()},
    }
    return json.dumps(document, default=_plain)


def _plain(value: Any) -> Any:
    """Turn an array or a number of numpy, which Plotly's figures hold, into plain values."""
    return value.tolist()


def as_html(findings: Findings) -> str:
    """Write the page; Plotly's code is part of it, so that it needs no network."""
    from plotly.offline import get_plotlyjs

    drawn = figures(findings)
    of_candidates = drawn.pop(CANDIDATES, None)
    title = escape(str(findings.spec.name))
    sections = [
        f"<h1>{title}</h1>{note(headline(findings))}",
        _answer(findings),
        "" if of_candidates is None else _section(CANDIDATES, of_candidates, 0),
        "" if findings.comparison is None else _comparison(findings.comparison),
        *(_section(name, figure, index) for index, (name, figure) in enumerate(drawn.items(), start=1)),
        _best_table(findings),
        _about(findings),
    ]
    style = files("studies.analysis").joinpath("report.css").read_text(encoding="utf-8")
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<link rel='icon' href='data:,'><title>{title} – regsweep</title><style>{style}</style>"
        f"<script>{get_plotlyjs()}</script></head><body><main>{''.join(sections)}</main></body></html>"
    )


def _section(title: str, figure: Figure, index: int) -> str:
    config = {"responsive": True, "displayModeBar": False}
    html = figure.to_html(full_html=False, include_plotlyjs=False, div_id=f"figure{index}", config=config)
    explanation = note(NOTES[title]) if title in NOTES else ""
    return f"<section><h2>{escape(title)}</h2>{html}{explanation}</section>"


def _answer(findings: Findings) -> str:
    """Write the answer in three lines, its verdict as a badge, warnings and links."""
    if findings.comparison is None:
        text = "No comparison was asked for; POST …/comparison asks for one."
        if findings.comparison_state is not None:
            text = f"The comparison is {findings.comparison_state} and has no result."
        return f"<div class='answer'><p>{escape(text)}</p></div>{_links(findings)}"
    answer = findings.comparison.recommendation
    badge = f"<strong class='verdict {answer.verdict.replace(' ', '-')}'>{escape(answer.verdict)}</strong>"
    first, *rest = answer.lines
    lines = f"<p>{_emphasize_advice(first)}</p>" + "".join(f"<p>{escape(line)}</p>" for line in rest)
    warnings = "".join(f"<p class='warning'>{escape(warning)}</p>" for warning in answer.warnings)
    return f"<div class='answer'>{badge}{lines}</div>{warnings}{_links(findings)}"


def _emphasize_advice(line: str) -> str:
    """Write the advice before the colon in bold."""
    advice, colon, reason = line.partition(":")
    return f"<b>{escape(advice)}</b>{colon}{escape(reason)}"


def _comparison(comparison: Comparison) -> str:
    answer = comparison.recommendation
    return "".join(
        [
            report_tables.candidates(comparison),
            report_tables.contributions(answer, comparison.objective),
            fold("Tests and intervals behind the answer", f"<p>{escape(answer.evidence)}</p>"),
            report_tables.more(comparison),
            report_tables.pairs(comparison),
            *map(report_tables.features, comparison.selections),
        ]
    )


def _links(findings: Findings) -> str:
    paths = links(findings)
    folder = f"{paths['study']}/"
    # Relative to the report's own address, /v1/studies/NAME/report, which a proxy may show under a prefix.
    html = "".join(
        f"<a href='{escape(paths[name].removeprefix(folder))}'>{text}</a>"
        for name, text in LINK_TEXTS.items()
        if name in paths
    )
    return f"<nav>{html}</nav>"


def _about(findings: Findings) -> str:
    facts = about(findings).items()
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in facts)
    return f"<section><h2>About this study</h2><dl>{items}</dl>{_data(findings.data)}</section>"


def _data(data: DataSummary | None) -> str:
    """Write how the user's own data was read, and what to look at."""
    if data is None:
        return ""
    read = "".join(f"<p>{escape(line)}</p>" for line in summary.lines(data))
    return f"<h3>How the data was read</h3>{read}" + "".join(
        f"<p class='warning'>{escape(warning)}</p>" for warning in data.warnings
    )


def _best_table(findings: Findings) -> str:
    """Write the best trial of the study's own search, or its Pareto front; nothing without a complete trial."""
    rows: report_tables.Rows = [
        (
            [
                Cell(f"trial {trial.number}", params_text("combined", trial.params)),
                *map(number, trial.values or []),
                str(trial.epochs),
            ],
            "",
        )
        for trial in best_searched(findings)
    ]
    objectives = findings.spec.objectives
    title = "Pareto front of the study's own search" if len(objectives) > 1 else "Best trial of the study's own search"
    if not rows:
        return ""
    spread = note(repeats_text(objectives[0], findings.best_repeats)) if findings.best_repeats else ""
    return f"<section><h2>{title}</h2>{table(['trial', *objectives, 'epochs'], rows)}{spread}</section>"
