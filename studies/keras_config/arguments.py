"""Entries of the catalog: the arguments of a layer, and shorthands for layers that share theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from studies.keras_config.values import Check, activation, boolean, choice, integer, integers, number, optional

REQUIRED: Any = object()


class Nested(Enum):
    """Kinds of argument that are objects or layers of their own; `layers` reads them."""

    INITIALIZER = auto()
    CONSTRAINT = auto()
    REGULARIZER = auto()
    LAYER = auto()


@dataclass(frozen=True)
class Argument:
    """An argument's check, and Keras' default."""

    check: Check | Nested
    default: Any = None


@dataclass(frozen=True)
class LayerKind:
    """One of Keras' layers."""

    arguments: Mapping[str, Argument] = field(default_factory=dict)
    kernels: tuple[str, ...] = ()  # arguments of the regularizers of its kernels
    rates: tuple[str, ...] = ()  # arguments that are dropout rates
    module: str = "keras.layers"  # that holds the class


UNITS = Argument(integer(), REQUIRED)
NONE = Argument(choice(None))
DATA_FORMAT = Argument(choice("channels_last", None))
LINEAR = Argument(activation, "linear")
NO_DROPOUT = Argument(number(0, 0.999999), 0.0)
_PADDING = choice("valid", "same")


def required(check: Check | Nested) -> Argument:
    """An argument without a default."""
    return Argument(check, REQUIRED)


def axes(value: Any) -> Any:
    """Check an axis or a list of axes; LayerNormalization writes its only axis as a list."""
    return integers(-8)(value[0] if isinstance(value, list | tuple) and len(value) == 1 else value)


def plain(**arguments: Argument) -> LayerKind:
    """A layer without kernels and dropout."""
    return LayerKind(arguments)


def convnext(**arguments: Argument) -> LayerKind:
    """A layer that Keras defines beside its ConvNeXt, and not among its layers."""
    return LayerKind(arguments, module="keras.src.applications.convnext")


def weights(*names: str, initial: str = "GlorotUniform") -> dict[str, Argument]:
    """The initializer, regularizer and constraint of some weights."""
    arguments = {}
    for name in names:
        initializer = {"bias": "Zeros", "recurrent": "Orthogonal", "embeddings": "RandomUniform"}.get(name, initial)
        arguments[f"{name}_initializer"] = Argument(Nested.INITIALIZER, initializer)
        arguments[f"{name}_regularizer"] = Argument(Nested.REGULARIZER)
        arguments[f"{name}_constraint"] = Argument(Nested.CONSTRAINT)
    return arguments


def kernel(*names: str, **arguments: Argument) -> LayerKind:
    """A layer with the kernels of these names, and a bias unless it is an embedding."""
    bias = {} if names == ("embeddings",) else {"use_bias": Argument(boolean, True), **weights("bias")}
    rates = tuple(name for name in arguments if name.endswith("dropout"))
    return LayerKind({**arguments, **bias, **weights(*names)}, tuple(f"{name}_regularizer" for name in names), rates)


def convolution(rank: int, *names: str, **arguments: Argument) -> LayerKind:
    """A convolution over `rank` dimensions."""
    sizes, ones = integers(1, (rank,)), (1,) * rank
    shared = {
        "kernel_size": Argument(sizes, REQUIRED),
        "strides": Argument(sizes, ones),
        "padding": Argument(_PADDING, "valid"),
        "data_format": DATA_FORMAT,
        "dilation_rate": Argument(sizes, ones),
        "activation": LINEAR,
    }
    return kernel(*names, **{**shared, **arguments})


def pooling(rank: int) -> LayerKind:
    """A pooling over `rank` dimensions."""
    sizes = integers(1, (rank,))
    return plain(
        pool_size=Argument(sizes, REQUIRED),
        strides=Argument(optional(sizes)),
        padding=Argument(_PADDING, "valid"),
        data_format=DATA_FORMAT,
    )


def global_pooling() -> LayerKind:
    """A pooling over all dimensions but the batch and the channels."""
    return plain(data_format=DATA_FORMAT, keepdims=Argument(boolean, False))


def normalization(**arguments: Argument) -> LayerKind:
    """A normalization with a learnt offset and scale."""
    shared = {
        "axis": Argument(axes, -1),
        "epsilon": Argument(number(0, 1), 1e-3),
        "center": Argument(boolean, True),
        "scale": Argument(boolean, True),
    }
    return LayerKind({**shared, **weights("beta", initial="Zeros"), **weights("gamma", initial="Ones"), **arguments})


def recurrent(**arguments: Argument) -> LayerKind:
    """A recurrent layer."""
    false = Argument(choice(False), False)
    return kernel(
        "kernel",
        "recurrent",
        units=UNITS,
        activation=Argument(activation, "tanh"),
        dropout=NO_DROPOUT,
        recurrent_dropout=NO_DROPOUT,
        return_sequences=Argument(boolean, False),
        return_state=false,
        go_backwards=Argument(boolean, False),
        stateful=false,
        unroll=Argument(boolean, False),
        zero_output_for_mask=Argument(boolean, False),  # Bidirectional sets it
        **arguments,
    )


def dropout(**arguments: Argument) -> LayerKind:
    """A layer that drops activations at a rate."""
    return LayerKind({"rate": Argument(number(0, 0.999999), REQUIRED), **arguments}, rates=("rate",))
