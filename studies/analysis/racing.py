"""Racing: in how many rounds folds are given, and who is given none any more.

Maron and Moore, "Hoeffding Races", NIPS 1994, stop giving data to what has surely lost. Here that is what is hardly
ever among the best on new rows, by the posterior of what its folds have shown so far.
"""

from __future__ import annotations

from collections.abc import Mapping

_SHARES = (0.2, 0.5, 1.0)  # of the repeats that a round goes on to
_SURELY = 0.01  # probability of being among the best below which a candidate has lost
_KEPT = 2  # candidates that always go on


def rounds(repeats: int) -> list[range]:
    """The repeats of each round."""
    ends = sorted({max(1, round(share * repeats)) for share in _SHARES})
    return [range(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]


def survivors(keeps_up: Mapping[str, float]) -> list[str]:
    """Those that have not surely lost, in their order, at least two; by the probability that they keep up with all."""
    safe = sorted(keeps_up, key=lambda name: -keeps_up[name])[:_KEPT]
    return [name for name, chance in keeps_up.items() if name in safe or chance >= _SURELY]
