"""Draws the candidates of a comparison: how good each is, how it learns, what its weights are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies.analysis.drawing import blank, logarithmic, points, scale, whole_numbers, wrapped
from studies.analysis.findings import Findings, Sample
from studies.analysis.labels import color, label, percentage
from studies.analysis.results import Comparison, TechniqueResult

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_ROW_HEIGHT = 40  # pixels a candidate
_COLUMNS = 2  # of panels, one a candidate
_PANEL_HEIGHT = 200  # pixels


def ranked(comparison: Comparison) -> list[TechniqueResult]:
    """The candidates, those that are expected to be best first."""
    return sorted(comparison.techniques, key=lambda row: row.regret)


def candidates(found: Findings) -> Figure | None:
    """What to expect of each candidate on new rows with its interval, its test part, its probability of being best."""
    if found.comparison is None:
        return None
    rows = ranked(found.comparison)
    panels = {"rows": 1, "cols": 2, "shared_yaxes": True, "column_widths": [0.7, 0.3], "horizontal_spacing": 0.03}
    figure = blank(panels=panels, height=100 + _ROW_HEIGHT * len(rows))
    for row in reversed(rows):
        _draw_candidate(figure, row, chosen=row.technique == found.comparison.recommendation.technique)
    values = [v for row in rows for v in (row.expected.low, row.expected.high, row.test_objective)]
    title = f"{found.comparison.objective}<br>● expected<br>◇ test part"
    figure.update_xaxes(title=title, row=1, col=1, **scale(values, wide=5))
    highest = max(row.probability_best for row in rows)
    figure.update_xaxes(title="probability<br>to be best", range=[0, highest * 2], showticklabels=False, col=2)
    figure.update_xaxes(showgrid=False, col=2)
    figure.update_yaxes(showgrid=False)
    figure.update_layout(showlegend=False, bargap=0.5)
    return figure


def _draw_candidate(figure: Figure, row: TechniqueResult, *, chosen: bool) -> None:
    from plotly.graph_objects import Bar

    name, its = label(row.technique), color(row.technique)
    at = [f"<b>{wrapped(name)}</b>" if chosen else wrapped(name)]
    expected = row.expected
    error = {
        "type": "data",
        "array": [expected.high - expected.mean],
        "arrayminus": [expected.mean - expected.low],
        "color": its,
        "thickness": 2.5,
        "width": 5,
    }
    marker = {"color": its, "size": 11}
    figure.add_trace(points(name, [expected.mean], at, its, error_x=error, marker=marker), row=1, col=1)
    if row.test_objective is not None:
        marker = {"color": its, "size": 11, "symbol": "diamond-open", "line": {"width": 2}}
        figure.add_trace(points(name, [row.test_objective], at, its, marker=marker), row=1, col=1)
    share = [row.probability_best]
    text = {"text": [percentage(row.probability_best)], "textposition": "outside", "cliponaxis": False}
    figure.add_trace(Bar(name=name, x=share, y=at, orientation="h", marker_color=its, **text), row=1, col=2)


def learning_curves(found: Findings) -> Figure | None:
    """Training and validation loss of each candidate on the study's own split, to where training ended."""
    if not found.samples:
        return None
    names = [label(technique) for technique in found.samples]
    figure = _panels(names, shared_xaxes="all", shared_yaxes="all")
    for index, (technique, sample) in enumerate(found.samples.items()):
        for line in _curves(technique, sample):
            figure.add_trace(line, **_place(index))
    # A technique that overfits would flatten all others.
    figure.update_yaxes(showticklabels=True, **scale((v for trace in figure.data for v in trace.y), wide=5))
    figure.update_xaxes(showticklabels=True, **whole_numbers(epoch for trace in figure.data for epoch in trace.x))
    return figure


def _curves(technique: str, sample: Sample) -> list[Any]:
    name, its, epochs = label(technique), color(technique), sample.curve["epoch"]
    dotted, solid = {"color": its, "dash": "dot", "width": 2}, {"color": its, "width": 2}
    drawn = [
        points(name, epochs, sample.curve["loss"], its, mode="lines", line=dotted, hovertext="training"),
        points(name, epochs, sample.curve["val_loss"], its, mode="lines", line=solid, hovertext="validation"),
    ]
    if sample.stopped_early:
        kept = sample.best_epoch - 1
        marker = {"color": its, "size": 11, "symbol": "x"}
        at = [epochs[kept]], [sample.curve["val_loss"][kept]]
        drawn.append(points(name, *at, its, marker=marker, hovertext="weights kept"))
    return drawn


def weights(found: Findings) -> Figure | None:
    """How large each candidate's weights are; exact zeros stand in a hatched bar of their own."""
    if not found.samples:
        return None
    titles = [f"{label(technique)}: {_zero_share(s.histogram):.0%} zeros" for technique, s in found.samples.items()]
    figure = _panels(titles)
    for index, (technique, sample) in enumerate(found.samples.items()):
        for bar in _histogram(technique, sample.histogram):
            figure.add_trace(bar, **_place(index))
        most = max(10, sample.histogram["zeros"], *sample.histogram["counts"])
        figure.update_yaxes(**_place(index), **logarithmic(1, most))
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_xaxes(nticks=4)
    return figure


def _panels(titles: Sequence[str], **shared: str) -> Figure:
    """A figure with a small panel for each candidate, so that none hides another."""
    rows = math.ceil(len(titles) / _COLUMNS)
    panels = {"rows": rows, "cols": _COLUMNS, "subplot_titles": [wrapped(title, 26) for title in titles]}
    spacing = {"vertical_spacing": min(0.12, 0.35 / rows), "horizontal_spacing": 0.14}
    figure = blank(panels=panels | spacing | shared, height=60 + _PANEL_HEIGHT * rows)
    figure.update_layout(showlegend=False, margin={"t": 44})
    figure.update_annotations(font_size=11)
    return figure


def _place(index: int) -> dict[str, int]:
    return {"row": index // _COLUMNS + 1, "col": index % _COLUMNS + 1}


def _histogram(technique: str, histogram: Mapping[str, Any]) -> list[Any]:
    from plotly.graph_objects import Bar

    counts, largest = histogram["counts"], histogram["largest"]
    width = 2 * largest / len(counts)
    centers = [-largest + (i + 0.5) * width for i in range(len(counts))]
    its, name = color(technique), label(technique)
    others = Bar(x=centers, y=counts, width=width, marker_color=its, name=name, hovertext="not zero")
    pattern = {"shape": "/", "fgcolor": its, "bgcolor": "rgba(0, 0, 0, 0)", "fillmode": "replace"}
    hatched = {"color": its, "pattern": pattern}
    zeros = Bar(x=[0], y=[histogram["zeros"]], width=2 * width, marker=hatched, name=name, hovertext="exactly 0")
    return [others, zeros]


def _zero_share(histogram: Mapping[str, Any]) -> float:
    return float(histogram["zeros"] / (histogram["zeros"] + sum(histogram["counts"])))
