"""Says which columns of texts a raw-rows model matches less well than the zip: no layer folds letters beyond A to Z."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from studies.datasets.layout import Layout
from studies.datasets.levels import similar

_SHOWN = 40  # characters of a text


def describe_less_matched(layout: Layout | None) -> Iterator[str]:
    """Describe each column whose texts a model finds in fewer mixtures of cases than the zip, in a sentence each."""
    for column in () if layout is None else layout.columns:
        texts = column.known or column.levels
        told_apart = set(chain(*similar(texts)))  # by case, by the zip too
        cased = [text for text in texts if text not in told_apart and sum(map(_has_case, text)) > 1]
        if cased:
            others = f" and {len(cased) - 1:,} more have" if len(cased) > 1 else " has"
            yield (
                f"column {column.name!r:.80}: {cased[0][:_SHOWN]!r}{others} letters beyond A to Z: this model finds "
                "such a text as it was in training, and all in lower, upper or title case; in another mixture of "
                "cases, which the zip finds, it is unknown"
            )


def _has_case(letter: str) -> bool:
    """Whether a letter that no layer folds has two cases, which the zip takes for one.

    A text with one such letter is found all the same: its lower and its upper case are all there is.
    """
    return not letter.isascii() and letter.lower() != letter.upper() and letter.lower() == letter.upper().casefold()
