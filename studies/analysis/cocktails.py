"""Cocktails: mixtures of parts between each technique alone and all of them combined, as people use them.

Kadra et al., "Well-tuned Simple Nets Excel on Tabular Datasets", NeurIPS 2021, find that the mixture matters more than
any one regularizer. None is searched: they are made of parameters that the searches have found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studies.analysis.candidates import PARTS, PENALTIES, parts_of
from studies.analysis.params import is_of_kernels

Params = Mapping[str, Any]


def cocktails(searched: Mapping[str, Params], best_first: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The mixtures worth confirming beside what was searched, with their parameters.

    From everything combined each part is left out in turn; to the best single technique each part that it lacks is
    added, as the search of that part alone has found it. `best_first` orders what was searched.
    """
    found: dict[str, dict[str, Any]] = {}
    if "combined" in searched:
        whole = searched["combined"]
        for part in parts_of("combined", whole):
            _put(found, leave_out(whole, part))
    singles = [name for name in best_first if name in PARTS and name in searched]
    if singles:
        base = searched[singles[0]]
        for other in _others(singles):
            _put(found, add(base, searched[other], other))
    return found


def _others(singles: Sequence[str]) -> list[str]:
    """The best technique of each other kind than the best one's."""
    kinds = dict.fromkeys("penalty" if name in PENALTIES else name for name in singles)
    best = {kind: next(n for n in singles if n == kind or (kind == "penalty" and n in PENALTIES)) for kind in kinds}
    return [name for name in best.values() if name != singles[0]]


def _put(found: dict[str, dict[str, Any]], params: dict[str, Any]) -> None:
    parts = parts_of("combined", params)
    penalties = [part for part in parts if part in PENALTIES]
    # One part alone was searched, and layers of several kinds have no name.
    if len(parts) > 1 and len(penalties) < 2:
        found.setdefault("+".join(parts), params)


def leave_out(params: Params, part: str) -> dict[str, Any]:
    """The same parameters without one part."""
    left = dict(params)
    for name in params:
        if part == "early_stopping" and name == "patience":
            left[name] = None
        elif part == "dropout" and is_of_kernels(name, "dropout"):
            left[name] = 0.0
        elif part in PENALTIES and name.startswith(("bias_", "activity_")):
            del left[name]
        elif part in PENALTIES and is_of_kernels(name, "regularizer"):
            left[name] = "none"
        elif part in PENALTIES and (is_of_kernels(name, "lambda") or is_of_kernels(name, "l1_ratio")):
            left[name] = None
    return left


def add(params: Params, other: Params, part: str) -> dict[str, Any]:
    """The same parameters with one part of another's."""
    names = {"early_stopping": ("patience",), "dropout": ("dropout",)}.get(part, ("regularizer", "lambda", "l1_ratio"))
    taken = {name: value for name, value in other.items() if any(is_of_kernels(name, parameter) for parameter in names)}
    return {**params, **taken}
