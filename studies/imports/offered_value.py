"""Chooses which one of several values a refusal offers: the one that a user most likely wants in a study."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, get_args

from studies.imports.imported import Theirs
from studies.imports.names import normalize
from studies.spec.model import Activation

#: What has a name in a study: as `name_of` writes other programs' -> ours, the usual one first.
NAMED: Mapping[str, Mapping[str, str]] = {
    "activation": {"relu": "relu"}
    | {name.replace("_", ""): name for name in get_args(Activation)}
    | {"swish": "silu", "identity": "linear", "none": "linear"},
    "optimizer": {name: name for name in ("adam", "adamw", "sgd", "rmsprop")},
    "schedule": dict.fromkeys(("none", "constant"), "constant")
    | dict.fromkeys(("cosine", "cosineannealing", "cosinedecay", "cosineannealinglr"), "cosine"),
    "class_weights": {"none": "none", "balanced": "balanced"},
}
#: Of these the most: regularization is for a network that could overfit, and early stopping ends what is too long.
_MOST = frozenset({"epochs", "hidden_units", "hidden_layers"})


def offered_value(ours: str, theirs: Theirs) -> Any:
    """The value of a hyperparameter to offer: the best trial's, or the likeliest by what it means here (`ours`)."""
    values = theirs.values
    if theirs.best is not None or not isinstance(values, Mapping | tuple):
        return values if theirs.best is None else theirs.best
    if isinstance(values, Mapping):
        return values["high"] if ours in _MOST else _middle(**values)
    if ours in NAMED:
        written = {name_of(value): value for value in reversed(values)}
        return next((written[name] for name in NAMED[ours] if name in written), values[0])
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return values[0]
    return max(values) if ours in _MOST else sorted(values)[len(values) // 2]


def name_of(value: Any) -> str:
    """A choice in lower case without underscores: `ReLU` and `relu` are the same; `none` where there is none."""
    return "none" if value is None else normalize(str(value)).replace("_", "")


def _middle(low: float, high: float, *, log: bool) -> float:
    middle = sqrt(low * high) if log else (low + high) / 2
    return int(middle) if type(low) is int and type(high) is int else float(f"{middle:.3g}")
