"""The look of all figures, for light and dark pages, and axes with readable ticks."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HEIGHT = 380  # pixels
WIDE = 10  # largest to smallest value from which an axis is logarithmic
_INK = "#7b838c"  # legible on white and on black; the report's page sets its own
_GRID = "rgba(128, 136, 144, 0.28)"
_MAX_TICKS = 6
_TITLE_HEIGHT = 32  # pixels
_SMALL_FONT = 10  # pixels, where a figure is squeezed
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def blank(x: str = "", y: str = "", *, panels: dict[str, Any] | None = None, height: int = HEIGHT) -> Figure:
    """Make a figure without data; `panels` are arguments of Plotly's make_subplots."""
    from plotly.graph_objects import Figure
    from plotly.subplots import make_subplots

    figure = Figure() if panels is None else make_subplots(**panels)
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        height=height,
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        font={"size": 12, "color": _INK},
        hoverlabel={"namelength": -1},
    )
    look = {"automargin": True, "gridcolor": _GRID, "zeroline": False, "linecolor": _GRID, "exponentformat": "none"}
    figure.update_xaxes(title=x, title_standoff=8, **look)
    figure.update_yaxes(title=y, title_standoff=8, **look)
    return figure


def points(name: str, x: Sequence[Any], y: Sequence[Any], color: str, **options: Any) -> Any:
    """Make a trace of markers in one colour; options are Plotly's."""
    from plotly.graph_objects import Scatter

    marker = {"color": color, "size": 7, "opacity": 0.8}
    return Scatter(**({"name": name, "x": x, "y": y, "mode": "markers", "marker": marker} | options))


def fit_into(figure: Figure, title: str, height: int) -> None:
    """Give a figure a title and another height, for a page that neither writes titles nor lets figures grow."""
    written = {"text": f"<b>{title}</b>", "x": 0, "xref": "paper", "y": 1, "yref": "container", "yanchor": "top"}
    top = (figure.layout.margin.t or 0) + _TITLE_HEIGHT
    if (figure.layout.height or 0) > height:
        figure.update_layout(font_size=_SMALL_FONT)
        figure.update_annotations(font_size=_SMALL_FONT)
        _label_lowest_only(figure)
    figure.update_layout(title=written | {"pad": {"t": 8}, "font": {"size": 15}}, height=height)
    figure.update_layout(margin={"t": top, "b": 16})
    if figure.layout.legend.yref == "container":
        figure.update_layout(legend={"y": 1 - _TITLE_HEIGHT / height})


def _label_lowest_only(figure: Figure) -> None:
    """Label the ticks of the lowest panels only: between panels below one another there is no room."""
    axes = [(each, figure.layout[f"yaxis{each.anchor[1:]}"]) for each in figure.select_xaxes() if each.anchor]
    lowest = min((vertical.domain[0] for _, vertical in axes), default=0)
    for horizontal, vertical in axes:
        if vertical.domain[0] > lowest:
            horizontal.showticklabels = False


def axis(values: Iterable[float | None], *, wide: float = WIDE) -> dict[str, Any]:
    """The axis for some values: logarithmic where all are positive and far apart, by a factor of `wide`."""
    finite = [value for value in values if value is not None and math.isfinite(value)]
    if finite and min(finite) > 0 and max(finite) / min(finite) >= wide:
        return log_axis(min(finite), max(finite))
    return {"type": "linear", "nticks": _MAX_TICKS, "separatethousands": True}


def log_axis(low: float, high: float) -> dict[str, Any]:
    """A logarithmic axis from `low` to `high`, with ticks written out."""
    ticks = _log_ticks(low, high)
    return {"type": "log", "tickmode": "array", "tickvals": ticks, "ticktext": [plain(tick) for tick in ticks]}


def integer_axis(values: Iterable[float]) -> dict[str, Any]:
    """An axis of whole numbers, without ticks between two of them."""
    numbers = list(values)
    step = _nice((max(numbers) - min(numbers)) / _MAX_TICKS) if numbers else 1
    return {"type": "linear", "tick0": 0, "dtick": max(1, math.ceil(step)), "tickformat": ",d"}


def plain(value: float) -> str:
    """Write a number without an exponent, or as a power of ten where that would be long."""
    if value == 0 or 1e-6 <= abs(value) < 1e7:
        written = f"{value:,.12f}".rstrip("0").rstrip(".")
        return written or "0"
    digits, exponent = f"{value:.0e}".split("e")
    power = f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return power if digits == "1" else f"{digits}·{power}"


def _log_ticks(low: float, high: float) -> list[float]:
    """Choose 3 to 6 round ticks: powers of ten, with 3 or 2 and 5 between them, or even steps on a narrow axis."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5)):
        ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
        within = [tick for tick in ticks if low <= tick <= high]
        if len(within) >= 3:
            return within[:: math.ceil(len(within) / _MAX_TICKS)]
    step = _nice((high - low) / _MAX_TICKS) or 1
    return [step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1) if step * i > 0]


def _nice(step: float) -> float:
    """The next of 1, 2, 5, 10, 20, … times a power of ten; 0 for 0."""
    if step <= 0:
        return 0
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def wrap(text: str, width: int = 20) -> str:
    """Break a text into lines of at most `width` characters, as Plotly breaks them."""
    return "<br>".join(textwrap.wrap(text, width))
