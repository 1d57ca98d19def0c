"""Cocktails: mixtures of parts between each technique alone and all of them combined.

Kadra et al., "Well-tuned Simple Nets Excel on Tabular Datasets", NeurIPS 2021, find that the mixture matters more than
any one regularizer. None is searched: cocktails are mixed from the params of the searches' best trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studies.analysis.candidates import PARTS, PENALTIES, Part, parts_of
from studies.analysis.params import is_of_kernels

Params = Mapping[str, Any]


def cocktails(searched: Mapping[str, Params], best_first: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Mix the cocktails worth confirming beside the searched techniques; return their params by name.

    From everything combined each part is left out in turn; to the best single technique each part that it lacks is
    added, as that part's own search tuned it. `best_first` orders the searched techniques.
    """
    mixed: dict[str, dict[str, Any]] = {}
    if "combined" in searched:
        combined = searched["combined"]
        for part in parts_of("combined", combined):
            _put(mixed, _without(combined, part))
    singles = [part for name in best_first for part in PARTS if part == name and name in searched]
    if singles:
        base = searched[singles[0]]
        for other in _best_of_other_kinds(singles):
            _put(mixed, _with(base, searched[other], other))
    return mixed


def _best_of_other_kinds(singles: Sequence[Part]) -> list[Part]:
    """The best technique of each kind but the first one's; all penalties are one kind."""
    best: dict[str, Part] = {}
    for part in singles:
        best.setdefault("penalty" if part in PENALTIES else part, part)
    return list(best.values())[1:]


def _put(mixed: dict[str, dict[str, Any]], params: dict[str, Any]) -> None:
    """Add params under the cocktail's name, unless they are no cocktail or there is one of that name."""
    parts = parts_of("combined", params)
    penalties = [part for part in parts if part in PENALTIES]
    # One part alone was searched, and layers of several kinds have no name.
    if len(parts) > 1 and len(penalties) < 2:
        mixed.setdefault("+".join(parts), params)


def _without(params: Params, part: Part) -> dict[str, Any]:
    """The params with one part switched off."""
    rest = dict(params)
    for name in params:
        if part == "early_stopping" and name == "patience":
            rest[name] = None
        elif part == "dropout" and is_of_kernels(name, "dropout"):
            rest[name] = 0.0
        elif part in PENALTIES and name.startswith(("bias_", "activity_")):
            del rest[name]
        elif part in PENALTIES and is_of_kernels(name, "regularizer"):
            rest[name] = "none"
        elif part in PENALTIES and (is_of_kernels(name, "lambda") or is_of_kernels(name, "l1_ratio")):
            rest[name] = None
    return rest


def _with(params: Params, other: Params, part: Part) -> dict[str, Any]:
    """The params with one part of another candidate's."""
    names = {"early_stopping": ("patience",), "dropout": ("dropout",)}.get(part, ("regularizer", "lambda", "l1_ratio"))
    added = {name: value for name, value in other.items() if any(is_of_kernels(name, parameter) for parameter in names)}
    return {**params, **added}
