"""What a name that is not known may mean: the names are tried by it, never taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from studies.imports.names import BY_NAME, endings

#: Names that several hyperparameters have -> what they most often are.
_AMBIGUOUS = {
    "alpha": "lambda l1 l2", "beta": "lambda", "decay": "l2", "depth": "hidden_layers", "eta": "learning_rate",
    "factor": "lambda", "p": "dropout", "prob": "dropout", "rate": "dropout learning_rate", "size": "hidden_units",
    "strength": "lambda", "width": "hidden_units",
}  # fmt: skip
_ALIKE = 0.8  # of difflib's ratio
_NUMBER = re.compile(r"_?l?_?\d+$")
_MOST = 3


def likely_meanings(name: str) -> tuple[str, ...]:
    """What a name may mean here, at most three, the likeliest first; none where no known name is like it."""
    found = [ours for ending in reversed(endings(name)) for ours in _like(_NUMBER.sub("", ending))]
    if found[:1] == ["weight_decay"]:  # of a layer, so most likely of a penalty of its kernel
        found = ["l2", "l2/2"]
    return tuple(dict.fromkeys(found))[:_MOST]


def _like(name: str) -> Iterator[str]:
    if name in _AMBIGUOUS:
        yield from _AMBIGUOUS[name].split()
    if name in BY_NAME:
        yield BY_NAME[name]
    # The longest name within it says most: `learning_rate` of `rmsprop_learning_rate`.
    within = [each for each in BY_NAME if len(each) > 1 and f"_{each}_" in f"_{name}_"]
    yield from (BY_NAME[each] for each in sorted(within, key=len, reverse=True)[:1])
    yield from (BY_NAME[each] for each in get_close_matches(name, BY_NAME, _MOST, _ALIKE))
