"""What a lane costs before anything is compiled: memory, and multiplications."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from studies.datasets.preprocessing import PreparedData
from studies.models.architecture import design
from studies.regularization import Regularization
from studies.spec import StudySpec

_COPIES = 8  # of a lane's weights: best, slots, gradients, and what an update holds meanwhile


class LaneSize:
    """The cost of one lane of a study's program."""

    def __init__(self, spec: StudySpec, folds: Sequence[PreparedData]) -> None:
        import keras

        data = folds[0]
        unregularized = Regularization.shared("none", 0.0, 0.0, 0.0)
        architecture = design(spec.model, data.input_shape, data.task, data.classes, unregularized)
        self._layers = keras.Sequential([layer.evaluate() for layer in architecture.layers]).layers
        self._rows, self._validation_rows = data.train_rows, max(len(fold.rows.validation) for fold in folds)
        self._row, self._folds = prod(data.input_shape), len(folds)
        self._batch = max(spec.space.batch_sizes)

    @property
    def shared_bytes(self) -> int:
        """What all lanes share: the rows of every fold."""
        return 4 * self._folds * (self._rows + self._validation_rows) * self._row

    def bytes(self, epochs: int) -> int:
        """What it holds at most: copies of its weights, and the activations of a pass over validation rows."""
        weights = sum(layer.count_params() for layer in self._layers)
        activations = sum(prod(layer.output.shape[1:]) + _patch_floats(layer) for layer in self._layers)
        rows = max(min(self._validation_rows, 4096), 3 * self._batch)
        own = self._validation_rows * self._row if self._folds > 1 else 0  # gathered from the lane's fold
        return int(4 * (own + (_COPIES + epochs) * weights + rows * activations + epochs * self._rows))

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
