"""Puts several strengths, one a kind of penalty, into the one λ that a study has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from studies.imports.imported import Theirs
from studies.imports.options import leaving_out
from studies.imports.placement import Placement


@dataclass(frozen=True, slots=True)
class Span:
    """The least and the greatest of a parameter's values, and whether orders of magnitude are searched evenly."""

    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, notation: Any) -> Self | None:
        """The span of a notation of the space; None where its values are no numbers from 0."""
        if isinstance(notation, Mapping):
            return cls(notation["low"], notation["high"], bool(notation.get("log")))
        values = notation if isinstance(notation, list) else [notation]
        if not all(isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 for value in values):
            return None
        return cls(min(values), max(values), log=min(values) > 0)

    def notation(self) -> Any:
        """The span as the space writes it."""
        if self.low == self.high:
            return self.low
        return {"low": float(self.low), "high": float(self.high), **({"log": True} if self.log else {})}


def place_alternatives(
    strengths: Mapping[str, Theirs], notations: Mapping[str, Any], kinds: Sequence[str], placement: Placement
) -> None:
    """Put strengths of which a trial's kind of penalty takes one: λ has the values of all of them."""
    first = next(iter(strengths.values()))
    spans = _spans(strengths, notations, placement)
    if spans is None:
        return
    if "elastic_net" in kinds and {"l1", "l2"} <= spans.keys():
        spans["both"] = _put_ratio(spans["l1"], spans["l2"], first, placement)
    if all(isinstance(notation, list) for notation in notations.values()) and "both" not in spans:
        once: list[Any] = sorted({value for notation in notations.values() for value in notation})
        placement.put("space.lambda", once, first)
    else:
        low, high = min(span.low for span in spans.values()), max(span.high for span in spans.values())
        log = low > 0 and all(span.log for span in spans.values())
        placement.put("space.lambda", Span(low, high, log).notation(), first)
    names = ", ".join(theirs.name for theirs in strengths.values())
    placement.note(names, "are one λ here, with the values of all of them; the regularizer says whose it is")


def place_sum(strengths: Mapping[str, Theirs], notations: Mapping[str, Any], placement: Placement) -> None:
    """Put λ₁ and λ₂ of one penalty as elastic net: λ is their sum, and l1_ratio the share of the first."""
    first = strengths["l1"]
    spans = _spans(strengths, notations, placement)
    if spans is None:
        return
    placement.put("space.regularizer", "elastic_net", first)
    placement.put("space.lambda", _put_ratio(spans["l1"], spans["l2"], first, placement).notation(), first)
    placement.note(
        " and ".join(strengths[kind].name for kind in ("l1", "l2")),
        "are elastic net here: λ is their sum and l1_ratio the share of the first, in ranges that hold all of yours",
    )


def _put_ratio(l1: Span, l2: Span, theirs: Theirs, placement: Placement) -> Span:
    """Put l1_ratio; return the span of λ."""
    low = l1.low / (l1.low + l2.high) if l1.low + l2.high else 0.0
    high = l1.high / (l1.high + l2.low) if l1.high + l2.low else 1.0
    placement.put("space.l1_ratio", Span(low, high, log=False).notation(), theirs)
    total = l1.low + l2.low
    return Span(total, l1.high + l2.high, log=total > 0 and (l1.log or l2.log))


def _spans(
    strengths: Mapping[str, Theirs], notations: Mapping[str, Any], placement: Placement
) -> dict[str, Span] | None:
    """The span of each strength; None, and a refusal, where the values of one are no strengths."""
    spans = {name: Span.of(notation) for name, notation in notations.items()}
    for name in (name for name, span in spans.items() if span is None):
        placement.refuse(
            strengths[name],
            "has values that are no strengths; a strength is a number from 0",
            leaving_out(strengths[name].name),
        )
    return None if None in spans.values() else {name: span for name, span in spans.items() if span is not None}
