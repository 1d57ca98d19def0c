"""Draws λ's path, a panel for each kind of penalty: a λ of L1 cannot be compared with one of L2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from studies.analysis.candidates import PENALTIES, Part
from studies.analysis.drawing import axis, blank, log_axis
from studies.analysis.findings import Findings, Trial
from studies.analysis.labels import label
from studies.analysis.params import first_penalty
from studies.analysis.search_figures import Reading, search_traces
from studies.analysis.searches import first_value

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_PANEL_HEIGHT = 230  # pixels a kind of penalty


def draw_path(findings: Findings) -> Figure | None:
    """Draw λ against the objective; None where no search varied λ."""
    return _draw_panels(findings, PENALTIES, first_value, findings.spec.objectives[0])


def draw_zeros(findings: Findings) -> Figure | None:
    """Draw λ against the share of weights that are exactly zero, of the penalties that reach zero."""

    def zero_share(trial: Trial) -> float | None:
        return trial.weights.get("zero_share")

    figure = _draw_panels(findings, ("l1", "elastic_net"), zero_share, "exact zeros")
    if figure is not None:
        figure.update_yaxes(type="linear", tickmode="auto", tickformat=".0%", rangemode="tozero", nticks=5)
    return figure


def _draw_panels(findings: Findings, penalties: Iterable[Part], y: Reading, title: str) -> Figure | None:
    traces = {penalty: search_traces(findings, _strength_of(penalty), y, _strength) for penalty in penalties}
    traces = {penalty: of_penalty for penalty, of_penalty in traces.items() if of_penalty}
    if not traces:
        return None
    rows = len(traces)
    titles = [f"λ of {label(penalty)}" for penalty in traces]
    panels = {"rows": rows, "cols": 1, "shared_xaxes": "all", "subplot_titles": titles}
    figure = blank(panels=panels | {"vertical_spacing": 0.24 / rows}, height=90 + _PANEL_HEIGHT * rows)
    in_legend: set[str] = set()
    for row, of_penalty in enumerate(traces.values(), start=1):
        for trace in of_penalty:
            trace.update(legendgroup=trace.name, showlegend=trace.name not in in_legend)
            in_legend.add(trace.name)
            figure.add_trace(trace, row=row, col=1)
        figure.update_yaxes(title=title, row=row, **axis(y for trace in of_penalty for y in trace.y))
    strengths = [x for of_penalty in traces.values() for trace in of_penalty for x in trace.x]
    figure.update_xaxes(showticklabels=True, **log_axis(min(strengths), max(strengths)))
    figure.update_annotations(font_size=12)
    # Room for the legend above the first panel's title.
    figure.update_layout(margin={"t": 72}, legend={"yanchor": "top", "yref": "container", "y": 1})
    return figure


def _strength_of(penalty: Part) -> Reading:
    """Read λ of the first layer that has a penalty, where it is of this kind."""
    return lambda trial: _strength(trial) if first_penalty(trial.params)[0] == penalty else None


def _strength(trial: Trial) -> float | None:
    return first_penalty(trial.params)[1]
