"""The whole answer as one self-contained page, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from importlib.resources import files
from typing import Any

from studies.analysis.figures import figures
from studies.analysis.labels import label
from studies.analysis.results import Comparison, Findings, Interval, Selection, TechniqueResult, Trial
from studies.objectives import OBJECTIVES


def as_json(found: Findings) -> str:
    """The recommendation, the table, the differences, and each figure as Plotly's JSON."""
    comparison = None if found.comparison is None else asdict(found.comparison)
    document = {
        "study": found.spec.name,
        "state": found.state,
        "comparison_state": found.comparison_state,
        "comparison": comparison,
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
    parts = [
        f"<h1>{escape(str(found.spec.name))}</h1>",
        f"<p class='state'>{_state(found)}</p>",
        _answer(found),
        _best_table(found),
        *(
            f"<section><h2>{escape(title)}</h2>{_drawn(figure, f'figure{index}')}</section>"
            for index, (title, figure) in enumerate(drawn.items())
        ),
    ]
    style = files("studies.analysis").joinpath("report.css").read_text(encoding="utf-8")
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<link rel='icon' href='data:,'><title>{escape(str(found.spec.name))} – regsweep</title><style>{style}</style>"
        f"<script>{get_plotlyjs()}</script></head><body><main>{''.join(parts)}</main></body></html>"
    )


def _drawn(figure: Any, name: str) -> str:
    config = {"responsive": True, "displayModeBar": False}
    return str(figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=config))


def _state(found: Findings) -> str:
    spec = found.spec
    facts = spec.dataset.facts
    data = f"{spec.dataset.name} ({facts.task}, {facts.rows} rows)"
    comparing = f"; its comparison is {found.comparison_state}" if found.comparison_state else ""
    return escape(f"{data}, {spec.model.kind}. The study is {found.state}{comparing}.")


def _answer(found: Findings) -> str:
    if found.comparison is None:
        text = "No comparison was asked for: POST …/comparison does."
        if found.comparison_state is not None:
            text = f"The comparison is {found.comparison_state} and has no result."
        return f"<p class='answer'>{escape(text)}</p>"
    answer = found.comparison.recommendation
    warnings = "".join(f"<p class='warning'>{escape(warning)}</p>" for warning in answer.warnings)
    text = f"<p class='answer'>{escape(answer.text)}</p>"
    selections = "".join(_features(selection) for selection in found.comparison.selections)
    return text + warnings + _techniques(found.comparison) + selections + _pairs(found.comparison)


_FEATURES = 20  # in the table, the steadiest first
_COLUMNS = ("technique", "parameters", "{objective}", "{metric}", "test {objective}", "test {metric}")
_MORE = ("gap", "zeros", "L2 norm", "epochs", "seconds")


def _techniques(comparison: Comparison) -> str:
    names = {"objective": comparison.objective, "metric": comparison.task_metric}
    head = [column.format(**names) for column in (*_COLUMNS, *_MORE)]
    chosen = comparison.recommendation.technique
    rows = [_row(row, chosen=row.technique == chosen) for row in comparison.techniques]
    note = (
        f"Means over {max(row.fits for row in comparison.techniques)} fits with 95 % intervals (Nadeau and Bengio); "
        "the test part was used once. Gap: validation minus training loss. Seconds: a trial of the search."
    )
    return f"<section><h2>Techniques</h2>{_table(head, rows)}<p class='note'>{escape(note)}</p></section>"


def _row(row: TechniqueResult, *, chosen: bool) -> str:
    cells = [
        label(row.technique),
        parameters(row.params),
        _interval(row.objective),
        _interval(row.task_metric),
        number(row.test_objective),
        number(row.test_task_metric),
        number(row.gap),
        f"{row.zero_share:.1%}",
        number(row.l2_norm),
        f"{row.epochs:.1f}",
        number(row.seconds, 2),
    ]
    return _tr(cells, "chosen" if chosen else "")


def _features(selection: Selection) -> str:
    shown = sorted(selection.shares, key=lambda name: -selection.shares[name])[:_FEATURES]
    rows = [
        _tr(
            [name, f"{selection.shares[name]:.0%}", f"{selection.nonzero[name]:.0%}"],
            "chosen" if name in selection.selected else "",
        )
        for name in shown
    ]
    head = ["feature", f"among the {selection.most} largest", "not zero"]
    note = f"Shares of the fits; selected is what is among the largest in at least {selection.threshold:.0%} of them."
    title = f"Features that {label(selection.technique)} selects: {len(selection.selected)} of {len(selection.shares)}"
    return (
        f"<section><details><summary>{escape(title)}</summary>{_table(head, rows)}"
        f"<p class='note'>{escape(note)}</p></details></section>"
    )


def _pairs(comparison: Comparison) -> str:
    head = ["pair", "difference", "95 % interval", "p", "p, Holm", "practically the same"]
    rows = [
        _tr(
            [
                f"{label(d.first)} – {label(d.second)}",
                f"{d.difference:+.4g}",
                f"{d.low:+.3g} to {d.high:+.3g}",
                f"{d.p:.2g}",
                f"{d.p_holm:.2g}",
                f"{d.equivalent:.0%}",
            ],
            "detected" if d.detected else "",
        )
        for d in sorted(comparison.differences, key=lambda d: d.p)
    ]
    note = (
        f"Positive: the first is worse. p: corrected resampled t-test. Practically the same: probability that the "
        f"difference is within ±{comparison.rope:g} {comparison.objective}."
    )
    return (
        f"<section><details><summary>Pairwise differences</summary>{_table(head, rows)}"
        f"<p class='note'>{escape(note)}</p></details></section>"
    )


def best(found: Findings) -> list[Trial]:
    """The best complete trial of the study's own search, or the Pareto front of several objectives."""
    from studies import pareto

    complete = [trial for trial in found.trials if trial.state == "COMPLETE" and trial.values]
    if not complete:
        return []
    if len(found.spec.objectives) > 1:
        return [complete[i] for i in pareto.front([trial.values or [] for trial in complete], found.spec.directions)]
    sign = 1 if OBJECTIVES[found.spec.objectives[0]].direction == "minimize" else -1
    return [min(complete, key=lambda trial: sign * (trial.values or [math.inf])[0])]


def _best_table(found: Findings) -> str:
    rows = [
        _tr([str(trial.number), *map(number, trial.values or []), parameters(trial.params), str(trial.epochs)], "")
        for trial in best(found)
    ]
    title = "Pareto front of the study's own search" if len(found.spec.objectives) > 1 else "Best of its own search"
    head = ["trial", *found.spec.objectives, "parameters", "epochs"]
    return f"<section><h2>{title}</h2>{_table(head, rows)}</section>" if rows else ""


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f"<div class='wide'><table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"


def _tr(cells: Sequence[str], kind: str) -> str:
    return f"<tr class='{kind}'>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def parameters(params: Any) -> str:
    """The parameters that have an effect, in a line."""
    skipped = ("learning_rate", "batch_size")
    shown = {name: value for name, value in params.items() if name not in skipped and value not in (None, 0, "none")}
    return ", ".join(f"{name.replace('lambda', 'λ')} {number(value, 3)}" for name, value in shown.items())


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return f"{number(interval.mean)} ({number(interval.low, 3)} to {number(interval.high, 3)})"


def number(value: Any, digits: int = 4) -> str:
    """A value to so many digits; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
