"""What a training says of its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

NEAR_ZERO = 1e-3
_BINS = 40  # of a histogram, both signs together

Kernel = npt.NDArray[Any]


def summarize(kernels: Sequence[Kernel]) -> dict[str, float]:
    """Share of exact zeros and of |w| < 1e-3, L1 norm, L2 norm and largest |w| over some kernels."""
    sizes = np.abs(np.concatenate([kernel.ravel() for kernel in kernels])).astype(np.float64)
    return {
        "count": int(sizes.size),
        "nonzero": int(np.count_nonzero(sizes)),
        "zero_share": float((sizes == 0).mean()),
        "near_zero_share": float((sizes < NEAR_ZERO).mean()),
        "l1_norm": float(sizes.sum()),
        "l2_norm": float(np.sqrt(np.square(sizes).sum())),
        "max_abs": float(sizes.max()),
    }


def detail(kernels: Sequence[Kernel], *, table: bool) -> dict[str, Any]:
    """The same by layer from the input on, a histogram of the weights, and of a table the norm of each input feature's
    weights: exactly 0 where the model does not look at the feature.
    """
    found: dict[str, Any] = {"layers": [summarize([kernel]) for kernel in kernels], "histogram": _histogram(kernels)}
    if table:
        norms = np.sqrt(np.square(kernels[0].astype(np.float64)).sum(axis=1))
        found["feature_norms"] = [float(f"{norm:.4g}") for norm in norms]
    return found


def _histogram(kernels: Sequence[Kernel]) -> dict[str, Any]:
    """Counts of the weights that are not 0, between even edges symmetric about 0; `zeros` counts the rest."""
    weights = np.concatenate([kernel.ravel() for kernel in kernels])
    largest = float(np.abs(weights).max()) or 1.0
    counts, _ = np.histogram(weights[weights != 0], bins=_BINS, range=(-largest, largest))
    return {"largest": largest, "counts": counts.tolist(), "zeros": int((weights == 0).sum())}
