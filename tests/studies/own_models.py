"""Architectures as Keras users write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.studies.documents import IRIS, Document

BINARY: Document = {"kind": "synthetic", "name": "noisy_labels", "rows": 90, "features": 8, "informative": 3}
IMAGES: Document = {"kind": "builtin", "name": "digits_images"}
DIGITS: Document = {"kind": "builtin", "name": "digits"}
DIABETES: Document = {"kind": "builtin", "name": "diabetes"}


def mlp() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(8, activation="relu", kernel_regularizer="l2", kernel_initializer="he_normal"),
            layers.Dropout(0.3),
            layers.Dense(4, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def wide_and_deep() -> Any:
    import keras
    from keras import layers

    given = keras.Input((10,), name="columns")
    deep = layers.Dense(8, activation="relu")(given)
    deep = layers.Dropout(0.1)(deep)
    deep = layers.Dense(4, activation="relu")(deep)
    return keras.Model(given, layers.Dense(1)(layers.Concatenate()([given, deep])))


def residual_mlp() -> Any:
    import keras
    from keras import layers

    given = keras.Input((4,))
    x = layers.Dense(6)(given)
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        y = layers.Dense(6, activation="gelu")(y)
        x = x + layers.Dropout(0.2)(y)
    return keras.Model(given, layers.Dense(3, activation="softmax")(x))


def embeddings() -> Any:
    import keras
    from keras import layers

    given = keras.Input((8,))
    categories = layers.Discretization([-0.5, 0.5])(given[:, :2])
    embedded = layers.Flatten()(layers.Embedding(3, 2)(categories))
    x = layers.Concatenate()([embedded, given[:, 2:]])
    x = layers.Dense(6, activation="relu")(x)
    return keras.Model(given, layers.Dense(1, activation="sigmoid")(x))


def looked_up() -> Any:
    """Two tables, one of them shared by two calls, over pixels as whole numbers."""
    import keras
    from keras import layers

    given = keras.Input((64,), dtype="int32")
    table = layers.Embedding(17, 3)
    first, second = table(given[:, :40]), table(layers.Reshape((8, 8))(given)[:, 2:4])
    third = layers.Embedding(40, 2, embeddings_initializer="ones")(given[:, 20])
    x = layers.Concatenate()([layers.GlobalAveragePooling1D()(first), layers.Flatten()(second), third])
    return keras.Model(given, layers.Dense(10, activation="softmax")(x))


def masked() -> Any:
    """Every layer that heeds a mask, behind an Embedding that makes one."""
    import keras
    from keras import layers

    given = keras.Input((64,))
    x = layers.Embedding(17, 3, mask_zero=True)(given[:, 8:24])
    both = layers.Bidirectional(layers.GRU(2, return_sequences=True))(x)
    ends = [layers.LSTM(3)(x), layers.SimpleRNN(2)(layers.Dropout(0.1)(both))]
    ends.append(layers.LSTM(2, zero_output_for_mask=True)(layers.GRU(2, return_sequences=True, go_backwards=True)(x)))
    ends.append(layers.Bidirectional(layers.LSTM(2), merge_mode="sum")(x))
    unrolled = layers.Bidirectional(layers.SimpleRNN(2, unroll=True, return_sequences=True))(x)
    ends.append(layers.GlobalAveragePooling1D()(layers.TimeDistributed(layers.Dense(3))(unrolled)))
    attended = layers.LayerNormalization()(layers.MultiHeadAttention(2, 2)(x, x))
    ends.append(layers.GlobalAveragePooling1D()(layers.Add()([x, attended])))
    return keras.Model(given, layers.Dense(10, activation="softmax")(layers.Concatenate()(ends)))


def cnn() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(3, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.SpatialDropout2D(0.1),
            layers.Conv2D(4, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def separable() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.SeparableConv2D(4, 3, activation="relu", depth_multiplier=2),
            layers.DepthwiseConv2D(3, padding="same", activation="relu"),
            layers.AveragePooling2D(3, strides=2, padding="same"),
            layers.UpSampling2D((2, 3), interpolation="bilinear"),
            layers.Flatten(),
            layers.Dense(10),
            layers.Softmax(),
        ]
    )


def transposed() -> Any:
    """Convolutions in groups, and transposed ones, over images and over a series."""
    import keras
    from keras import layers

    given = keras.Input((8, 8, 1))
    x = layers.Conv2D(6, 3, groups=2, activation="relu")(layers.Conv2D(4, 3, padding="same")(given))
    x = layers.Conv2DTranspose(3, (3, 2), strides=(2, 3), activation="relu")(x)
    x = layers.Conv2DTranspose(2, 3, strides=2, padding="same", use_bias=False)(layers.MaxPooling2D(3)(x))
    x = layers.Reshape((-1, 2))(layers.MaxPooling2D(2)(x))
    x = layers.Conv1DTranspose(3, 2, strides=3)(layers.Conv1D(4, 3, groups=2)(x))
    x = layers.Conv1DTranspose(2, 5, padding="same", activation="tanh")(x)
    return keras.Model(given, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


def convolution_over_a_sequence() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((10,)),
            layers.Reshape((10, 1)),
            layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="relu"),
            layers.MaxPooling1D(3, strides=2),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )


def lstm() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((8, 8)),
            layers.TimeDistributed(layers.Dropout(0.1)),
            layers.Bidirectional(layers.LSTM(3, dropout=0.1), name="bidirectional"),
            layers.Dropout(0.1),
            layers.Dense(10, activation="softmax"),
        ]
    )


def gru_dropped() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Reshape((8, 8)),
            layers.GRU(3, recurrent_dropout=0.1, name="gru"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def gru_unrolled() -> Any:
    import keras
    from keras import layers

    given = keras.Input((8,))
    x = layers.Reshape((2, 4))(given)
    x = layers.GRU(3, unroll=True, return_sequences=True)(x)
    x = layers.LSTM(3, unroll=True)(x)
    return keras.Model(given, layers.Dense(1, activation="sigmoid")(x))


def recurrent() -> Any:
    """Every recurrent layer, forwards and backwards, over eight steps."""
    import keras
    from keras import layers

    gates = {"activation": "relu", "recurrent_activation": "hard_sigmoid", "use_bias": False}
    given = keras.Input((8, 8, 1))
    x = layers.TimeDistributed(layers.Dense(4, activation="tanh"))(layers.Reshape((8, 8))(given))
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    x = layers.LSTM(3, return_sequences=True, go_backwards=True, **gates)(x)
    ends = [layers.GRU(3)(x), layers.GRU(2, reset_after=False, use_bias=False)(x), layers.SimpleRNN(2)(x)]
    ends.append(layers.Bidirectional(layers.GRU(2), merge_mode="sum")(x))
    return keras.Model(given, layers.Dense(10, activation="softmax")(layers.Concatenate()(ends)))


def branches() -> Any:
    import keras
    from keras import layers

    given = keras.Input((4,))
    shared, noise, drop = layers.Dense(5, activation="tanh"), layers.GaussianNoise(1e-9), layers.Dropout(0.1)
    left = keras.Sequential([keras.Input((4,)), layers.Dense(4, activation="relu"), layers.Dropout(0.1)], name="left")
    merged = layers.Add()([drop(shared(noise(given))), noise(drop(shared(layers.Rescaling(0.5)(given))))])
    x = layers.Concatenate()([left(given), merged, layers.Dense(2)(given)])
    return keras.Model(given, layers.Dense(3, activation="softmax")(x))


def attention() -> Any:
    import keras
    from keras import layers

    given = keras.Input((8, 8, 1))
    tokens = layers.Dense(4)(layers.Reshape((8, 8))(given))
    y = layers.MultiHeadAttention(2, 3, dropout=0.1)(tokens, tokens, use_causal_mask=True)
    x = layers.LayerNormalization()(layers.Add()([tokens, y]))
    y = layers.Dense(4, activation="gelu")(x)
    x = layers.LayerNormalization()(layers.Add()([x, layers.Dropout(0.1)(y)]))
    both = layers.AdditiveAttention(dropout=0.1)([x, layers.Attention(use_scale=True, dropout=0.1)([x, x])])
    x = layers.GlobalAveragePooling1D()(both)
    return keras.Model(given, layers.Dense(10, activation="softmax")(x))


def prepared() -> Any:
    """Preprocessing layers of each kind, which read pixels as they stand."""
    import keras
    from keras import layers

    given = keras.Input((64,))
    scaled = layers.Normalization(mean=[5.0, 6.0, 7.0], variance=[4.0, 1.0, 9.0])(layers.Rescaling(0.5)(given[:, 2:5]))
    bins = layers.Embedding(4, 2)(layers.Discretization([4.0, 8.0, 12.0])(given[:, 10:12]))
    codes = layers.Embedding(5, 2)(layers.IntegerLookup(vocabulary=[0, 5, 9], num_oov_indices=2)(given[:, 20:21]))
    counts = [
        layers.IntegerLookup(vocabulary=[1, 2], output_mode="multi_hot")(given[:, 26:29]),
        layers.CategoryEncoding(17, output_mode="one_hot")(given[:, 30:31]),
        layers.Discretization([8.0], output_mode="one_hot")(given[:, 35:36]),
    ]
    image = layers.CenterCrop(6, 6)(layers.Reshape((8, 8, 1))(given))
    for augment in (layers.RandomFlip("horizontal"), layers.RandomTranslation(0.1, 0.1), layers.RandomContrast(0.2)):
        image = augment(image)
    image = layers.RandomZoom(0.1)(layers.RandomRotation(0.1)(layers.RandomBrightness(0.1, (0, 16))(image)))
    pixels = layers.Flatten()(
        layers.Normalization(mean=0.4, variance=0.1)(layers.Resizing(3, 3)(layers.Rescaling(1 / 16)(image)))
    )
    x = layers.Concatenate()([scaled, layers.Flatten()(bins), layers.Flatten()(codes), *counts, pixels])
    hidden = layers.Dense(8, activation=layers.LeakyReLU(0.1))(x)
    return keras.Model(given, layers.Dense(10, activation="softmax")(hidden))


def convnext_block() -> Any:
    """A block as in ConvNeXt, and a head as in MobileNet."""
    import keras
    from keras import layers
    from keras.src.applications.convnext import LayerScale, StochasticDepth

    given = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 4, strides=4)(given)
    y = layers.Dense(8, activation="gelu")(layers.LayerNormalization(epsilon=1e-6)(x))
    y = LayerScale(0.1, 4)(layers.Dense(4)(y))
    x = layers.Add()([x, StochasticDepth(0.2)(y)])
    y = layers.Dropout(0.3, noise_shape=(None, 1, 1, 1))(layers.Conv2D(4, 1)(x))
    x = layers.Dropout(0.2, noise_shape=(None, 1, None, None))(layers.Add()([x, y]))
    x = layers.Conv2D(10, 1)(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return keras.Model(given, layers.Activation("softmax")(layers.Reshape((10,))(x)))


#: Each with a dataset that it fits, and what is said of it where lanes do not hold it.
OWN_MODELS: dict[str, tuple[Document, Callable[[], Any], str | None]] = {
    "mlp": (BINARY, mlp, None),
    "wide and deep": (DIABETES, wide_and_deep, None),
    "residual mlp": (IRIS, residual_mlp, None),
    "embeddings": (BINARY, embeddings, None),
    "looked up": (DIGITS, looked_up, None),
    "masked": (DIGITS, masked, None),
    "cnn with batch norm": (IMAGES, cnn, None),
    "separable convolutions": (IMAGES, separable, None),
    "transposed convolutions": (IMAGES, transposed, None),
    "convolution over a sequence": (DIABETES, convolution_over_a_sequence, None),
    "lstm": (IMAGES, lstm, None),
    "gru with recurrent dropout": (IMAGES, gru_dropped, "layers[2] 'gru': the recurrent_dropout inside a GRU"),
    "recurrent": (IMAGES, recurrent, None),
    "gru unrolled": (BINARY, gru_unrolled, None),
    "branches": (IRIS, branches, None),
    "attention": (IMAGES, attention, None),
    "prepared": (DIGITS, prepared, "layers[2] 'center_crop': lanes hold no CenterCrop"),
    "convnext block": (IMAGES, convnext_block, "layers[5] 'layer_scale': lanes hold no LayerScale"),
}
