"""A model as data: its layers, and how they are called one after another from one input to one output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from studies.keras_config.catalog import LAYERS

#: What may stand between the last Dense layer and the output.
_ACTIVATIONS = {"Activation", "Softmax", "ReLU", "softmax", "sigmoid", "relu", "tanh"}


@dataclass(frozen=True)
class Tensor:
    """What a call of a layer gives."""

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
    where: str  # its place in the config, for messages
    arguments: Mapping[str, Any] = field(default_factory=dict)  # that differ from Keras' defaults
    operation: bool = False

    def argument(self, name: str) -> Any:
        """An argument, or Keras' default of it."""
        return self.arguments.get(name, LAYERS[self.kind].arguments[name].default)

    @property
    def kernels(self) -> tuple[str, ...]:
        """Regularizer arguments of its kernels; those of the layer that it wraps."""
        if self.operation:
            return ()
        inner = self.arguments.get("layer")
        return inner.kernels if isinstance(inner, Layer) else LAYERS[self.kind].kernels

    @property
    def rates(self) -> tuple[str, ...]:
        """Arguments that a trial's dropout rate replaces: a Dropout layer's, and those that are not 0."""
        names = () if self.operation else LAYERS[self.kind].rates
        return tuple(name for name in names if name == "rate" or self.argument(name))


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
        """What it gives."""
        return Tensor(self.layer, self.number)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


@dataclass(frozen=True)
class Graph:
    """A model of one input and one output."""

    layers: tuple[Layer, ...]  # in the order of their first calls
    calls: tuple[Call, ...]  # each behind those it needs
    input: str  # its name
    shape: tuple[int | None, ...] | None  # of one row; None when the config leaves it open
    output: Tensor
    sequential: bool

    @cached_property
    def named(self) -> Mapping[str, Layer]:
        """The layers by name."""
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def _callers(self) -> Mapping[Tensor, Call]:
        return {call.result: call for call in self.calls}

    @cached_property
    def ending(self) -> tuple[Layer, ...]:
        """The output layer with what stands behind it."""
        found: list[Layer] = []
        at = self.output
        while at.layer != self.input:
            found.insert(0, self.named[at.layer])
            before = self._callers[at].tensors
            if found[0].kind not in _ACTIVATIONS or len(before) != 1:
                break
            at = before[0]
        return tuple(found)

    @cached_property
    def regularized(self) -> tuple[str, ...]:
        """The layers that a trial regularizes: every one with a kernel but the output's, or that when it is alone."""
        output = self.ending[0].name if self.ending else ""
        weighted = [layer.name for layer in self.layers if layer.kernels]
        return tuple(name for name in weighted if name != output) or tuple(weighted)

    def index_of(self, name: str) -> int:
        """Which regularized layer this one is or, for what drops activations, follows, counted from 0 at the input."""
        places = {layer: index for index, layer in enumerate(self.regularized)}
        seen, nearest = {name}, [name]
        while nearest:
            found = [places[layer] for layer in nearest if layer in places]
            if found:
                return max(found)
            before = [t.layer for call in self.calls if call.layer in nearest for t in call.tensors]
            nearest = [layer for layer in dict.fromkeys(before) if layer not in seen]
            seen.update(nearest)
        return 0  # before the first of them

    def ancestors(self, name: str) -> set[str]:
        """The layers that a layer's input comes from."""
        found = {name}
        for call in reversed(self.calls):
            if call.layer in found:
                found.update(tensor.layer for tensor in call.tensors)
        return found - {name}

    def readers(self, tensor: Tensor) -> list[Call]:
        """The calls that take a tensor."""
        return [call for call in self.calls if tensor in call.tensors]

    @cached_property
    def reads_features(self) -> bool:
        """Whether the input goes into one Dense layer alone, whose weights then tell which features are looked at."""
        readers = self.readers(Tensor(self.input))
        return len(readers) == 1 and self.named[readers[0].layer].kind == "Dense" and len(self.shape or (0,)) == 1
