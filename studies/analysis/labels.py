"""Names and colours of candidates, and how params, numbers and probabilities are written everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from studies.analysis.params import is_of_kernels
from studies.analysis.results import Interval

_LABELS: Mapping[str, str] = {
    "none": "no regularization",
    "l1": "L1",
    "l2": "L2",
    "elastic_net": "elastic net",
    "dropout": "dropout",
    "early_stopping": "early stopping",
    "combined": "all combined",
}
#: Techniques have colours near Okabe and Ito's; cocktails the colours farthest from them and from each other (in OKLab)
#: among those visible on white and on black.
_COLORS: Mapping[str, str] = {
    "none": "#7f7f7f",
    "l1": "#0072b2",
    "l2": "#d55e00",
    "elastic_net": "#009e73",
    "dropout": "#cc79a7",
    "early_stopping": "#dd9a00",
    "combined": "#45b0e6",
    "dropout+early_stopping": "#b42d5a",
    "l1+dropout": "#2d87ff",
    "l1+early_stopping": "#3c6969",
    "l1+dropout+early_stopping": "#b496ff",
    "l2+dropout": "#965a2d",
    "l2+early_stopping": "#96870f",
    "l2+dropout+early_stopping": "#ff8778",
    "elastic_net+dropout": "#5a6900",
    "elastic_net+early_stopping": "#87b400",
    "elastic_net+dropout+early_stopping": "#87b496",
}
#: The study's own search, which is not a candidate.
OWN_SEARCH = "the study's own search"
OWN_SEARCH_COLOR = "#9467bd"
_NOT_REGULARIZATION = ("learning_rate", "batch_size")
_NEARLY = 0.005  # probability below which a rounded percentage would be 0

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400  # seconds


def label(candidate: str) -> str:
    """The readable name of a candidate: "L1 with early stopping"."""
    if candidate in _LABELS:
        return _LABELS[candidate]
    first, *rest = (_LABELS[part] for part in candidate.split("+"))
    return f"{first} with {' and '.join(rest)}"


def color(candidate: str) -> str:
    """The colour of a candidate in every figure."""
    return _COLORS[candidate]


def param_label(name: str) -> str:
    """The readable name of a param: "λ", "layer1_λ"."""
    return name.replace("lambda", "λ")


def params_text(candidate: str, params: Mapping[str, Any]) -> str:
    """The regularization params of a candidate that have an effect: "λ 0.01, dropout 0.2"; empty without any.

    A candidate's name says which penalty its kernels have, except that of "combined".
    """
    effective = {
        name: value
        for name, value in params.items()
        if name not in _NOT_REGULARIZATION
        and value not in (None, 0, "none")
        and (candidate == "combined" or not is_of_kernels(name, "regularizer"))
    }
    return ", ".join(f"{param_label(name)} {number(value, 3)}" for name, value in effective.items())


def number(value: Any, digits: int = 4) -> str:
    """A value with `digits` significant digits; a dash for None."""
    if value is None:
        return "–"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def repeats_text(objective: str, values: Sequence[float]) -> str:
    """The best trial's params under other seeds: "The best params with 4 other seeds: val_loss 0.21 ± 0.01"."""
    spread = f" ± {number(stdev(values), 2)}" if len(values) > 1 else ""
    seeds = f"{len(values)} other seed{'s' * (len(values) > 1)}"
    return f"The best params with {seeds}: {objective} {number(fmean(values))}{spread}"


def bounds_text(interval: Interval) -> str:
    """The bounds of an interval: "0.012 to 0.023"."""
    return f"{number(interval.low, 3)} to {number(interval.high, 3)}"


def worth_text(worth: Interval) -> str:
    """A gain with its sign and interval: "+0.012 (-0.0012 to +0.023)"."""
    return f"{worth.mean:+.2g} ({worth.low:+.2g} to {worth.high:+.2g})"


def percentage(probability: float) -> str:
    """A probability as a percentage; one that is only nearly sure is not rounded to 0 % or 100 %."""
    if probability < _NEARLY:
        return "<\u00a01%"
    return ">\u00a099%" if probability > 1 - _NEARLY else f"{probability:.0%}"


def duration(seconds: float) -> str:
    """Seconds in words, in the largest unit that fits."""
    if seconds < _MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < _HOUR:
        return f"{round(seconds / _MINUTE)} min"
    if seconds < _DAY:
        return f"{seconds / _HOUR:.1f} h"
    return f"{seconds / _DAY:.1f} days"
