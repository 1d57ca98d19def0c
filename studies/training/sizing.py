"""The cost of a lane before anything is compiled: memory, and multiplications."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from studies.datasets.preprocessing import PreparedData
from studies.models.architecture import design
from studies.regularization import Regularization
from studies.spec.study import StudySpec
from studies.training import weights
from studies.training.program_key import Capacity

_COPIES = 8  # of a lane's weights: best, slots, gradients, and the arrays of an update


class LaneSize:
    """The cost of one lane of a study's program."""

    def __init__(self, spec: StudySpec, folds: Sequence[PreparedData]) -> None:
        data = folds[0]
        unregularized = Regularization.shared("none", 0.0, 0.0, 0.0)
        architecture = design(spec.model, data.input_shape, data.task, data.classes, unregularized)
        self._layers = architecture.build().layers
        self._rows, self._row_size = data.train_rows, prod(data.input_shape)
        self._batch_size = max(spec.space.batch_sizes)
        self._capacity = Capacity.of(folds, self._batch_size)

    @property
    def shared_bytes(self) -> int:
        """Bytes that all lanes share: the rows of every fold."""
        return 4 * (self._capacity.train_rows + self._capacity.validation_rows) * self._row_size

    def bytes(self, epochs: int) -> int:
        """Bytes of one lane at most: copies of its weights, and the activations of a pass over validation rows."""
        count = sum(layer.count_params() for layer in self._layers)
        activations = sum(
            prod(_output_shape(layer)[1:]) + _patch_floats(layer) + _loop_floats(layer) for layer in self._layers
        )
        rows = max(self._capacity.pass_rows, 3 * self._capacity.batch_size)
        order = epochs * self._capacity.steps * self._capacity.batch_size
        return int(4 * ((_COPIES + epochs) * count + rows * (activations + self._row_size) + order))

    @property
    def epoch_steps(self) -> int:
        """Batches of an epoch."""
        return -(-self._rows // self._batch_size)

    @property
    def epoch_turns(self) -> int:
        """Turns of the recurrent layers' loops in an epoch, forward alone."""
        return self.epoch_steps * sum(map(_turns, self._layers))

    @property
    def step_flops(self) -> float:
        """Multiplications and additions of a step's matrix products, or of one turn of a step's loops."""
        return self.epoch_flops() / max(self.epoch_steps, self.epoch_turns)

    def epoch_flops(self) -> float:
        """Multiplications and additions of an epoch's matrix products, forward and backward."""
        return 6.0 * self._rows * sum(_products(layer) for layer in self._layers)


def _patch_floats(layer: Any) -> int:
    """Floats a row in a convolution's patches."""
    kernels, _ = weights.variables(layer)
    return int(_positions(layer) * prod(kernels[0].shape[:-1])) if hasattr(layer, "kernel_size") else 0


def _turns(layer: Any) -> int:
    """Turns of a recurrent layer's loop, one a step of its input; 0 of any other layer."""
    kernels, _ = weights.variables(layer)
    recurrent = any(kernel.name == "recurrent_kernel" for kernel in kernels)
    return int(layer._inbound_nodes[0].input_tensors[0].shape[1]) if recurrent else 0


def _loop_floats(layer: Any) -> int:
    """Floats a row in what a recurrent layer's loop keeps: its inputs, and two states at most, at every step."""
    turns = _turns(layer)
    given = layer._inbound_nodes[0].input_tensors[0].shape[-1] if turns else 0
    return int(turns * (given + 2 * _output_shape(layer)[-1]))


def _products(layer: Any) -> int:
    """Multiplications a row in a layer's matrix products; an embedding is looked up, not multiplied."""
    kernels, _ = weights.variables(layer)
    return sum(int(_positions(layer) * prod(kernel.shape)) for kernel in kernels if kernel.name != "embeddings")


def _positions(layer: Any) -> int:
    """Number of positions at which a row meets the kernel."""
    return _turns(layer) or int(prod(_output_shape(layer)[1:-1]))


def _output_shape(layer: Any) -> tuple[int, ...]:
    """The output's shape where the layer is first called."""
    return tuple(layer._inbound_nodes[0].output_tensors[0].shape)  # a shared layer has no public one
