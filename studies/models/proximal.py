"""Keras optimizers whose L1 reaches exact zeros.

A gradient of λ1·|w| makes weights small and almost never 0. The proximal step does (Parikh and Boyd, "Proximal
Algorithms", 2014, section 4.2): the gradient leaves L1 out, and after each update of size η every kernel is
soft-thresholded, w <- sign(w)·max(|w| − η·λ1, 0). η is the move of a weight per unit of a lasting gradient, so that w
rests where the gradient is as large as λ1, whatever the optimizer: momentum carries earlier steps on, and adaptive
optimizers have an η for each weight.
"""

import keras
from keras import ops


class Proximal:
    """Mixin for one of Keras' optimizers, whose η is given by `step_size`.

    λ1 is read from the kernels' own regularizers, so that the loss that Keras logs holds the whole penalty.
    """

    def build(self, variables):  # type: ignore[no-untyped-def]  # Keras carries no types, and this is also pasted
        """Build Keras' optimizer, and read λ1 of each of the model's variables."""
        super().build(variables)  # type: ignore[misc]  # of the optimizer behind this
        l1 = [getattr(variable.regularizer, "l1", 0) for variable in variables]
        self.l1 = [float(s) if s and v.name != "bias" else None for s, v in zip(l1, variables)]  # noqa: B905

    def update_step(self, gradient, variable, learning_rate):  # type: ignore[no-untyped-def]
        """Update one variable without L1's part of the gradient, then make the proximal step."""
        index = self._get_variable_index(variable)  # type: ignore[attr-defined]
        l1 = self.l1[index]
        if l1 is not None:
            gradient = gradient - l1 * ops.sign(variable)
        super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
        if l1 is not None:
            by = self.step_size(index, learning_rate) * l1  # type: ignore[attr-defined]
            variable.assign(ops.sign(variable) * ops.maximum(ops.abs(variable) - by, 0))


class ProximalMomentum(Proximal):
    """Mixin for an optimizer whose velocity carries earlier steps on: η is carried with it."""

    def build(self, variables):  # type: ignore[no-untyped-def]
        """Build Keras' optimizer, and what a lasting gradient of 1 has added to each velocity."""
        super().build(variables)  # type: ignore[no-untyped-call]
        self.reach = [self.add_variable_from_reference(v, name="reach") for v in variables]  # type: ignore[attr-defined]

    def carry(self, index, step):  # type: ignore[no-untyped-def]
        """Extend the reach by one more step of this size."""
        self.reach[index].assign(self.momentum * self.reach[index] + step)  # type: ignore[attr-defined]
        return self.reach[index]


class ProximalSGD(ProximalMomentum, keras.optimizers.SGD):  # type: ignore[misc]
    """keras.optimizers.SGD with a proximal step."""

    def step_size(self, index, learning_rate):  # type: ignore[no-untyped-def]
        """The η of all weights."""
        reach = self.carry(index, learning_rate)  # type: ignore[no-untyped-call]
        return self.momentum * reach + learning_rate if self.nesterov else reach


class ProximalRMSprop(ProximalMomentum, keras.optimizers.RMSprop):  # type: ignore[misc]
    """keras.optimizers.RMSprop with a proximal step."""

    def step_size(self, index, learning_rate):  # type: ignore[no-untyped-def]
        """The η of each weight."""
        step = learning_rate / ops.sqrt(self._velocities[index] + self.epsilon)
        return self.carry(index, step)  # type: ignore[no-untyped-call]


class ProximalMoments(Proximal):
    """Mixin for Adam and AdamW."""

    def step_size(self, index, learning_rate):  # type: ignore[no-untyped-def]
        """The η of each weight; the moment of a lasting gradient holds the first moment's correction already."""
        step = ops.cast(self.iterations + 1, "float32")  # type: ignore[attr-defined]
        size = learning_rate * ops.sqrt(1 - ops.power(self.beta_2, step))  # type: ignore[attr-defined]
        return size / (ops.sqrt(self._velocities[index]) + self.epsilon)  # type: ignore[attr-defined]


class ProximalAdam(ProximalMoments, keras.optimizers.Adam):  # type: ignore[misc]
    """keras.optimizers.Adam with a proximal step."""


class ProximalAdamW(ProximalMoments, keras.optimizers.AdamW):  # type: ignore[misc]
    """keras.optimizers.AdamW with a proximal step."""
