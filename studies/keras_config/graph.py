"""A model as data: its layers, and their calls from one input to one output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from studies.keras_config.catalog import LAYERS
from studies.keras_config.vocabulary import Vocabulary

#: The operation that cuts an input of a model out of a row; see `division`.
CUT = "cut"
#: The layer that looks up the texts of an input; see `texts`.
TEXT_LOOKUP = "StringLookup"
#: Kinds that may stand between the last layer with a kernel and the output: activations, and what moves values.
_ACTIVATIONS = {"Activation", "Softmax", "ReLU", "softmax", "sigmoid", "relu", "tanh"}
MOVES = {"Flatten", "Reshape", "reshape", "squeeze"}


@dataclass(frozen=True)
class Tensor:
    """The result of a call of a layer."""

    layer: str
    number: int = 0  # of the layer's calls


@dataclass(frozen=True)
class KerasObject:
    """An initializer or a constraint."""

    name: str  # in the keras namespace, such as initializers.HeNormal
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Layer:
    """A layer, or an operation of keras.ops, which has no arguments but those of its calls."""

    name: str
    kind: str  # Keras' class; of an operation its function
    location: str  # in the config, for messages
    arguments: Mapping[str, Any] = field(default_factory=dict)  # those that differ from Keras' defaults
    operation: bool = False
    frozen: bool = False  # not trained, so that a trial's penalty does not act on it

    def argument(self, name: str) -> Any:
        """Return an argument, or Keras' default of it."""
        return self.arguments.get(name, LAYERS[self.kind].arguments[name].default)

    @property
    def kernels(self) -> tuple[str, ...]:
        """The regularizer arguments of its kernels, or of the wrapped layer's; none where they are not trained."""
        if self.operation or self.frozen:
            return ()
        inner = self.arguments.get("layer")
        return inner.kernels if isinstance(inner, Layer) else LAYERS[self.kind].kernels

    @property
    def has_bias(self) -> bool:
        """True when it has a bias that a regularizer can act on, or the wrapped layer has."""
        if self.operation or self.frozen:
            return False
        inner = self.arguments.get("layer")
        if isinstance(inner, Layer):
            return inner.has_bias
        return "bias_regularizer" in LAYERS[self.kind].arguments and bool(self.argument("use_bias"))

    @property
    def rates(self) -> tuple[str, ...]:
        """The arguments that a trial's dropout rate replaces: a Dropout layer's, and others that are not 0.

        What drops rows as a whole, behind the branch of a residual block, keeps its own rate, which grows with depth.
        """
        names = () if self.operation or self._drops_rows else LAYERS[self.kind].rates
        return tuple(name for name in names if name == "rate" or self.argument(name))

    @property
    def _drops_rows(self) -> bool:
        shape = self.arguments.get("noise_shape")
        return shape is not None and set(shape[1:]) == {1}

    @property
    def drops(self) -> bool:
        """True when it takes a trial's dropout rate, or a layer that it wraps does."""
        wrapped = [value for value in self.arguments.values() if isinstance(value, Layer)]
        return any(layer.rates for layer in (self, *wrapped))


@dataclass(frozen=True)
class Call:
    """A layer called on tensors."""

    layer: str
    number: int
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors it is called on."""
        return tuple(_tensors([*self.arguments, *self.keywords.values()]))

    @property
    def result(self) -> Tensor:
        """The tensor it gives."""
        return Tensor(self.layer, self.number)

    def reading(self, instead: Mapping[Tensor, Tensor]) -> Call:
        """The same call on other tensors in the places of some."""
        keywords = {name: _substitute(value, instead) for name, value in self.keywords.items()}
        return replace(self, arguments=_substitute(self.arguments, instead), keywords=keywords)


def _substitute(value: Any, instead: Mapping[Tensor, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return instead.get(value, value)
    return tuple(_substitute(item, instead) for item in value) if isinstance(value, tuple) else value


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


@dataclass(frozen=True, slots=True)
class ModelInput:
    """An input as the user's model has it."""

    name: str
    shape: tuple[int | None, ...] | None  # of one row; None when the config leaves it open
    vocabulary: Vocabulary | None = None  # of the texts that it takes; None where it takes numbers


@dataclass(frozen=True)
class Graph:
    """A model of one input and one output; several inputs are parts of the one, cut out by its first calls."""

    layers: tuple[Layer, ...]  # in the order of their first calls
    calls: tuple[Call, ...]  # each behind those it depends on
    input: str  # its name
    shape: tuple[int | None, ...] | None  # of one row; None when the config leaves it open
    output: Tensor
    sequential: bool
    inputs: tuple[ModelInput, ...] = ()  # of a user's model, in its order

    @cached_property
    def by_name(self) -> Mapping[str, Layer]:
        """The layers by name."""
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def dividing(self) -> frozenset[str]:
        """The operations that cut inputs out of a row, by the inputs' names; none where the one input is the row."""
        return frozenset(layer.name for layer in self.layers if layer.kind == CUT)

    @cached_property
    def _callers(self) -> Mapping[Tensor, Call]:
        return {call.result: call for call in self.calls}

    @cached_property
    def output_layers(self) -> tuple[Layer, ...]:
        """The output layer and the activations behind it; empty when the input is the output.

        A convolution is the output layer where it gives one pixel, which is then flattened.
        """
        layers: list[Layer] = []
        tensor = self.output
        while tensor.layer != self.input:
            layers.insert(0, self.by_name[tensor.layer])
            sources = self._callers[tensor].tensors
            if layers[0].kind not in _ACTIVATIONS | MOVES or len(sources) != 1:
                break
            tensor = sources[0]
        return tuple(layers)

    @cached_property
    def regularized(self) -> tuple[str, ...]:
        """The layers that a trial regularizes: every one with a kernel but the output's, or that when it is alone."""
        output = self.output_layers[0].name if self.output_layers else ""
        with_kernel = [layer.name for layer in self.layers if layer.kernels]
        return tuple(name for name in with_kernel if name != output) or tuple(with_kernel)

    def regularized_index(self, name: str) -> int:
        """Find the regularized layer that this one is or, for a layer that drops activations, that it follows.

        Counted from 0 at the input; of several that are as near, the last.
        """
        indices = {layer: index for index, layer in enumerate(self.regularized)}
        seen, nearest = {name}, [name]
        while nearest:
            regularized = [indices[layer] for layer in nearest if layer in indices]
            if regularized:
                return max(regularized)
            sources = [t.layer for call in self.calls if call.layer in nearest for t in call.tensors]
            nearest = [layer for layer in dict.fromkeys(sources) if layer not in seen]
            seen.update(nearest)
        return 0  # before the first of them

    @cached_property
    def dropped(self) -> frozenset[int]:
        """The regularized layers, counted from 0 at the input, whose dropout rate a layer takes."""
        return frozenset(self.regularized_index(layer.name) for layer in self.layers if layer.drops)

    def ancestors(self, name: str) -> set[str]:
        """Find the layers that a layer's input depends on."""
        names = {name}
        for call in reversed(self.calls):
            if call.layer in names:
                names.update(tensor.layer for tensor in call.tensors)
        return names - {name}

    def readers(self, tensor: Tensor) -> list[Call]:
        """Find the calls that take a tensor."""
        return [call for call in self.calls if tensor in call.tensors]

    @cached_property
    def reads_features(self) -> bool:
        """True when the input goes into one Dense layer alone: its weights then tell which features count."""
        readers = self.readers(Tensor(self.input))
        return len(readers) == 1 and self.by_name[readers[0].layer].kind == "Dense" and len(self.shape or (0,)) == 1
