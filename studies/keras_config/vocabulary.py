"""The texts that a StringLookup knows, each with its index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The texts that an input of a model looks up; letter case and blanks tell them apart, as in Keras."""

    texts: tuple[str, ...]  # by index; one of them stands for every text that is not known
    unknown: int  # its index

    @classmethod
    def of(cls, words: Sequence[str], oov: str, mask: str | None, *, mask_first: bool) -> Self:
        """Number words as a StringLookup does behind the text of a mask and that of what is not known.

        Where the mask is not first, Keras gives it no index, and it has the one behind the last.
        """
        taken = {*words, mask}
        while oov in taken:  # which Keras allows
            oov += "_"
        masks = () if mask is None else (mask,)
        if mask_first:
            return cls((*masks, oov, *words), len(masks))
        return cls((oov, *words, *masks), 0)

    @property
    def indices(self) -> dict[str, int]:
        """The index of each text that is known."""
        return {text: index for index, text in enumerate(self.texts) if index != self.unknown}
