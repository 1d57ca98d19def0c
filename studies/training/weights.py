"""The regularized weights of a model, and their statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.spec.model import KerasSpec, ModelSpec

NEAR_ZERO = 1e-3
_KERNELS = {"kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel", "embeddings"}
_BINS = 40  # of a histogram, both signs together

Kernel = npt.NDArray[Any]


def regularized(model: Any, spec: ModelSpec) -> list[Any]:
    """The regularized layers: every hidden one with a kernel, or the output when it is the only one."""
    if isinstance(spec, KerasSpec):
        return [model.get_layer(name) for name in spec.graph.regularized]
    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    return layers[:-1] or layers


def variables(layer: Any) -> tuple[list[Any], list[Any]]:
    """The regularized variables of a layer: its kernels, recurrent ones and embeddings too, and its biases."""
    # Other variables belong to no kernel: the scale of an attention.
    trainable = layer.trainable_variables
    return [v for v in trainable if v.name in _KERNELS], [v for v in trainable if v.name == "bias"]


def reads_features(spec: ModelSpec, input_shape: Sequence[int]) -> bool:
    """Return whether the first kernel's rows are the columns of a table, each of which is read there alone."""
    return len(input_shape) == 1 and (not isinstance(spec, KerasSpec) or spec.graph.reads_features)


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


def detail(layers: Sequence[Sequence[Kernel]], *, features: bool) -> dict[str, Any]:
    """Summarize each layer from the input on, with a histogram of all weights.

    With `features`, also give the norm of each feature's weights in the first layer: exactly 0 where the model does not
    use the feature.
    """
    kernels = [kernel for layer in layers for kernel in layer]
    statistics: dict[str, Any] = {"layers": [summarize(layer) for layer in layers], "histogram": _histogram(kernels)}
    if features:
        norms = np.sqrt(np.square(kernels[0].astype(np.float64)).sum(axis=1))
        statistics["feature_norms"] = [float(f"{norm:.4g}") for norm in norms]
    return statistics


def _histogram(kernels: Sequence[Kernel]) -> dict[str, Any]:
    """Counts of the weights that are not 0, between even edges symmetric about 0; `zeros` counts the rest."""
    weights = np.concatenate([kernel.ravel() for kernel in kernels])
    largest = float(np.abs(weights).max()) or 1.0
    counts, _ = np.histogram(weights[weights != 0], bins=_BINS, range=(-largest, largest))
    return {"largest": largest, "counts": counts.tolist(), "zeros": int((weights == 0).sum())}
