"""Which of Keras' layers are taken, with which arguments: what does not stand here is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from studies.keras_config.values import (
    Check,
    activation,
    choice,
    flag,
    number,
    numbers,
    optional,
    whole,
    wholes,
)

REQUIRED: Any = object()


class Mark(Enum):
    """Arguments that are objects or layers of their own, which `layers` reads."""

    INITIALIZER = auto()
    CONSTRAINT = auto()
    REGULARIZER = auto()
    LAYER = auto()


@dataclass(frozen=True)
class Argument:
    """What one argument may be, and Keras' default."""

    check: Check | Mark
    default: Any = None


@dataclass(frozen=True)
class LayerKind:
    """One of Keras' layers."""

    arguments: Mapping[str, Argument] = field(default_factory=dict)
    kernels: tuple[str, ...] = ()  # arguments of the regularizers of its kernels
    rates: tuple[str, ...] = ()  # arguments that are dropout rates


_UNITS, _AXIS, _DATA_FORMAT = whole(), whole(-8, 8), Argument(choice("channels_last", None))
_NOTHING = Argument(choice(None))
_PADDING = choice("valid", "same")
_ACTIVE = Argument(activation, "linear")
_RATE = Argument(number(0, 0.999999), REQUIRED)
_NO_RATE = Argument(number(0, 0.999999), 0.0)


def _weights(*names: str, initial: str = "GlorotUniform") -> dict[str, Argument]:
    """The arguments of weights: how they begin, and what holds them."""
    found = {}
    for name in names:
        begins = {"bias": "Zeros", "recurrent": "Orthogonal", "embeddings": "RandomUniform"}.get(name, initial)
        found[f"{name}_initializer"] = Argument(Mark.INITIALIZER, begins)
        found[f"{name}_regularizer"] = Argument(Mark.REGULARIZER)
        found[f"{name}_constraint"] = Argument(Mark.CONSTRAINT)
    return found


def _kernel(*names: str, **arguments: Argument) -> LayerKind:
    bias = {} if names == ("embeddings",) else {"use_bias": Argument(flag, True), **_weights("bias")}
    rates = tuple(name for name in arguments if name.endswith("dropout"))
    return LayerKind({**arguments, **bias, **_weights(*names)}, tuple(f"{name}_regularizer" for name in names), rates)


def _convolution(rank: int, *names: str, **arguments: Argument) -> LayerKind:
    sizes, one = wholes(1, (rank,)), (1,) * rank
    every = {
        "kernel_size": Argument(sizes, REQUIRED),
        "strides": Argument(sizes, one),
        "padding": Argument(_PADDING, "valid"),
        "data_format": _DATA_FORMAT,
        "dilation_rate": Argument(sizes, one),
        "activation": _ACTIVE,
    }
    return _kernel(*names, **{**every, **arguments})


_FILTERS, _DEPTH = Argument(_UNITS, REQUIRED), Argument(whole(1, 1024), 1)
_GROUPS = Argument(_UNITS, 1)


def _pooling(rank: int) -> LayerKind:
    sizes = wholes(1, (rank,))
    return LayerKind(
        {
            "pool_size": Argument(sizes, REQUIRED),
            "strides": Argument(optional(sizes)),
            "padding": Argument(_PADDING, "valid"),
            "data_format": _DATA_FORMAT,
        }
    )


_GLOBAL_POOLING = LayerKind({"data_format": _DATA_FORMAT, "keepdims": Argument(flag, False)})


_SWITCHES = {"center": Argument(flag, True), "scale": Argument(flag, True)}


def _normalization(**arguments: Argument) -> LayerKind:
    every = {"axis": Argument(_axes, -1), "epsilon": Argument(number(0, 1), 1e-3), **_SWITCHES}
    return LayerKind({**every, **_weights("beta", initial="Zeros"), **_weights("gamma", initial="Ones"), **arguments})


def _axes(value: Any) -> Any:
    # LayerNormalization writes the only axis as a list.
    return wholes(-8)(value[0] if isinstance(value, list | tuple) and len(value) == 1 else value)


def _recurrent(**arguments: Argument) -> LayerKind:
    false = Argument(choice(False), False)
    return _kernel(
        "kernel",
        "recurrent",
        units=_FILTERS,
        activation=Argument(activation, "tanh"),
        dropout=_NO_RATE,
        recurrent_dropout=_NO_RATE,
        return_sequences=Argument(flag, False),
        return_state=false,
        go_backwards=Argument(flag, False),
        stateful=false,
        unroll=Argument(flag, False),
        zero_output_for_mask=Argument(flag, False),  # Bidirectional sets it; nothing that is taken makes masks
        **arguments,
    )


_GATES = Argument(activation, "sigmoid")


def _dropout(**arguments: Argument) -> LayerKind:
    return LayerKind({"rate": _RATE, **arguments}, rates=("rate",))


def _plain(**arguments: Argument) -> LayerKind:
    return LayerKind(arguments)


def _of(check: Check | Mark, default: Any = REQUIRED) -> Argument:
    return Argument(check, default)


_SCALED = {
    "moving_mean_initializer": Argument(Mark.INITIALIZER, "Zeros"),
    "moving_variance_initializer": Argument(Mark.INITIALIZER, "Ones"),
    "momentum": Argument(number(0, 1), 0.99),
    "renorm": Argument(choice(False), False),
    "renorm_clipping": _NOTHING,
    "renorm_momentum": Argument(number(0, 1), 0.99),
    "synchronized": Argument(choice(False), False),
}

#: Every layer by Keras' name; all take `name`, `trainable` (true), `dtype` (float32) and `activity_regularizer` too.
LAYERS: Mapping[str, LayerKind] = {
    "Dense": _kernel("kernel", units=_FILTERS, activation=_ACTIVE, quantization_config=_NOTHING),
    "Embedding": _kernel(
        "embeddings",
        input_dim=_of(whole(1, 10_000_000)),
        output_dim=_FILTERS,
        mask_zero=_of(choice(False), False),
        quantization_config=_NOTHING,
    ),
    "Conv1D": _convolution(
        1, "kernel", filters=_FILTERS, groups=_GROUPS, padding=Argument(choice("valid", "same", "causal"), "valid")
    ),
    "Conv2D": _convolution(2, "kernel", filters=_FILTERS, groups=_GROUPS),
    "SeparableConv1D": _convolution(1, "depthwise", "pointwise", filters=_FILTERS, depth_multiplier=_DEPTH),
    "SeparableConv2D": _convolution(2, "depthwise", "pointwise", filters=_FILTERS, depth_multiplier=_DEPTH),
    "DepthwiseConv1D": _convolution(1, "depthwise", depth_multiplier=_DEPTH),
    "DepthwiseConv2D": _convolution(2, "depthwise", depth_multiplier=_DEPTH),
    "Conv1DTranspose": _convolution(1, "kernel", filters=_FILTERS, output_padding=_NOTHING),
    "Conv2DTranspose": _convolution(2, "kernel", filters=_FILTERS, output_padding=_NOTHING),
    "LSTM": _recurrent(recurrent_activation=_GATES, unit_forget_bias=_of(flag, True)),
    "GRU": _recurrent(recurrent_activation=_GATES, reset_after=_of(flag, True)),
    "SimpleRNN": _recurrent(),
    "Bidirectional": _plain(
        layer=_of(Mark.LAYER),
        backward_layer=_of(Mark.LAYER, None),
        merge_mode=_of(choice("concat", "sum", "mul", "ave"), "concat"),
    ),
    "TimeDistributed": _plain(layer=_of(Mark.LAYER)),
    "MultiHeadAttention": _kernel(
        "kernel",
        num_heads=_FILTERS,
        key_dim=_FILTERS,
        value_dim=_of(optional(_UNITS), None),
        dropout=_NO_RATE,
        output_shape=_of(optional(wholes(1)), None),
        attention_axes=_of(optional(wholes(1)), None),
        use_gate=_of(flag, False),
        sliding_window=_of(optional(_UNITS), None),
    ),
    "Attention": LayerKind(
        {"use_scale": _of(flag, False), "score_mode": _of(choice("dot", "concat"), "dot"), "dropout": _NO_RATE},
        rates=("dropout",),
    ),
    "AdditiveAttention": LayerKind({"use_scale": _of(flag, True), "dropout": _NO_RATE}, rates=("dropout",)),
    "Activation": _plain(activation=_of(activation)),
    "Identity": _plain(),
    "ReLU": _plain(
        max_value=_of(optional(number(0)), None), negative_slope=_of(number(0), 0.0), threshold=_of(number(0), 0.0)
    ),
    "LeakyReLU": _plain(negative_slope=_of(number(0), 0.3)),
    "ELU": _plain(alpha=_of(number(0), 1.0)),
    "PReLU": LayerKind({**_weights("alpha", initial="Zeros"), "shared_axes": _of(optional(wholes(1)), None)}),
    "Softmax": _plain(axis=_of(_axes, -1)),
    "MaxPooling1D": _pooling(1),
    "MaxPooling2D": _pooling(2),
    "AveragePooling1D": _pooling(1),
    "AveragePooling2D": _pooling(2),
    "GlobalMaxPooling1D": _GLOBAL_POOLING,
    "GlobalMaxPooling2D": _GLOBAL_POOLING,
    "GlobalAveragePooling1D": _GLOBAL_POOLING,
    "GlobalAveragePooling2D": _GLOBAL_POOLING,
    "BatchNormalization": _normalization(**_SCALED),
    "LayerNormalization": _normalization(rms_scaling=_of(choice(False), False)),
    "GroupNormalization": _normalization(groups=_of(whole(-1), 32)),
    "RMSNormalization": _plain(axis=_of(_axes, -1), epsilon=_of(number(0, 1), 1e-6)),
    "UnitNormalization": _plain(axis=_of(_axes, -1)),
    "Dropout": _dropout(noise_shape=_NOTHING),
    "SpatialDropout1D": _dropout(),
    "SpatialDropout2D": _dropout(data_format=_DATA_FORMAT),
    "AlphaDropout": _dropout(noise_shape=_NOTHING),
    "GaussianDropout": _dropout(),
    "GaussianNoise": _plain(stddev=_of(number(0))),
    "Flatten": _plain(data_format=_DATA_FORMAT),
    "Reshape": _plain(target_shape=_of(wholes(-1))),
    "Permute": _plain(dims=_of(wholes(1))),
    "RepeatVector": _plain(n=_of(whole(1, 1024))),
    "Cropping1D": _plain(cropping=_of(wholes(0), (1, 1))),
    "Cropping2D": _plain(cropping=_of(wholes(0), ((0, 0), (0, 0))), data_format=_DATA_FORMAT),
    "ZeroPadding1D": _plain(padding=_of(wholes(0), 1), data_format=_DATA_FORMAT),
    "ZeroPadding2D": _plain(padding=_of(wholes(0), (1, 1)), data_format=_DATA_FORMAT),
    "UpSampling1D": _plain(size=_of(whole(1, 64), 2)),
    "UpSampling2D": _plain(
        size=_of(wholes(1, (2,)), (2, 2)),
        data_format=_DATA_FORMAT,
        interpolation=_of(choice("nearest", "bilinear"), "nearest"),
    ),
    "Add": _plain(),
    "Subtract": _plain(),
    "Multiply": _plain(),
    "Average": _plain(),
    "Maximum": _plain(),
    "Minimum": _plain(),
    "Concatenate": _plain(axis=_of(_AXIS, -1)),
    "Dot": _plain(axes=_of(wholes(-8, (2,))), normalize=_of(flag, False)),
    "Rescaling": _plain(scale=_of(numbers()), offset=_of(numbers(), 0.0)),
    "Discretization": _plain(
        bin_boundaries=_of(numbers()),
        num_bins=_NOTHING,
        epsilon=_of(number(0, 1), 0.01),
        output_mode=_of(choice("int"), "int"),
        sparse=_of(choice(False), False),
    ),
}

#: Why some layers are refused that one might expect here.
REFUSED: Mapping[str, str] = {
    "Lambda": "it runs code; use Keras' own layers or operations, such as keras.ops.relu or a slice",
    "TFSMLayer": "it loads a program from a file",
    "TorchModuleWrapper": "it runs code",
    "JaxLayer": "it runs code",
    "FlaxLayer": "it runs code",
    "Normalization": "rows are standardised already, and of a .keras file only the architecture is read",
    "RNN": "its cell may be anything; use LSTM, GRU or SimpleRNN",
}

#: The operations of keras.ops that stand in a graph where a user wrote x + y or x[:, :3], and their settings.
OPERATIONS: Mapping[str, tuple[str, Mapping[str, Check]]] = {
    "Add": ("add", {}),
    "Subtract": ("subtract", {}),
    "Multiply": ("multiply", {}),
    "Divide": ("divide", {}),
    "TrueDivide": ("true_divide", {}),
    "Negative": ("negative", {}),
    "Absolute": ("absolute", {}),
    "Square": ("square", {}),
    "Maximum": ("maximum", {}),
    "Minimum": ("minimum", {}),
    "GetItem": ("getitem", {}),
    "Relu": ("relu", {}),
    "Relu6": ("relu6", {}),
    "Gelu": ("gelu", {"approximate": flag}),
    "Elu": ("elu", {"alpha": number(0)}),
    "Selu": ("selu", {}),
    "Silu": ("silu", {}),
    "LeakyRelu": ("leaky_relu", {"negative_slope": number(0)}),
    "Sigmoid": ("sigmoid", {}),
    "Tanh": ("tanh", {}),
    "Softplus": ("softplus", {}),
    "Softmax": ("softmax", {"axis": _AXIS}),
    "Concatenate": ("concatenate", {"axis": _AXIS}),
    "Reshape": ("reshape", {"newshape": wholes(-1)}),
    "Transpose": ("transpose", {"axes": optional(wholes(0))}),
    "ExpandDims": ("expand_dims", {"axis": _AXIS}),
    "Squeeze": ("squeeze", {"axis": _AXIS}),
    "Mean": ("mean", {"axis": optional(wholes(-8)), "keepdims": flag}),
    "Sum": ("sum", {"axis": optional(wholes(-8)), "keepdims": flag}),
    "Max": ("max", {"axis": optional(wholes(-8)), "keepdims": flag, "initial": choice(None)}),
}

_SCALES = number(-1e6, 1e6)
_FANS = {"input_axes": choice(None), "output_axes": choice(None)}
INITIALIZERS: Mapping[str, Mapping[str, Check]] = {
    "Zeros": {},
    "Ones": {},
    "Constant": {"value": _SCALES},
    "RandomNormal": {"mean": _SCALES, "stddev": number(0, 1e6)},
    "RandomUniform": {"minval": _SCALES, "maxval": _SCALES},
    "TruncatedNormal": {"mean": _SCALES, "stddev": number(0, 1e6)},
    "VarianceScaling": {
        "scale": number(1e-9, 1e6),
        "mode": choice("fan_in", "fan_out", "fan_avg"),
        "distribution": choice("truncated_normal", "untruncated_normal", "uniform"),
        **_FANS,
    },
    **{f"{who}{how}": _FANS for who in ("Glorot", "He", "Lecun") for how in ("Uniform", "Normal")},
    "Orthogonal": {"gain": _SCALES},
}
_AXIS_OF_WEIGHTS = {"axis": wholes(-8)}
CONSTRAINTS: Mapping[str, Mapping[str, Check]] = {
    "MaxNorm": {"max_value": number(0), **_AXIS_OF_WEIGHTS},
    "NonNeg": {},
    "UnitNorm": _AXIS_OF_WEIGHTS,
    "MinMaxNorm": {"min_value": number(0), "max_value": number(0), "rate": number(0, 1), **_AXIS_OF_WEIGHTS},
}
#: Read and put away: a trial's regularizers take their places.
REGULARIZERS = frozenset({"L1", "L2", "L1L2", "OrthogonalRegularizer"})
