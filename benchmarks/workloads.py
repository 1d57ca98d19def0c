"""The studies that benchmarks run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from benchmarks import tokens
from studies.datasets.preprocessing import PreparedData, prepare
from studies.spec.study import StudySpec
from studies.study_file import parse

_STEPS, _COLUMNS = 50, 4  # of a series
_SPACE = {
    "regularizer": ["none", "l1", "l2", "elastic_net"],
    "lambda": {"low": 1e-6, "high": 1e-1, "log": True},
    "l1_ratio": {"low": 0.1, "high": 0.9},
    "dropout": {"low": 0.0, "high": 0.5},
    "patience": {"low": 5, "high": 20},
}


def _study(dataset: dict[str, Any], model: dict[str, Any], epochs: int, batch_size: int = 32) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "model": model,
        "space": _SPACE | {"batch_size": batch_size, "learning_rate": 1e-3},
        "budget": {"epochs": epochs},
    }


def _series() -> Any:
    """A GRU over a series."""
    import keras
    from keras import layers

    shape = [keras.Input((_STEPS * _COLUMNS,)), layers.Reshape((_STEPS, _COLUMNS))]
    return keras.Sequential([*shape, layers.GRU(32), layers.Dense(1, activation="sigmoid")])


def _encoder() -> Any:
    """A transformer encoder of two blocks over a series."""
    import keras
    from keras import layers

    given = keras.Input((_STEPS * _COLUMNS,))
    x = layers.Dense(32)(layers.Reshape((_STEPS, _COLUMNS))(given))
    for _ in range(2):
        x = layers.LayerNormalization()(layers.Add()([x, layers.MultiHeadAttention(2, 16)(x, x)]))
        y = layers.Dense(32)(layers.Dense(64, activation="relu")(x))
        x = layers.LayerNormalization()(layers.Add()([x, y]))
    return keras.Model(given, layers.Dense(1, activation="sigmoid")(layers.GlobalAveragePooling1D()(x)))


def _cnn(*image: int) -> Any:
    """A CNN whose convolutions fill a core each."""
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input((prod(image),)), layers.Reshape(image)])
    for filters in (32, 64):
        model.add(layers.Conv2D(filters, 3, activation="relu"))
        model.add(layers.MaxPooling2D())
    for layer in (layers.Flatten(), layers.Dense(1, activation="sigmoid")):
        model.add(layer)
    return model


def _text() -> Any:
    """An LSTM over embedded tokens."""
    import keras
    from keras import layers

    table = layers.Embedding(tokens.WORDS, 32)
    return keras.Sequential(
        [keras.Input((tokens.STEPS,)), table, layers.LSTM(32), layers.Dense(1, activation="sigmoid")]
    )


#: Models of the user's own, which only Keras can write.
_OWN: dict[str, Callable[[], Any]] = {
    "series": _series,
    "encoder": _encoder,
    "images 28x28x1": lambda: _cnn(28, 28, 1),
    "text": _text,
    "images 32x32x3": lambda: _cnn(32, 32, 3),
}
_SERIES = {"kind": "synthetic", "name": "few_informative", "rows": 2000, "features": _STEPS * _COLUMNS}

WORKLOADS: dict[str, dict[str, Any]] = {
    "small table": _study(
        {"kind": "synthetic", "name": "few_informative", "rows": 2000, "features": 40}, {"kind": "mlp"}, 60
    ),
    "breast_cancer": _study({"kind": "builtin", "name": "breast_cancer"}, {"kind": "mlp"}, 60),
    "digits images": _study({"kind": "builtin", "name": "digits_images"}, {"kind": "cnn", "filters": [16, 16]}, 20),
    "wide": _study(
        {"kind": "synthetic", "name": "few_informative", "rows": 20_000, "features": 100},
        {"kind": "mlp", "hidden_units": [512, 512]},
        10,
        256,
    ),
    "diabetes": _study({"kind": "builtin", "name": "diabetes"}, {"kind": "mlp"}, 60),
    "series": _study(_SERIES, {}, 15),
    "encoder": _study(_SERIES, {}, 15),
    "text": _study({"kind": "uploaded", "name": "tokens"}, {}, 10),
    "images 28x28x1": _study(_SERIES | {"rows": 3000, "features": 28 * 28}, {}, 3),
    "images 32x32x3": _study(_SERIES | {"rows": 3000, "features": 32 * 32 * 3}, {}, 3),
}


def document(workload: str, trials: int, name: str = "bench", seed: int = 0) -> dict[str, Any]:
    """The study of a workload with a budget of trials."""
    plain = WORKLOADS[workload]
    if workload in _OWN:
        plain = plain | {"model": {"kind": "keras", "config": _config(workload)}}
    return {"name": name, **plain, "budget": plain["budget"] | {"trials": trials}, "seed": seed}


@cache
def _config(workload: str) -> str:
    return str(_OWN[workload]().to_json())


def prepared(workload: str, trials: int, seed: int = 0) -> tuple[StudySpec, PreparedData]:
    """The study of a workload and its data, here and without a server."""
    with tempfile.TemporaryDirectory() as folder:
        spec = parse(document(workload, trials, seed=seed), lambda *_: tokens.describe(tokens.write(Path(folder))))
        return spec, prepare(spec.dataset, spec.seed, source=lambda _: Path(folder, "tokens.npz"), lookups=spec.lookups)
