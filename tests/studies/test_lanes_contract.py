"""The engine's contract: a lane follows keras.Model.fit, for every regularizer, model kind and optimizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studies.datasets.preprocessing import PreparedData, prepare
from studies.hyperparameters import Hyperparameters
from studies.regularization import REGULARIZERS, L1Mode, LayerRegularization, Penalty, Regularization
from studies.spec.study import StudySpec
from studies.study_file import parse
from studies.training.result import Job
from tests.studies.documents import Document
from tests.studies.laning import program_of, train

pytestmark = pytest.mark.slow

EPOCHS, BATCH, RATE = 10, 16, 0.01
#: Keras' gradient of |w| jumps at 0, and rounding decides in which step a weight crosses it: with steps that are all as
#: large as the rate, as rmsprop's are, soon in another one.
CALM_RATE = 0.002
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
#: Two optimizers a model; adamw, whose decay leaves variables out, with batch norm's.
OTHER_MODELS = [
    ("mlp with batch norm", "adamw"),
    ("mlp with batch norm", "sgd with nesterov momentum"),
    ("linear", "sgd"),
    ("linear", "rmsprop"),
    ("regression", "adam"),
    ("regression", "rmsprop with momentum"),
    ("cnn", "adam"),
    ("cnn", "sgd with nesterov momentum"),
]


def small(data: PreparedData, rows: int = 60) -> PreparedData:
    """The same data with fewer training rows, so that an epoch has a smaller last batch."""
    split = replace(data.rows, train=data.rows.train[: rows - 7], validation=data.rows.validation[:40])
    return replace(data, rows=split)


def regularizations(spec: StudySpec) -> list[Regularization]:
    shared = [Regularization.shared(kind, 0.02, 0.4, 0.0) for kind in REGULARIZERS]
    return [replace(reg, l1_mode=spec.space.l1_mode) for reg in shared]


def spec_of(model: str, l1_mode: str = "penalty", **training: Document) -> StudySpec:
    dataset, architecture = MODELS[model]
    parts = {"training": training, "budget": {"epochs": EPOCHS}, "space": {"l1_mode": l1_mode, "batch_size": BATCH}}
    return parse({"name": "x", "dataset": dataset, "model": architecture, **parts})


def job(spec: StudySpec, reg: Regularization) -> Job:
    rate = CALM_RATE if spec.training.optimizer.name == "rmsprop" else RATE
    return Job(0, spec, Hyperparameters(reg, 5, rate, BATCH), 0)


def laned(
    spec: StudySpec, data: PreparedData, order: Any, regs: Sequence[Regularization]
) -> tuple[list[Any], Any, Any]:
    """The initial values of each lane, and what its epochs left and gave; a lane a regularizer."""
    jobs = [job(spec, reg) for reg in regs]
    program = program_of(jobs, data, spec.budget.epochs)
    drawn = [program.initial(seed) for seed in range(len(regs))]
    carry, epochs = train(program, jobs, data, drawn, order)
    return drawn, carry.lanes.model, epochs


def fitted(spec: StudySpec, data: PreparedData, reg: Regularization, initial: Any, order: Any) -> tuple[Any, Any]:
    """Keras' model and history from the same initial values and data order."""
    from studies.training.trial_model import build_fit_model

    model = build_fit_model(job(spec, reg), data, weighted=False)
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
        batches(),
        epochs=spec.budget.epochs,
        steps_per_epoch=steps,
        validation_data=validation,
        validation_freq=spec.budget.epochs // 2,  # a pass costs as much as an epoch
        shuffle=False,
        verbose=0,
    )
    return model, history.history


def pair(optimizer: str) -> list[int]:
    """Two neighbouring regularizers, in turn."""
    turn = list(OPTIMIZERS).index(optimizer) % 2
    return [2 * turn, 2 * turn + 1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_lane_follows_keras_fit_with_every_regularizer_and_optimizer(optimizer: str) -> None:
    # Adam meets each regularizer, the others two: tracing Keras' fit is what costs.
    follows(spec_of("mlp", optimizer=OPTIMIZERS[optimizer]), compared=pair(optimizer) if optimizer != "adam" else None)


@pytest.mark.parametrize(("model", "optimizer"), OTHER_MODELS)
def test_a_lane_follows_keras_fit_with_every_model(model: str, optimizer: str) -> None:
    # A regularizer and its neighbour, so that each model meets each regularizer.
    turn = OTHER_MODELS.index((model, optimizer)) % 2
    follows(spec_of(model, optimizer=OPTIMIZERS[optimizer]), compared=[2 * turn, 2 * turn + 1])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_lane_takes_the_proximal_steps_of_fit(optimizer: str) -> None:
    spec = spec_of("mlp", "proximal", optimizer=OPTIMIZERS[optimizer])
    # Without L1 there is no proximal step, which one optimizer shows.
    with_l1 = [lane for lane, reg in enumerate(regularizations(spec)) if reg.proximal]
    follows(spec, compared=None if optimizer == "adam" else with_l1)


def test_a_lane_of_a_linear_model_takes_the_proximal_steps_of_fit() -> None:
    follows(spec_of("linear", "proximal", optimizer=OPTIMIZERS["rmsprop"]))


@pytest.mark.parametrize("l1_mode", ["proximal", "penalty"])
@pytest.mark.parametrize("model", ["mlp", "mlp with batch norm"])
def test_a_lane_follows_fit_with_penalties_by_layer_on_biases_and_on_outputs(model: str, l1_mode: L1Mode) -> None:
    dataset, architecture = MODELS[model]
    space: Document = {"scope": "per_layer", "l1_mode": l1_mode, "batch_size": BATCH}
    space |= {"bias_regularizer": ["none", "l1", "l2"], "activity_regularizer": ["none", "l1", "l2"]}
    if architecture.get("batch_norm"):  # there are no biases; studies of earlier versions search penalties on them
        del space["bias_regularizer"]
    parts = {"dataset": dataset, "model": architecture, "space": space, "budget": {"epochs": EPOCHS}}
    first = LayerRegularization(Penalty("l1", 0.03), 0.0)
    layers = first, LayerRegularization(Penalty("elastic_net", 0.02, 0.3), 0.0)
    regs = [
        Regularization(layers, l1_mode=l1_mode),
        Regularization((first, first), bias=Penalty("l2", 0.5), l1_mode=l1_mode),
        Regularization((first, first), bias=Penalty("l1", 0.05), activity=Penalty("l1", 0.01), l1_mode=l1_mode),
        Regularization(layers, activity=Penalty("l2", 0.02), l1_mode=l1_mode),
    ]
    # With batch norm not the first, whose penalties the last has too.
    follows(parse({"name": "x", **parts}), regs, compared=None if model == "mlp" else [1, 2, 3])


@pytest.mark.parametrize("schedule", [{"name": "cosine", "alpha": 0.1}, {"name": "exponential", "decay_rate": 0.7}])
def test_a_learning_rate_schedule_is_the_one_of_keras(schedule: Document) -> None:
    follows(spec_of("mlp", schedule=schedule), compared=[REGULARIZERS.index("elastic_net")])


def follows(spec: StudySpec, given: Sequence[Regularization] = (), compared: Sequence[int] | None = None) -> None:
    """Train a lane a regularizer, and compare the lanes of these indices, or all, with what Keras trains."""
    data, regs = small(prepare(spec.dataset, 0, lookups=spec.lookups)), given or regularizations(spec)
    rng = np.random.default_rng(1)
    rows, lanes = len(data.train.y), len(regs)
    order = np.stack([np.stack([rng.permutation(rows) for _ in range(lanes)]) for _ in range(spec.budget.epochs)])
    order = order.astype(np.int32)
    at = slice(spec.budget.epochs // 2 - 1, None, spec.budget.epochs // 2)  # the epochs that fit validates
    drawn, last, epochs = laned(spec, data, order, regs)
    assert [len(drawn[0].weights), len(drawn[0].state)] == [len(last.weights), len(last.state)]
    for lane in range(len(regs)) if compared is None else compared:
        reg = regs[lane]
        keras_model, history = fitted(spec, data, reg, drawn[lane], order[:, lane])
        pairs = [*zip(last.weights, keras_model.trainable_weights, strict=True)]
        pairs += zip(last.state, keras_model.non_trainable_weights, strict=True)
        for mine, theirs in pairs:
            np.testing.assert_allclose(mine[lane], theirs.numpy(), rtol=1e-3, atol=2e-4)
        name = keras_model.loss
        validation = epochs.validation_loss[:, lane].numpy()
        np.testing.assert_allclose(epochs.data_loss[:, lane], history[name], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(validation[at], history[f"val_{name}"], rtol=1e-3, atol=1e-4)
        if reg.activity.kind == "none":  # ours leaves out what a penalty on outputs adds on validation rows
            penalized = validation + epochs.penalty[:, lane].numpy()
            np.testing.assert_allclose(penalized[at], history["val_loss"], rtol=1e-3, atol=1e-4)
