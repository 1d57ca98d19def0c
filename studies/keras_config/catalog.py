"""The catalog of Keras' layers, operations and objects that a config may use; all others are refused."""

from __future__ import annotations

from collections.abc import Mapping

from studies.keras_config.arguments import (
    DATA_FORMAT,
    LINEAR,
    NO_DROPOUT,
    NONE,
    UNITS,
    Argument,
    LayerKind,
    Nested,
    axes,
    convnext,
    convolution,
    dropout,
    global_pooling,
    kernel,
    normalization,
    plain,
    pooling,
    recurrent,
    required,
    weights,
)
from studies.keras_config.values import (
    Check,
    activation,
    boolean,
    choice,
    ignored,
    integer,
    integers,
    noise_shape,
    number,
    numbers,
    one_unknown,
    optional,
    text,
    texts,
    vocabulary,
)

_AXIS = integer(-8, 8)
_IMAGE_SIZE = {"height": UNITS, "width": UNITS, "data_format": DATA_FORMAT}
_RESIZING = {
    "interpolation": Argument(choice("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5"), "bilinear"),
    "crop_to_aspect_ratio": Argument(boolean, False),
    "pad_to_aspect_ratio": Argument(choice(False), False),
    "fill_mode": Argument(ignored, "constant"),  # of the padding
    "fill_value": Argument(ignored, 0.0),
    "antialias": Argument(boolean, False),
}
#: Of layers that turn or move images at random while a model trains.
_MOVED = {
    "fill_mode": Argument(choice("reflect", "wrap", "constant", "nearest"), "reflect"),
    "interpolation": Argument(choice("bilinear", "nearest"), "bilinear"),
    "fill_value": Argument(number(), 0.0),
    "data_format": DATA_FORMAT,
}
#: Of layers that change how bright the values of images are: these stay as they stand in the data.
_BRIGHTNESS = {
    "factor": required(numbers(-1, 2)),
    "value_range": Argument(numbers(max_length=2), (0, 255)),
    "data_format": Argument(ignored),  # no argument of theirs
}
_FACTOR = numbers(-10, 2)
_DEPTH, _GROUPS = Argument(integer(1, 1024), 1), Argument(integer(), 1)
_GATES = Argument(activation, "sigmoid")
_BATCH_NORMALIZATION = {
    "moving_mean_initializer": Argument(Nested.INITIALIZER, "Zeros"),
    "moving_variance_initializer": Argument(Nested.INITIALIZER, "Ones"),
    "momentum": Argument(number(0, 1), 0.99),
    "renorm": Argument(choice(False), False),
    "renorm_clipping": NONE,
    "renorm_momentum": Argument(number(0, 1), 0.99),
    "synchronized": Argument(choice(False), False),
}

#: Every layer by Keras' name; all take `name`, `trainable` (true), `dtype` (float32) and `activity_regularizer` too.
LAYERS: Mapping[str, LayerKind] = {
    "Dense": kernel("kernel", units=UNITS, activation=LINEAR, quantization_config=NONE),
    "Embedding": kernel(
        "embeddings",
        input_dim=required(integer(1, 10_000_000)),
        output_dim=UNITS,
        mask_zero=Argument(boolean, False),
        quantization_config=NONE,
    ),
    "Conv1D": convolution(
        1, "kernel", filters=UNITS, groups=_GROUPS, padding=Argument(choice("valid", "same", "causal"), "valid")
    ),
    "Conv2D": convolution(2, "kernel", filters=UNITS, groups=_GROUPS),
    "SeparableConv1D": convolution(1, "depthwise", "pointwise", filters=UNITS, depth_multiplier=_DEPTH),
    "SeparableConv2D": convolution(2, "depthwise", "pointwise", filters=UNITS, depth_multiplier=_DEPTH),
    "DepthwiseConv1D": convolution(1, "depthwise", depth_multiplier=_DEPTH),
    "DepthwiseConv2D": convolution(2, "depthwise", depth_multiplier=_DEPTH),
    "Conv1DTranspose": convolution(1, "kernel", filters=UNITS, output_padding=NONE),
    "Conv2DTranspose": convolution(2, "kernel", filters=UNITS, output_padding=NONE),
    "LSTM": recurrent(recurrent_activation=_GATES, unit_forget_bias=Argument(boolean, True)),
    "GRU": recurrent(recurrent_activation=_GATES, reset_after=Argument(boolean, True)),
    "SimpleRNN": recurrent(),
    "Bidirectional": plain(
        layer=required(Nested.LAYER),
        backward_layer=Argument(Nested.LAYER, None),
        merge_mode=Argument(choice("concat", "sum", "mul", "ave"), "concat"),
    ),
    "TimeDistributed": plain(layer=required(Nested.LAYER)),
    "MultiHeadAttention": kernel(
        "kernel",
        num_heads=UNITS,
        key_dim=UNITS,
        value_dim=Argument(optional(integer()), None),
        dropout=NO_DROPOUT,
        output_shape=Argument(optional(integers(1)), None),
        attention_axes=Argument(optional(integers(1)), None),
        use_gate=Argument(boolean, False),
        sliding_window=Argument(optional(integer()), None),
    ),
    "Attention": LayerKind(
        {
            "use_scale": Argument(boolean, False),
            "score_mode": Argument(choice("dot", "concat"), "dot"),
            "dropout": NO_DROPOUT,
        },
        rates=("dropout",),
    ),
    "AdditiveAttention": LayerKind({"use_scale": Argument(boolean, True), "dropout": NO_DROPOUT}, rates=("dropout",)),
    "Activation": plain(activation=required(activation)),
    "Identity": plain(),
    "ReLU": plain(
        max_value=Argument(optional(number(0)), None),
        negative_slope=Argument(number(0), 0.0),
        threshold=Argument(number(0), 0.0),
    ),
    "LeakyReLU": plain(negative_slope=Argument(number(0), 0.3)),
    "ELU": plain(alpha=Argument(number(0), 1.0)),
    "PReLU": LayerKind({**weights("alpha", initial="Zeros"), "shared_axes": Argument(optional(integers(1)), None)}),
    "Softmax": plain(axis=Argument(axes, -1)),
    "MaxPooling1D": pooling(1),
    "MaxPooling2D": pooling(2),
    "AveragePooling1D": pooling(1),
    "AveragePooling2D": pooling(2),
    "GlobalMaxPooling1D": global_pooling(),
    "GlobalMaxPooling2D": global_pooling(),
    "GlobalAveragePooling1D": global_pooling(),
    "GlobalAveragePooling2D": global_pooling(),
    "BatchNormalization": normalization(**_BATCH_NORMALIZATION),
    "LayerNormalization": normalization(rms_scaling=Argument(choice(False), False)),
    "GroupNormalization": normalization(groups=Argument(integer(-1), 32)),
    "RMSNormalization": plain(axis=Argument(axes, -1), epsilon=Argument(number(0, 1), 1e-6)),
    "UnitNormalization": plain(axis=Argument(axes, -1)),
    "Dropout": dropout(noise_shape=Argument(optional(noise_shape))),
    "SpatialDropout1D": dropout(),
    "SpatialDropout2D": dropout(data_format=DATA_FORMAT),
    "AlphaDropout": dropout(noise_shape=NONE),
    "GaussianDropout": dropout(),
    "GaussianNoise": plain(stddev=required(number(0))),
    "Flatten": plain(data_format=DATA_FORMAT),
    "Reshape": plain(target_shape=required(integers(-1))),
    "Permute": plain(dims=required(integers(1))),
    "RepeatVector": plain(n=required(integer(1, 1024))),
    "Cropping1D": plain(cropping=Argument(integers(0), (1, 1))),
    "Cropping2D": plain(cropping=Argument(integers(0), ((0, 0), (0, 0))), data_format=DATA_FORMAT),
    "ZeroPadding1D": plain(padding=Argument(integers(0), 1), data_format=DATA_FORMAT),
    "ZeroPadding2D": plain(padding=Argument(integers(0), (1, 1)), data_format=DATA_FORMAT),
    "UpSampling1D": plain(size=Argument(integer(1, 64), 2)),
    "UpSampling2D": plain(
        size=Argument(integers(1, (2,)), (2, 2)),
        data_format=DATA_FORMAT,
        interpolation=Argument(choice("nearest", "bilinear"), "nearest"),
    ),
    "Add": plain(),
    "Subtract": plain(),
    "Multiply": plain(),
    "Average": plain(),
    "Maximum": plain(),
    "Minimum": plain(),
    "Concatenate": plain(axis=Argument(_AXIS, -1)),
    "Dot": plain(axes=required(integers(-8, (2,))), normalize=Argument(boolean, False)),
    "Rescaling": plain(scale=required(numbers()), offset=Argument(numbers(), 0.0)),
    "Normalization": plain(
        axis=Argument(optional(axes), -1),
        mean=Argument(optional(numbers()), None),
        variance=Argument(optional(numbers(0)), None),
        invert=Argument(choice(False), False),
    ),
    "Resizing": plain(**_IMAGE_SIZE, **_RESIZING),
    "CenterCrop": plain(**_IMAGE_SIZE),
    "RandomFlip": plain(
        mode=Argument(choice("horizontal_and_vertical", "horizontal", "vertical"), "horizontal_and_vertical"),
        data_format=DATA_FORMAT,
    ),
    "RandomRotation": plain(factor=required(_FACTOR), **_MOVED),
    "RandomZoom": plain(height_factor=required(_FACTOR), width_factor=Argument(optional(_FACTOR), None), **_MOVED),
    "RandomTranslation": plain(height_factor=required(_FACTOR), width_factor=required(_FACTOR), **_MOVED),
    "RandomContrast": plain(**_BRIGHTNESS),
    "RandomBrightness": plain(**_BRIGHTNESS),
    "Discretization": plain(
        bin_boundaries=required(numbers()),
        num_bins=Argument(ignored, None),  # follows from the boundaries, and Keras takes one of the two
        epsilon=Argument(number(0, 1), 0.01),
        output_mode=Argument(choice("int", "one_hot", "multi_hot", "count"), "int"),
        sparse=Argument(choice(False), False),
    ),
    "IntegerLookup": plain(
        vocabulary=required(vocabulary),
        max_tokens=Argument(ignored, None),  # of what was adapted; those of the vocabulary are what counts
        vocabulary_size=Argument(ignored, None),
        num_oov_indices=Argument(integer(0, 1024), 1),
        mask_token=Argument(optional(integer(-(2**31), 2**31)), None),
        oov_token=Argument(integer(-(2**31), 2**31), -1),
        output_mode=Argument(choice("int", "one_hot", "multi_hot", "count"), "int"),
        invert=Argument(choice(False), False),
        sparse=Argument(choice(False), False),
        pad_to_max_tokens=Argument(choice(False), False),
        vocabulary_dtype=Argument(choice("int64"), "int64"),
        idf_weights=NONE,
        oov_method=Argument(choice("floormod"), "floormod"),
        salt=NONE,
    ),
    "StringLookup": plain(
        vocabulary=required(texts),
        max_tokens=Argument(ignored, None),  # as of an IntegerLookup
        vocabulary_size=Argument(ignored, None),
        num_oov_indices=Argument(one_unknown, 1),
        mask_token=Argument(optional(text), None),
        oov_token=Argument(text, "[UNK]"),
        output_mode=Argument(choice("int", "one_hot", "multi_hot", "count"), "int"),
        invert=Argument(choice(False), False),
        sparse=Argument(choice(False), False),
        pad_to_max_tokens=Argument(choice(False), False),
        encoding=Argument(choice("utf-8"), "utf-8"),
        idf_weights=NONE,
        oov_method=Argument(ignored, None),  # of several indices of unknown texts
        salt=Argument(ignored, None),
    ),
    "CategoryEncoding": plain(
        num_tokens=required(integer()),
        output_mode=Argument(choice("one_hot", "multi_hot", "count"), "multi_hot"),
        sparse=Argument(choice(False), False),
    ),
    "LayerScale": convnext(init_values=required(number()), projection_dim=UNITS),
    "StochasticDepth": convnext(drop_path_rate=required(number(0, 0.999999))),
}

#: Layers that give whole numbers, which may have such a dtype.
INDEXING = frozenset({"Discretization", "IntegerLookup", "StringLookup"})
#: Layers that change images at random while a model trains, and else leave them as they are.
AUGMENTING = frozenset(kind for kind in LAYERS if kind.startswith("Random"))
#: Layers that read images as a whole; Keras writes `training` into their calls, and a model's own overrules it.
WHOLE_IMAGES = frozenset({"Resizing", "CenterCrop"}) | AUGMENTING
#: Layers that read whole numbers, beside an Embedding.
READS_CODES = frozenset({"IntegerLookup", "CategoryEncoding"})

#: Reasons why some expected layers are refused.
REFUSED: Mapping[str, str] = {
    "Lambda": "it runs code; use Keras' own layers or operations, such as keras.ops.relu or a slice",
    "TFSMLayer": "it loads a program from a file",
    "TorchModuleWrapper": "it runs code",
    "JaxLayer": "it runs code",
    "FlaxLayer": "it runs code",
    "TextVectorization": (
        "a text is one index here, and not its words; use StringLookup for the texts of a column, or send the words as "
        "whole numbers, which an Embedding looks up"
    ),
    "Hashing": "its buckets are not known here; use StringLookup or IntegerLookup with a vocabulary, or Discretization",
    "FeatureSpace": "rows are one array here, and come with their columns read; send its table as it is",
    "RNN": "its cell may be anything; use LSTM, GRU or SimpleRNN",
}

#: Operations of a graph, where a user wrote x + y or x[:, :3], by Keras' class: keras.ops' function, and its settings.
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
    "NotEqual": ("not_equal", {}),
    "LogicalOr": ("logical_or", {}),
    "Relu": ("relu", {}),
    "Relu6": ("relu6", {}),
    "Gelu": ("gelu", {"approximate": boolean}),
    "Elu": ("elu", {"alpha": number(0)}),
    "Selu": ("selu", {}),
    "Silu": ("silu", {}),
    "LeakyRelu": ("leaky_relu", {"negative_slope": number(0)}),
    "Sigmoid": ("sigmoid", {}),
    "Tanh": ("tanh", {}),
    "Softplus": ("softplus", {}),
    "Softmax": ("softmax", {"axis": _AXIS}),
    "Concatenate": ("concatenate", {"axis": _AXIS}),
    "Reshape": ("reshape", {"newshape": integers(-1)}),
    "Transpose": ("transpose", {"axes": optional(integers(0))}),
    "ExpandDims": ("expand_dims", {"axis": _AXIS}),
    "Squeeze": ("squeeze", {"axis": _AXIS}),
    "Mean": ("mean", {"axis": optional(integers(-8)), "keepdims": boolean}),
    "Sum": ("sum", {"axis": optional(integers(-8)), "keepdims": boolean}),
    "Max": ("max", {"axis": optional(integers(-8)), "keepdims": boolean, "initial": choice(None)}),
}

_SCALE = number(-1e6, 1e6)
_FANS = {"input_axes": choice(None), "output_axes": choice(None)}
INITIALIZERS: Mapping[str, Mapping[str, Check]] = {
    "Zeros": {},
    "Ones": {},
    "Constant": {"value": _SCALE},
    "RandomNormal": {"mean": _SCALE, "stddev": number(0, 1e6)},
    "RandomUniform": {"minval": _SCALE, "maxval": _SCALE},
    "TruncatedNormal": {"mean": _SCALE, "stddev": number(0, 1e6)},
    "VarianceScaling": {
        "scale": number(1e-9, 1e6),
        "mode": choice("fan_in", "fan_out", "fan_avg"),
        "distribution": choice("truncated_normal", "untruncated_normal", "uniform"),
        **_FANS,
    },
    **{f"{author}{shape}": _FANS for author in ("Glorot", "He", "Lecun") for shape in ("Uniform", "Normal")},
    "Orthogonal": {"gain": _SCALE},
}
_WEIGHT_AXES = {"axis": integers(-8)}
CONSTRAINTS: Mapping[str, Mapping[str, Check]] = {
    "MaxNorm": {"max_value": number(0), **_WEIGHT_AXES},
    "NonNeg": {},
    "UnitNorm": _WEIGHT_AXES,
    "MinMaxNorm": {"min_value": number(0), "max_value": number(0), "rate": number(0, 1), **_WEIGHT_AXES},
}
#: Accepted and ignored: a trial's regularizers replace them.
REGULARIZERS = frozenset({"L1", "L2", "L1L2", "OrthogonalRegularizer"})
