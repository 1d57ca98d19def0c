"""Racing: confirms in rounds, and gives no more folds to candidates that have surely lost.

Maron and Moore, "Hoeffding Races", NIPS 1994, stop giving data to what has surely lost. Here a candidate has lost when,
by the posterior of its folds so far, it is hardly ever among the best on new rows.
"""

from __future__ import annotations

from collections.abc import Mapping

_SHARES = (0.2, 0.5, 1.0)  # of the repeats, at which each round ends
_LOST_BELOW = 0.01  # probability of being among the best
_MIN_SURVIVORS = 2


def rounds(repeats: int) -> list[range]:
    """The repeats of each round."""
    ends = sorted({max(1, round(share * repeats)) for share in _SHARES})
    return [range(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]


def survivors(keeps_up: Mapping[str, float]) -> list[str]:
    """The candidates that have not surely lost, in their order, at least two; by the probability that each keeps up."""
    safe = sorted(keeps_up, key=lambda name: -keeps_up[name])[:_MIN_SURVIVORS]
    return [name for name, probability in keeps_up.items() if name in safe or probability >= _LOST_BELOW]
