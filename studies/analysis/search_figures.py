"""Draws the searches: λ's path for each kind of penalty, other parameters against the objective, the history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from studies.analysis.candidates import PENALTIES
from studies.analysis.drawing import blank, logarithmic, points, scale, whole_numbers
from studies.analysis.findings import Findings, Trial
from studies.analysis.labels import OWN_SEARCH, OWN_SEARCH_COLOR, color, label
from studies.analysis.params import is_of_kernels, kernel_values
from studies.objectives import OBJECTIVES
from studies.search import pareto

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_PANEL_HEIGHT = 230  # pixels a kind of penalty
_WHOLE = ("patience",)  # parameters of whole numbers

#: What is drawn of a trial; None where it has none.
Reading = Callable[[Trial], Any]


class _Search(NamedTuple):
    name: str
    color: str
    trials: Sequence[Trial]  # complete


def path(found: Findings) -> Figure | None:
    """λ against the objective, a panel for each kind of penalty: a λ of L1 is not one of L2."""
    return _by_kind(found, PENALTIES, value, found.spec.objectives[0])


def zeros(found: Findings) -> Figure | None:
    """λ against the share of weights that are exactly zero, of the penalties that reach zero."""

    def zero_share(trial: Trial) -> float | None:
        return trial.weights.get("zero_share")

    figure = _by_kind(found, ("l1", "elastic_net"), zero_share, "exact zeros")
    if figure is not None:
        figure.update_yaxes(type="linear", tickmode="auto", tickformat=".0%", rangemode="tozero", nticks=5)
    return figure


def _by_kind(found: Findings, kinds: Iterable[str], y: Reading, title: str) -> Figure | None:
    traces = {kind: _traces(found, _strength_of(kind), y, _strength) for kind in kinds}
    traces = {kind: drawn for kind, drawn in traces.items() if drawn}
    if not traces:
        return None
    rows = len(traces)
    names = [f"λ of {label(kind)}" for kind in traces]
    panels = {"rows": rows, "cols": 1, "shared_xaxes": "all", "subplot_titles": names}
    figure = blank(panels=panels | {"vertical_spacing": 0.24 / rows}, height=90 + _PANEL_HEIGHT * rows)
    seen: set[str] = set()
    for row, drawn in enumerate(traces.values(), start=1):
        for trace in drawn:
            trace.update(legendgroup=trace.name, showlegend=trace.name not in seen)
            seen.add(trace.name)
            figure.add_trace(trace, row=row, col=1)
        figure.update_yaxes(title=title, row=row, **scale(v for trace in drawn for v in trace.y))
    strengths = [x for drawn in traces.values() for trace in drawn for x in trace.x]
    figure.update_xaxes(showticklabels=True, **logarithmic(min(strengths), max(strengths)))
    figure.update_annotations(font_size=12)
    # Room for the legend above the first panel's title.
    figure.update_layout(margin={"t": 72}, legend={"yanchor": "top", "yref": "container", "y": 1})
    return figure


def _strength_of(kind: str) -> Reading:
    """λ of the first layer that has a penalty, where it is of this kind."""
    return lambda trial: _strength(trial) if _penalty(trial)[0] == kind else None


def _strength(trial: Trial) -> float | None:
    return _penalty(trial)[1]


def _penalty(trial: Trial) -> tuple[str, float | None]:
    """Kind and λ of the first layer that has a penalty."""
    for name, given in trial.params.items():
        if is_of_kernels(name, "lambda") and given:
            return str(trial.params.get(f"{name.removesuffix('lambda')}regularizer")), float(given)
    return "none", None


def against(found: Findings, parameter: str) -> Figure | None:
    """A parameter against the objective."""

    def reading(trial: Trial) -> Any:
        return next((value for value in kernel_values(trial.params, parameter) if value is not None), None)

    traces = _traces(found, reading, value)
    if not traces:
        return None
    figure = blank(parameter, found.spec.objectives[0])
    figure.add_traces(traces)
    figure.update_yaxes(**scale(v for trace in traces for v in trace.y))
    at = [x for trace in traces for x in trace.x]
    figure.update_xaxes(**(whole_numbers(at) if parameter in _WHOLE else scale(at, wide=float("inf"))))
    return figure


def _traces(found: Findings, x: Reading, y: Reading, varied: Reading | None = None) -> list[Any]:
    """The points of each search in which what is to be varied, by default x, was not fixed: that would say nothing."""
    drawn = []
    for search in _searches(found):
        at = sorted((x(t), y(t), t.number) for t in search.trials if x(t) is not None and y(t) is not None)
        if at and len({(varied or x)(t) for t in search.trials} - {None}) > 1:
            xs, ys, numbers = (list(column) for column in zip(*at, strict=True))
            drawn.append(points(search.name, xs, ys, search.color, text=[f"trial {n}" for n in numbers]))
    return drawn


def _searches(found: Findings) -> list[_Search]:
    searches = [_Search(OWN_SEARCH, OWN_SEARCH_COLOR, found.trials)]
    searches += [_Search(label(t), color(t), trials) for t, trials in found.searched.items()]
    return [search._replace(trials=complete(search.trials)) for search in searches if complete(search.trials)]


def complete(trials: Iterable[Trial]) -> list[Trial]:
    """The trials that have values."""
    return [trial for trial in trials if trial.state == "COMPLETE" and trial.values]


def value(trial: Trial) -> float:
    """The first objective's value of a complete trial."""
    return (trial.values or [])[0]


def front(found: Findings) -> Figure | None:
    """The first two objectives of every trial, and those that nothing beats in both."""
    values = [(trial.values or [])[:2] for trial in complete(found.trials)]
    if len(found.spec.objectives) < 2 or not values:
        return None
    best = pareto.front(values, found.spec.directions[:2])
    figure = blank(*found.spec.objectives[:2])
    rest = [value for i, value in enumerate(values) if i not in best]
    pale = {"color": OWN_SEARCH_COLOR, "size": 7, "opacity": 0.35}
    figure.add_trace(points("trials", [v[0] for v in rest], [v[1] for v in rest], OWN_SEARCH_COLOR, marker=pale))
    chosen = sorted(list(values[i]) for i in best)
    line = {"mode": "lines+markers", "line": {"color": OWN_SEARCH_COLOR, "shape": "hv"}}
    figure.add_trace(points("Pareto front", [v[0] for v in chosen], [v[1] for v in chosen], OWN_SEARCH_COLOR, **line))
    figure.update_xaxes(**scale(v[0] for v in values))
    figure.update_yaxes(**scale(v[1] for v in values))
    return figure


def history(found: Findings) -> Figure | None:
    """The objective of the study's own trials as they came, and the best so far."""
    trials = complete(found.trials)
    if not trials:
        return None
    objective = found.spec.objectives[0]
    pick = min if OBJECTIVES[objective].direction == "minimize" else max
    numbers, values = [trial.number for trial in trials], [value(trial) for trial in trials]
    best = list(accumulate(values, pick))
    figure = blank("trial", objective)
    pale = {"color": OWN_SEARCH_COLOR, "size": 7, "opacity": 0.55}
    figure.add_trace(points("trials", numbers, values, OWN_SEARCH_COLOR, marker=pale))
    stepped = {"color": OWN_SEARCH_COLOR, "shape": "hv", "width": 2}
    figure.add_trace(points("best so far", numbers, best, OWN_SEARCH_COLOR, mode="lines", line=stepped))
    figure.update_xaxes(**whole_numbers(numbers))
    figure.update_yaxes(**scale(values))
    return figure
