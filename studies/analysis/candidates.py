"""The candidates of a comparison: techniques, and cocktails of their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from studies.analysis.params import kernel_values
from studies.spec.comparison import TECHNIQUES

#: One ingredient of a candidate; a candidate has at most one of the first three.
Part = Literal["l1", "l2", "elastic_net", "dropout", "early_stopping"]
PARTS: tuple[Part, ...] = get_args(Part)
PENALTIES: tuple[Part, ...] = ("l1", "l2", "elastic_net")
#: Every mixture of parts that is not a searched technique, in the order they are named.
COCKTAILS: tuple[str, ...] = (
    "dropout+early_stopping",
    *("+".join((penalty, *rest)) for penalty in PENALTIES
      for rest in (("dropout",), ("early_stopping",), ("dropout", "early_stopping"))),
)  # fmt: skip
CANDIDATES: tuple[str, ...] = (*TECHNIQUES, *COCKTAILS)
#: Ordered by what must be chosen and kept in the model, then by what training costs.
_SIMPLEST_FIRST = ("none", "early_stopping", "l2", "l1", "dropout", "elastic_net", *COCKTAILS, "combined")


def parts_of(candidate: str, params: Mapping[str, Any]) -> tuple[Part, ...]:
    """List the parts of a candidate; of "combined" the parts that act under `params`."""
    if candidate != "combined":
        return tuple(part for part in PARTS if part in candidate.split("+"))
    acting = set(kernel_values(params, "regularizer"))
    if any(kernel_values(params, "dropout")):
        acting.add("dropout")
    if params.get("patience") is not None:
        acting.add("early_stopping")
    return tuple(part for part in PARTS if part in acting)


def complexity(candidate: str, parts: Sequence[str]) -> tuple[int, int]:
    """Rank a candidate by simplicity: fewer parts first, then the order of `_SIMPLEST_FIRST`."""
    # A search of everything chose "combined", so it counts as more than its parts.
    return (len(parts) + (candidate == "combined"), _SIMPLEST_FIRST.index(candidate))
