"""Draws the candidates of a comparison: how good each is, how it learns, how large its weights are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies.analysis.drawing import axis, blank, integer_axis, log_axis, points, wrap
from studies.analysis.findings import Findings, Sample
from studies.analysis.labels import color, label, percentage
from studies.analysis.results import TechniqueResult

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_ROW_HEIGHT = 40  # pixels a candidate
_COLUMNS = 2  # of panels, one a candidate
_PANEL_HEIGHT = 200  # pixels


def draw_candidates(findings: Findings) -> Figure | None:
    """Draw each candidate's expected objective with its interval, its test part, its probability of being best."""
    comparison = findings.comparison
    if comparison is None:
        return None
    rows = comparison.ranked
    panels = {"rows": 1, "cols": 2, "shared_yaxes": True, "column_widths": [0.7, 0.3], "horizontal_spacing": 0.03}
    figure = blank(panels=panels, height=100 + _ROW_HEIGHT * len(rows))
    for row in reversed(rows):
        _add_candidate(figure, row, recommended=row.technique == comparison.recommendation.technique)
    values = [value for row in rows for value in (row.expected.low, row.expected.high, row.test_objective)]
    title = f"{comparison.objective}<br>● expected<br>◇ test part"
    figure.update_xaxes(title=title, row=1, col=1, **axis(values, wide=5))
    highest = max(row.probability_best for row in rows)
    figure.update_xaxes(title="probability<br>to be best", range=[0, highest * 2], showticklabels=False, col=2)
    figure.update_xaxes(showgrid=False, col=2)
    figure.update_yaxes(showgrid=False)
    figure.update_layout(showlegend=False, bargap=0.5)
    return figure


def _add_candidate(figure: Figure, row: TechniqueResult, *, recommended: bool) -> None:
    from plotly.graph_objects import Bar

    name, shade = label(row.technique), color(row.technique)
    y = [f"<b>{wrap(name)}</b>" if recommended else wrap(name)]
    expected = row.expected
    error = {
        "type": "data",
        "array": [expected.high - expected.mean],
        "arrayminus": [expected.mean - expected.low],
        "color": shade,
        "thickness": 2.5,
        "width": 5,
    }
    marker = {"color": shade, "size": 11}
    figure.add_trace(points(name, [expected.mean], y, shade, error_x=error, marker=marker), row=1, col=1)
    if row.test_objective is not None:
        marker = {"color": shade, "size": 11, "symbol": "diamond-open", "line": {"width": 2}}
        figure.add_trace(points(name, [row.test_objective], y, shade, marker=marker), row=1, col=1)
    text = {"text": [percentage(row.probability_best)], "textposition": "outside", "cliponaxis": False}
    bar = Bar(name=name, x=[row.probability_best], y=y, orientation="h", marker_color=shade, **text)
    figure.add_trace(bar, row=1, col=2)


def draw_learning_curves(findings: Findings) -> Figure | None:
    """Draw each candidate's training and validation loss on the study's own split, to the epoch training ended."""
    if not findings.samples:
        return None
    names = [label(technique) for technique in findings.samples]
    figure = _panels(names, shared_xaxes="all", shared_yaxes="all")
    for index, (technique, sample) in enumerate(findings.samples.items()):
        for line in _curves(technique, sample):
            figure.add_trace(line, **_cell(index))
    # A technique that overfits would flatten all others.
    figure.update_yaxes(showticklabels=True, **axis((y for trace in figure.data for y in trace.y), wide=5))
    figure.update_xaxes(showticklabels=True, **integer_axis(epoch for trace in figure.data for epoch in trace.x))
    return figure


def _curves(technique: str, sample: Sample) -> list[Any]:
    name, shade, epochs = label(technique), color(technique), sample.curve["epoch"]
    dotted, solid = {"color": shade, "dash": "dot", "width": 2}, {"color": shade, "width": 2}
    traces = [
        points(name, epochs, sample.curve["loss"], shade, mode="lines", line=dotted, hovertext="training"),
        points(name, epochs, sample.curve["val_loss"], shade, mode="lines", line=solid, hovertext="validation"),
    ]
    if sample.stopped_early:
        kept = sample.best_epoch - 1
        marker = {"color": shade, "size": 11, "symbol": "x"}
        x, y = [epochs[kept]], [sample.curve["val_loss"][kept]]
        traces.append(points(name, x, y, shade, marker=marker, hovertext="weights kept"))
    return traces


def draw_weights(findings: Findings) -> Figure | None:
    """Draw a histogram of each candidate's weights, with exact zeros in a hatched bar of their own."""
    if not findings.samples:
        return None
    samples = findings.samples.items()
    figure = _panels(
        [f"{label(technique)}: {_zero_share(sample.histogram):.0%} zeros" for technique, sample in samples]
    )
    for index, (technique, sample) in enumerate(samples):
        for bar in _histogram(technique, sample.histogram):
            figure.add_trace(bar, **_cell(index))
        highest = max(10, sample.histogram["zeros"], *sample.histogram["counts"])
        figure.update_yaxes(**_cell(index), **log_axis(1, highest))
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_xaxes(nticks=4)
    return figure


def _panels(titles: Sequence[str], **shared: str) -> Figure:
    """Make a figure with a small panel for each candidate, so that none hides another."""
    rows = math.ceil(len(titles) / _COLUMNS)
    panels = {"rows": rows, "cols": _COLUMNS, "subplot_titles": [wrap(title, 26) for title in titles]}
    spacing = {"vertical_spacing": min(0.12, 0.35 / rows), "horizontal_spacing": 0.14}
    figure = blank(panels=panels | spacing | shared, height=60 + _PANEL_HEIGHT * rows)
    figure.update_layout(showlegend=False, margin={"t": 44})
    figure.update_annotations(font_size=11)
    return figure


def _cell(index: int) -> dict[str, int]:
    """Row and column of a panel, counted from 1."""
    return {"row": index // _COLUMNS + 1, "col": index % _COLUMNS + 1}


def _histogram(technique: str, histogram: Mapping[str, Any]) -> list[Any]:
    from plotly.graph_objects import Bar

    counts, largest = histogram["counts"], histogram["largest"]
    width = 2 * largest / len(counts)
    centers = [-largest + (i + 0.5) * width for i in range(len(counts))]
    name, shade = label(technique), color(technique)
    others = Bar(x=centers, y=counts, width=width, marker_color=shade, name=name, hovertext="not zero")
    pattern = {"shape": "/", "fgcolor": shade, "bgcolor": "rgba(0, 0, 0, 0)", "fillmode": "replace"}
    hatched = {"color": shade, "pattern": pattern}
    zeros = Bar(x=[0], y=[histogram["zeros"]], width=2 * width, marker=hatched, name=name, hovertext="exactly 0")
    return [others, zeros]


def _zero_share(histogram: Mapping[str, Any]) -> float:
    return float(histogram["zeros"] / (histogram["zeros"] + sum(histogram["counts"])))
