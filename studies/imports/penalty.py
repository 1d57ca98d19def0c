"""Puts regularizers and their strengths, however a program divides them, into a study's regularizer, λ and l1_ratio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.imports.imported import Theirs
from studies.imports.names import normalize
from studies.imports.options import fixing, leaving_out, mapping
from studies.imports.placement import Placement
from studies.imports.two_strengths import place_alternatives, place_sum

_KINDS = {
    "none": "none", "null": "none", "no": "none", "off": "none", "": "none", "l1": "l1", "lasso": "l1", "l2": "l2",
    "ridge": "l2", "l1_l2": "elastic_net", "l1l2": "elastic_net", "elastic_net": "elastic_net",
    "elasticnet": "elastic_net",
}  # fmt: skip
_OF_KIND = {"l1": "l1", "l2": "l2", "l2/2": "l2"}


def place_penalty(known: Mapping[str, Theirs], placement: Placement) -> None:
    """Put the kinds of regularizer and their strength; none where the other program has none."""
    strengths = {name: known[name] for name in ("lambda", *_OF_KIND) if name in known}
    kinds = _kinds(known["regularizer"], placement) if "regularizer" in known else None
    if kinds is not None:
        listed = kinds if isinstance(kinds, list) else [kinds]
        placement.put("space.regularizer", kinds, known["regularizer"])
        if not strengths and listed != ["none"]:
            placement.note(known["regularizer"], "its strength is not in the file, so λ is searched from 1e-6 to 0.1")
    elif "regularizer" in known:
        return
    if len(strengths) > 1:
        _place_several(strengths, kinds, placement)
        return
    for name, theirs in strengths.items():
        _place_strength(name, theirs, kinds, placement, with_ratio="l1_ratio" in known)
    if "l1_ratio" in known:
        if not strengths and kinds is None:
            # A name without a meaning may be that strength: leave it to the user to say so first.
            option = "" if placement.refused else leaving_out(known["l1_ratio"].name)
            reason = "divides a strength of elastic net, and the file has none; say which it is (--map NAME=lambda)"
            placement.refuse(known["l1_ratio"], reason, option)
        placement.put_searched("l1_ratio", known["l1_ratio"])


def _kinds(theirs: Theirs, placement: Placement) -> Any:
    """The kinds of regularizer as a study writes them; None, and a refusal, where one is none of them."""
    texts = theirs.values if isinstance(theirs.values, tuple) else (theirs.values,)
    kinds = [kind_of(text) for text in texts]
    if None in kinds:
        wrong = texts[kinds.index(None)]
        right = [text for text, kind in zip(texts, kinds, strict=True) if kind not in (None, "none")]
        placement.refuse(
            theirs,
            f"{wrong!r:.60} is no regularizer here; they are none, l1, l2 and elastic_net; take one for all trials",
            fixing(theirs.name, right[0] if right else "l2"),
        )
        return None
    once = list(dict.fromkeys(kinds))
    return once if len(once) > 1 else once[0]


def _place_strength(name: str, theirs: Theirs, kinds: Any, placement: Placement, *, with_ratio: bool) -> None:
    kind = _OF_KIND.get(name)
    if kind is None and kinds is None and not with_ratio:
        placement.refuse(
            theirs,
            f"is the strength of a penalty, and nothing says of which; --map {theirs.name}=l2 (λ·Σw²), =l1 (λ·Σ|w|), "
            "or =l2/2 (½·λ·Σw²)",
            mapping(theirs.name, "l2"),
        )
        return
    if kind is not None and kinds is not None and kinds not in (kind, ["none", kind], [kind, "none"]):
        placement.refuse(
            theirs,
            f"is the strength of {kind}, and the regularizer is another as well",
            mapping(theirs.name, "lambda"),
        )
        return
    if kinds is None:
        placement.put("space.regularizer", kind or "elastic_net", theirs)
    strength = placement.notation("lambda", theirs)
    placement.put("space.lambda", _halved(strength) if name == "l2/2" else strength, theirs)


def _halved(strength: Any) -> Any:
    if isinstance(strength, dict):
        return {**strength, "low": strength["low"] / 2, "high": strength["high"] / 2}
    halves = [each / 2 if _is_number(each) else each for each in _listed(strength)]
    return halves if isinstance(strength, list) else halves[0]


def _place_several(strengths: Mapping[str, Theirs], kinds: Any, placement: Placement) -> None:
    """Put several strengths into the one λ, where a kind of penalty says whose it is or two of them are elastic net."""
    notations = {name: placement.notation("lambda", theirs) for name, theirs in strengths.items()}
    if "l2/2" in notations and "l2" not in notations:
        strengths = {**strengths, "l2": strengths["l2/2"]}
        notations["l2"] = _halved(notations.pop("l2/2"))
    if kinds is not None:
        place_alternatives(strengths, notations, _listed(kinds), placement)
    elif notations.keys() == {"l1", "l2"}:
        place_sum(strengths, notations, placement)
    else:
        named = " and ".join(theirs.name for theirs in strengths.values())
        for index, theirs in enumerate(strengths.values()):
            placement.refuse(
                theirs,
                f"a study has one strength, λ, which elastic net's l1_ratio divides, and {named} are strengths each; "
                "leave one out, or write regularizer, lambda and l1_ratio into the study",
                leaving_out(theirs.name) if index else "",
            )


def kind_of(text: Any) -> str | None:
    """The regularizer that another program's name means; None where it means none of them."""
    return _KINDS.get("none" if text is None else normalize(str(text)))


def params_of(given: Mapping[str, Any], fixed_kind: str | None) -> dict[str, Any]:
    """The regularizer, λ and l1_ratio of a trial, from another program's values by what they mean here.

    What has no effect, or is not known, is left out.
    """
    kind = kind_of(given["regularizer"]) if "regularizer" in given else fixed_kind
    if kind is None:
        return {}
    params: dict[str, Any] = {"regularizer": kind}
    l1, l2, half = given.get("l1"), given.get("l2"), given.get("l2/2")
    if l2 is None and half is not None and _is_number(half):
        l2 = half / 2
    if kind == "elastic_net" and l1 is not None and l2 is not None and _is_number(l1) and _is_number(l2):
        return params | {"lambda": l1 + l2} | ({"l1_ratio": l1 / (l1 + l2)} if l1 + l2 else {})
    of_kind = {"l1": l1, "l2": l2}.get(kind)
    strength = given.get("lambda") if of_kind is None else of_kind
    if kind != "none" and strength is not None:
        params["lambda"] = strength
    if kind == "elastic_net" and "l1_ratio" in given:
        params["l1_ratio"] = given["l1_ratio"]
    return params


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
