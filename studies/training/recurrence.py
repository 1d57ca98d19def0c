"""Keras' recurrent layers as loops of a program of lanes.

TensorFlow's gradient of a loop keeps its values in lists; `vectorized_map` makes lists of lists of them, which XLA does
not compile. So a loop here keeps its states in arrays, and its gradient runs the steps again from the last to the
first. Each step is Keras' own cell.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from studies.training.noise import KnobSpatialDropout, LaneNoise

Arrays = list[Any]
#: Parameters, states and one step's inputs -> the new states, the first of which is the output.
Step = Callable[[Arrays, Arrays, Any], Arrays]


def scan(step: Step, parameters: Arrays, inputs: Any, initial: Arrays) -> tuple[Any, Arrays]:
    """Run a step over the first axis of inputs; return the outputs of all steps, and the last states."""
    count, many = int(inputs.shape[0]), len(initial)

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow carries no types
    def run(inputs: Any, *others: Any) -> tuple[tuple[Any, ...], Callable[..., tuple[Any, ...]]]:
        initial, parameters = list(others[:many]), list(others[many:])

        def forward(at: Any, states: Arrays, before: Arrays) -> tuple[Any, Arrays, Arrays]:
            before = [_put(array, at, state) for array, state in zip(before, states, strict=True)]
            return at + 1, step(parameters, states, tf.gather(inputs, at)), before

        # A program that has seen parts of several sizes does not know the number of rows.
        kept = [tf.tile(tf.zeros_like(state)[None], [count, *[1] * state.shape.rank]) for state in initial]
        loop = (tf.constant(0), initial, kept)
        _, last, before = tf.while_loop(lambda at, *_: at < count, forward, loop, maximum_iterations=count)

        def gradient(of_outputs: Any, *of_last: Any) -> tuple[Any, ...]:
            return _backward(step, parameters, inputs, before, of_outputs, list(of_last))

        return (tf.concat([before[0][1:], last[0][None]], axis=0), *last), gradient

    outputs, *last = run(inputs, *initial, *parameters)
    return outputs, last


def _backward(
    step: Step, parameters: Arrays, inputs: Any, before: Arrays, of_outputs: Any, of_last: Arrays
) -> tuple[Any, ...]:
    """The gradients of a scan: of inputs, initial states and parameters; `before` has the states before each step."""
    count = int(inputs.shape[0])

    def backward(done: Any, of_states: Arrays, of_parameters: Arrays, of_inputs: Any) -> tuple[Any, ...]:
        at = count - 1 - done
        states, now = [tf.gather(array, at) for array in before], tf.gather(inputs, at)
        watched = [*parameters, *states, now]
        with tf.GradientTape() as tape:
            tape.watch(watched)
            new = step(parameters, states, now)
        of_new = [of_states[0] + tf.gather(of_outputs, at), *of_states[1:]]
        found = tape.gradient(new, watched, of_new, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        summed = [total + found[index] for index, total in enumerate(of_parameters)]
        return done + 1, found[len(parameters) : -1], summed, _put(of_inputs, at, found[-1])

    loop = (tf.constant(0), of_last, [tf.zeros_like(array) for array in parameters], tf.zeros_like(inputs))
    _, of_initial, of_parameters, of_inputs = tf.while_loop(
        lambda done, *_: done < count, backward, loop, maximum_iterations=count
    )
    return of_inputs, *of_initial, *of_parameters


def _put(array: Any, at: Any, value: Any) -> Any:
    return tf.tensor_scatter_nd_update(array, [[at]], value[None])


class LaneRecurrent(keras.layers.Layer):  # type: ignore[misc]  # Keras carries no types
    """Mixin for LSTM, GRU and SimpleRNN: a scan over their own cells."""

    def __init__(self, layer: int | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._layer = layer  # the number of the hidden layer whose rate its dropout has; None without dropout
        self._drop = None if layer is None else KnobSpatialDropout(layer)  # the same inputs at all steps, as Keras

    def get_config(self) -> dict[str, Any]:
        """What Bidirectional copies the layer by."""
        return {**super().get_config(), "layer": self._layer}

    def inner_loop(
        self,
        sequences: Any,
        initial_state: Any,
        mask: Any,
        training: bool = False,
    ) -> tuple[Any, Any, Arrays]:
        """Return the last output, all outputs, and the last states, as Keras' own does.

        A step that the mask leaves out keeps its states.
        """
        if training and self._drop is not None:
            sequences = self._drop(sequences, training=True)
        variables = self.cell.trainable_variables

        def step(parameters: Arrays, states: Arrays, inputs: Any) -> Arrays:
            mapping = list(zip(variables, parameters, strict=True))
            counts = None if mask is None else inputs[:, -1:] > 0
            inputs = inputs if mask is None else inputs[:, :-1]
            with keras.StatelessScope(state_mapping=mapping, initialize_variables=False):
                new = list(self.cell.call(inputs, states)[1])
            return new if counts is None else [tf.where(counts, *pair) for pair in zip(new, states, strict=True)]

        if mask is not None:  # as one more input of every step
            sequences = tf.concat([sequences, tf.cast(mask, sequences.dtype)[..., None]], axis=-1)
        steps = tf.transpose(sequences, [1, 0, 2])
        if self.go_backwards:
            steps = tf.reverse(steps, axis=[0])
        values = [tf.convert_to_tensor(variable) for variable in variables]
        outputs, last = scan(step, values, steps, keras.tree.flatten(initial_state))
        final = outputs[-1]
        if mask is not None and self.zero_output_for_mask:
            counts = steps[..., -1:] > 0
            final = tf.where(counts[-1], final, tf.zeros_like(final))
            # Unrolled, Keras does not turn the mask round with the steps.
            counts = tf.transpose(mask)[..., None] if self.unroll else counts
            outputs = tf.where(counts, outputs, tf.zeros_like(outputs))
        return final, tf.transpose(outputs, [1, 0, 2]), last


@keras.saving.register_keras_serializable("regsweep")  # Bidirectional copies the layer that it wraps by its config
class LaneLSTM(LaneRecurrent, keras.layers.LSTM):  # type: ignore[misc]
    """keras.layers.LSTM in lanes."""


@keras.saving.register_keras_serializable("regsweep")
class LaneGRU(LaneRecurrent, keras.layers.GRU):  # type: ignore[misc]
    """keras.layers.GRU in lanes."""


@keras.saving.register_keras_serializable("regsweep")
class LaneSimpleRNN(LaneRecurrent, keras.layers.SimpleRNN):  # type: ignore[misc]
    """keras.layers.SimpleRNN in lanes."""


class LaneTimeDistributed(keras.layers.TimeDistributed):  # type: ignore[misc]
    """keras.layers.TimeDistributed: the layer at all steps at once, as if each were a row."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:  # noqa: ARG002
        """Return what the layer gives for every step; none that is taken heeds a mask."""
        in_training = {"training": training} if isinstance(self.layer, LaneNoise | LaneRecurrent) else {}
        outputs = self.layer.call(tf.reshape(inputs, [-1, *inputs.shape[2:]]), **in_training)
        return tf.reshape(outputs, [-1, inputs.shape[1], *outputs.shape[1:]])


def _recurrent(kind: Callable[..., Any], *, dropout: float | None = None, **arguments: Any) -> Any:
    """Make a layer whose dropout, where it has one, is the number of its knob."""
    return kind(layer=None if dropout is None else int(dropout), **arguments)


RECURRENT_LAYERS: dict[str, Callable[..., Any]] = {
    "layers.LSTM": partial(_recurrent, LaneLSTM),
    "layers.GRU": partial(_recurrent, LaneGRU),
    "layers.SimpleRNN": partial(_recurrent, LaneSimpleRNN),
    "layers.TimeDistributed": LaneTimeDistributed,
}
