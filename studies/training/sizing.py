"""What a lane costs before anything is compiled: memory, and multiplications."""

from __future__ import annotations

from math import prod
from typing import Any

from studies.datasets.preprocessing import PreparedData
from studies.models.architecture import design
from studies.regularization import Regularization
from studies.spec import StudySpec

_COPIES = 8  # of a lane's weights: best, slots, gradients, and what an update holds meanwhile


class LaneSize:
    """The cost of one lane of a study's program."""

    def __init__(self, spec: StudySpec, data: PreparedData) -> None:
        import keras

        architecture = design(
            spec.model, data.input_shape, data.task, data.classes, Regularization("none", 0.0, 0.0, 0.0)
        )
        self._layers = keras.Sequential([layer.evaluate() for layer in architecture.layers]).layers
        self._rows, self._validation_rows = len(data.train.y), len(data.validation.y)
        self._batch = max(spec.space.batch_sizes)

    def bytes(self, epochs: int) -> int:
        """What it holds at most: copies of its weights, and the activations of a pass over validation rows."""
        weights = sum(layer.count_params() for layer in self._layers)
        activations = sum(prod(layer.output.shape[1:]) + _patch_floats(layer) for layer in self._layers)
        rows = max(min(self._validation_rows, 4096), 3 * self._batch)
        return int(4 * ((_COPIES + epochs) * weights + rows * activations + epochs * self._rows))

    def epoch_flops(self) -> float:
        """Multiplications and additions of an epoch's matrix products, forward and backward."""
        return 6.0 * self._rows * sum(_products(layer) for layer in self._layers)


def _patch_floats(layer: Any) -> int:
    """Floats a row that a convolution's patches take."""
    return int(_positions(layer) * prod(layer.kernel.shape[:-1])) if hasattr(layer, "kernel_size") else 0


def _products(layer: Any) -> int:
    return int(_positions(layer) * prod(layer.kernel.shape)) if hasattr(layer, "kernel") else 0


def _positions(layer: Any) -> int:
    """How often a row meets the kernel."""
    return int(prod(layer.output.shape[1:-1]))
