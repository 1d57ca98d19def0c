"""The engine's contract: a lane follows keras.Model.fit, for every regularizer, model kind and optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from studies.datasets.preprocessing import PreparedData, prepare
from studies.models.architecture import design
from studies.regularization import REGULARIZERS, Regularization
from studies.spec import StudySpec
from studies.study_file import parse
from tests.studies.documents import Document

pytestmark = pytest.mark.xdist_group("lanes")

EPOCHS, BATCH, RATE = 10, 16, 0.01
TABLE: Document = {"kind": "synthetic", "name": "noisy_labels", "rows": 90, "features": 6, "informative": 3}
IMAGES: Document = {"kind": "builtin", "name": "digits_images"}
MODELS: dict[str, tuple[Document, Document]] = {
    "mlp": (TABLE, {"kind": "mlp", "hidden_units": [8, 4]}),
    "mlp with batch norm": (TABLE, {"kind": "mlp", "hidden_units": [8, 4], "batch_norm": True}),
    "linear": (TABLE, {"kind": "mlp", "hidden_units": []}),
    "regression": ({"kind": "builtin", "name": "diabetes"}, {"kind": "mlp", "hidden_units": [8], "activation": "tanh"}),
    "cnn": (IMAGES, {"kind": "cnn", "filters": [3, 4], "hidden_units": [6]}),
}
OPTIMIZERS: dict[str, Document] = {
    "adam": {"name": "adam"},
    "adamw": {"name": "adamw", "weight_decay": 0.1},
    "sgd": {"name": "sgd"},
    "sgd with nesterov momentum": {"name": "sgd", "momentum": 0.9, "nesterov": True},
    "rmsprop": {"name": "rmsprop"},
    "rmsprop with momentum": {"name": "rmsprop", "momentum": 0.5},
}


def small(data: PreparedData, rows: int = 60) -> PreparedData:
    """The same data with fewer training rows, so that an epoch has a smaller last batch."""
    from dataclasses import replace

    split = replace(data.rows, train=data.rows.train[: rows - 7], validation=data.rows.validation[:40])
    return replace(data, rows=split)


def regularizations() -> list[Regularization]:
    return [Regularization(kind, 0.02, 0.4, 0.0) for kind in REGULARIZERS]


def spec_of(model: str, optimizer: str) -> StudySpec:
    dataset, architecture = MODELS[model]
    training = {"optimizer": OPTIMIZERS[optimizer]}
    return parse({"name": "x", "dataset": dataset, "model": architecture, "training": training})


def laned(spec: StudySpec, data: PreparedData, orders: Any, xla: bool) -> tuple[Any, list[Any], list[Any]]:
    """The program, the initial values of each lane, and each epoch's lanes and losses; a lane a regularizer."""
    import tensorflow as tf

    from studies.training.program import Data, Program, ProgramKey, Settings
    from studies.training.step import Lane

    regs = regularizations()
    key = ProgramKey(
        model=spec.model,
        optimizer=spec.training.optimizer,
        task=data.task,
        classes=data.classes,
        input_shape=data.input_shape,
        train_rows=len(data.train.y),
        validation_rows=len(data.validation.y),
        batch_size=BATCH,
        lanes=len(regs),
        xla=xla,
    )
    program = Program(key)
    drawn = [program.initial(seed) for seed in range(len(regs))]
    initial = Lane(*([np.stack(values) for values in zip(*lists, strict=True)] for lists in zip(*drawn, strict=True)))
    lanes = program.seat(program.empty(), tf.fill([len(regs)], True), initial)
    columns = np.array([[r.l1, r.l2, r.dropout, RATE] for r in regs], dtype=np.float32).T
    settings = Settings(*map(tf.constant, columns), tf.zeros([len(regs)], tf.uint32))  # type: ignore[call-arg]
    rows = Data(*map(tf.constant, (data.train.x, data.train.y, data.validation.x, data.validation.y)))
    best, none, epochs = lanes.lane, tf.fill([len(regs)], False), []
    for order in orders:
        lanes, best, epoch = program.epoch(lanes, best, none, settings, tf.constant(order), rows)
        epochs.append((lanes, epoch))
    return program, drawn, epochs


def fitted(spec: StudySpec, data: PreparedData, reg: Regularization, initial: Any, order: Any) -> tuple[Any, Any]:
    """Keras' model and history from the same initial values and data order."""
    from studies.training.fit import compiled

    architecture = design(spec.model, data.input_shape, data.task, data.classes, reg)
    model = compiled(architecture, spec.training.optimizer, RATE)
    for variables, values in ((model.trainable_weights, initial.weights), (model.non_trainable_weights, initial.state)):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def batches() -> Iterator[tuple[Any, Any]]:
        for rows in order:
            for start in range(0, len(rows), BATCH):
                chosen = rows[start : start + BATCH]
                yield data.train.x[chosen], data.train.y[chosen]

    steps = -(-len(data.train.y) // BATCH)
    validation = (data.validation.x, data.validation.y)
    history = model.fit(
        batches(), epochs=EPOCHS, steps_per_epoch=steps, validation_data=validation, shuffle=False, verbose=0
    )
    return model, history.history


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_a_lane_follows_keras_fit(model: str, optimizer: str) -> None:
    spec = spec_of(model, optimizer)
    data = small(prepare(spec.dataset, 0))
    rng = np.random.default_rng(1)
    rows, lanes = len(data.train.y), len(REGULARIZERS)
    orders = [np.stack([rng.permutation(rows) for _ in range(lanes)]).astype(np.int32) for _ in range(EPOCHS)]
    program, drawn, epochs = laned(spec, data, orders, xla=False)
    for lane, reg in enumerate(regularizations()):
        keras_model, history = fitted(spec, data, reg, drawn[lane], [order[lane] for order in orders])
        last, _ = epochs[-1]
        for mine, theirs in zip(last.lane.weights, keras_model.trainable_weights, strict=True):
            np.testing.assert_allclose(mine[lane], theirs.numpy(), rtol=1e-3, atol=2e-4)
        for mine, theirs in zip(last.lane.state, keras_model.non_trainable_weights, strict=True):
            np.testing.assert_allclose(mine[lane], theirs.numpy(), rtol=1e-3, atol=2e-4)
        loss = program.key.task, keras_model.loss
        seen = {name: [float(column[lane]) for column in columns] for name, columns in _columns(epochs).items()}
        np.testing.assert_allclose(seen["loss"], history[loss[1]], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(seen["val_loss"], history[f"val_{loss[1]}"], rtol=1e-3, atol=1e-4)
        penalized = np.add(seen["val_loss"], seen["penalty"])
        np.testing.assert_allclose(penalized, history["val_loss"], rtol=1e-3, atol=1e-4)


def _columns(epochs: list[Any]) -> dict[str, list[Any]]:
    return {
        "loss": [epoch.data_loss.numpy() for _, epoch in epochs],
        "val_loss": [epoch.validation_loss.numpy() for _, epoch in epochs],
        "penalty": [epoch.penalty.numpy() for _, epoch in epochs],
    }
