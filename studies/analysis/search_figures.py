"""Draws the searches: a parameter against the objective, the Pareto front, the history."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from studies.analysis.drawing import axis, blank, integer_axis, points
from studies.analysis.findings import Findings, Trial
from studies.analysis.labels import OWN_SEARCH_COLOR
from studies.analysis.params import kernel_values
from studies.analysis.searches import complete, first_value, searches
from studies.objectives import cost_sign
from studies.search import pareto

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_INTEGER_PARAMETERS = ("patience",)

#: Reads the value to draw from a trial; None where it has none.
Reading = Callable[[Trial], Any]


def draw_against(findings: Findings, parameter: str) -> Figure | None:
    """Draw a parameter against the objective; None where no search varied it."""

    def read_parameter(trial: Trial) -> Any:
        return next((value for value in kernel_values(trial.params, parameter) if value is not None), None)

    traces = search_traces(findings, read_parameter, first_value)
    if not traces:
        return None
    figure = blank(parameter, findings.spec.objectives[0])
    figure.add_traces(traces)
    figure.update_yaxes(**axis(y for trace in traces for y in trace.y))
    xs = [x for trace in traces for x in trace.x]
    figure.update_xaxes(**(integer_axis(xs) if parameter in _INTEGER_PARAMETERS else axis(xs, wide=float("inf"))))
    return figure


def search_traces(findings: Findings, x: Reading, y: Reading, varied: Reading | None = None) -> list[Any]:
    """Make a trace of each search that varied `varied`, by default x: a fixed value would show nothing."""
    traces = []
    for search in searches(findings):
        drawn = sorted((x(t), y(t), t.number) for t in search.trials if x(t) is not None and y(t) is not None)
        if drawn and len({(varied or x)(trial) for trial in search.trials} - {None}) > 1:
            xs, ys, numbers = (list(column) for column in zip(*drawn, strict=True))
            texts = [f"trial {number}" for number in numbers]
            traces.append(points(search.name, xs, ys, search.color, text=texts))
    return traces


def draw_front(findings: Findings) -> Figure | None:
    """Draw the first two objectives of every trial with their Pareto front; None with a single objective."""
    values = [(trial.values or [])[:2] for trial in complete(findings.trials)]
    if len(findings.spec.objectives) < 2 or not values:
        return None
    on_front = pareto.front(values, findings.spec.directions[:2])
    figure = blank(*findings.spec.objectives[:2])
    dominated = [value for index, value in enumerate(values) if index not in on_front]
    pale = {"color": OWN_SEARCH_COLOR, "size": 7, "opacity": 0.35}
    figure.add_trace(
        points("trials", [v[0] for v in dominated], [v[1] for v in dominated], OWN_SEARCH_COLOR, marker=pale)
    )
    front = sorted(list(values[index]) for index in on_front)
    line = {"mode": "lines+markers", "line": {"color": OWN_SEARCH_COLOR, "shape": "hv"}}
    figure.add_trace(points("Pareto front", [v[0] for v in front], [v[1] for v in front], OWN_SEARCH_COLOR, **line))
    figure.update_xaxes(**axis(v[0] for v in values))
    figure.update_yaxes(**axis(v[1] for v in values))
    return figure


def draw_history(findings: Findings) -> Figure | None:
    """Draw the objective of the study's own trials by number, and the best so far."""
    trials = complete(findings.trials)
    if not trials:
        return None
    better = min if cost_sign(findings.spec.directions[0]) == 1 else max
    numbers, values = [trial.number for trial in trials], [first_value(trial) for trial in trials]
    best_so_far = list(accumulate(values, better))
    figure = blank("trial", findings.spec.objectives[0])
    pale = {"color": OWN_SEARCH_COLOR, "size": 7, "opacity": 0.55}
    figure.add_trace(points("trials", numbers, values, OWN_SEARCH_COLOR, marker=pale))
    stepped = {"color": OWN_SEARCH_COLOR, "shape": "hv", "width": 2}
    figure.add_trace(points("best so far", numbers, best_so_far, OWN_SEARCH_COLOR, mode="lines", line=stepped))
    figure.update_xaxes(**integer_axis(numbers))
    figure.update_yaxes(**axis(values))
    return figure
