"""What a trial says of its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

NEAR_ZERO = 1e-3


def summarize(kernels: Sequence[npt.NDArray[Any]]) -> dict[str, float]:
    """Share of exact zeros and of |w| < 1e-3, L1 norm, L2 norm and largest |w| over all regularized kernels."""
    sizes = np.abs(np.concatenate([kernel.ravel() for kernel in kernels])).astype(np.float64)
    return {
        "count": int(sizes.size),
        "zero_share": float((sizes == 0).mean()),
        "near_zero_share": float((sizes < NEAR_ZERO).mean()),
        "l1_norm": float(sizes.sum()),
        "l2_norm": float(np.sqrt(np.square(sizes).sum())),
        "max_abs": float(sizes.max()),
    }
