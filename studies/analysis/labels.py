"""What candidates are called, what they are made of, and the colour that stands for each in every figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

#: What a candidate can be made of; at most one of the first three.
Part = Literal["l1", "l2", "elastic_net", "dropout", "early_stopping"]
PARTS: tuple[Part, ...] = get_args(Part)
PENALTIES: tuple[Part, ...] = ("l1", "l2", "elastic_net")
_LABELS: Mapping[str, str] = {
    "none": "no regularization",
    "l1": "L1",
    "l2": "L2",
    "elastic_net": "elastic net",
    "dropout": "dropout",
    "early_stopping": "early stopping",
    "combined": "all combined",
}
#: Every mixture of parts that is none of the searched techniques, in the order they are named.
COCKTAILS: tuple[str, ...] = (
    "dropout+early_stopping",
    *("+".join((penalty, *rest)) for penalty in PENALTIES
      for rest in (("dropout",), ("early_stopping",), ("dropout", "early_stopping"))),
)  # fmt: skip
#: From the simplest on: by what must be chosen and kept in the model, then by what training costs.
_SIMPLEST_FIRST = ("none", "early_stopping", "l2", "l1", "dropout", "elastic_net")
#: A colour each: near Okabe and Ito's for what is searched, for cocktails those farthest from them and from each other
#: (in OKLab) of what shows on white and on black.
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
#: The study's own search, which is none of the candidates.
OWN_SEARCH_COLOR = "#9467bd"


def label(candidate: str) -> str:
    """What people call a candidate: "L1 with early stopping"."""
    if candidate in _LABELS:
        return _LABELS[candidate]
    first, *rest = (_LABELS[part] for part in candidate.split("+"))
    return f"{first} with {' and '.join(rest)}"


def color(candidate: str) -> str:
    """The colour that stands for a candidate."""
    return _COLORS[candidate]


def parts_of(candidate: str, params: Mapping[str, Any]) -> tuple[Part, ...]:
    """What a candidate is made of, by its parameters: of a penalty, dropout, early stopping those that act."""
    if candidate != "combined":
        return () if candidate == "none" else tuple(part for part in PARTS if part in candidate.split("+"))
    kinds = [value for name, value in params.items() if _named(name, "regularizer") and value != "none"]
    rates = [value for name, value in params.items() if _named(name, "dropout") and value]
    found: list[Part] = [part for part in PENALTIES if part in kinds]
    found += ["dropout"] if rates else []
    return (*found, "early_stopping") if params.get("patience") is not None else tuple(found)


def _named(name: str, parameter: str) -> bool:
    """Whether a name is the parameter's, for all layers or for one of them."""
    return name == parameter or (name.startswith("layer") and name.split("_", 1)[1:] == [parameter])


def complexity(candidate: str, parts: Sequence[str]) -> tuple[int, int]:
    """How simple a candidate is: fewer parts are simpler, then the order of `_SIMPLEST_FIRST`."""
    order = (*_SIMPLEST_FIRST, *COCKTAILS, "combined")
    # Everything combined was chosen by a search of everything, so it counts as more than its parts.
    return (len(parts) + (candidate == "combined"), order.index(candidate))
