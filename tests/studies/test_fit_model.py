"""The models that `fit` keeps: traced once, and a trial's numbers are as if it had been the only one."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from studies import study_file
from studies.datasets.preprocessing import PreparedData, prepare
from studies.errors import DivergedError
from studies.regularization import LayerRegularization, Penalty, Regularization
from studies.spec.study import StudySpec
from studies.training.result import Job, Trained, TrainingState
from tests.studies.documents import IRIS, Document
from tests.studies.own_models import BINARY, IMAGES, OWN_MODELS
from tests.studies.test_lanes_contract import small

if TYPE_CHECKING:
    from studies.training.fit_model import FitModels

pytestmark = pytest.mark.slow

#: Two trials of each kind of graph, and then each kind again.
VALUES: Sequence[Document] = [
    {"regularizer": kind, "lambda": strength, "l1_ratio": 0.3, "dropout": dropout, "learning_rate": rate}
    for strength, dropout, rate in ((0.02, 0.4, 0.01), (0.003, 0.2, 0.002))
    for kind in ("l2", "elastic_net", "none", "l1")
]
MLP: Document = {"kind": "mlp", "hidden_units": [8, 4], "batch_norm": True}
CNN: Document = {"kind": "cnn", "filters": [2], "hidden_units": [8]}
ALL_PENALTIES: Document = {
    "bias_regularizer": "l2",
    "bias_lambda": 0.01,
    "activity_regularizer": "l1",
    "activity_lambda": 0.01,
}
TRAININGS: dict[str, Document] = {
    "adam": {},
    "adamw, cosine": {"optimizer": {"name": "adamw"}, "schedule": {"name": "cosine", "alpha": 0.1}},
    "sgd, balanced": {"optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}, "class_weights": "balanced"},
    "rmsprop, exponential": {"optimizer": {"name": "rmsprop", "momentum": 0.5}, "schedule": {"name": "exponential"}},
}


def own(name: str) -> Document:
    return {"kind": "keras", "config": OWN_MODELS[name][1]().to_json(), "insert_dropout": True}


CASES: dict[str, Callable[[], StudySpec]] = {
    **{name: lambda training=training: spec_of(BINARY, MLP, training) for name, training in TRAININGS.items()},  # type: ignore[misc]
    "biases and outputs": lambda: spec_of(BINARY, {**MLP, "batch_norm": False}, space=ALL_PENALTIES),
    "cnn": lambda: spec_of(IMAGES, CNN),
    "dropout in layers": lambda: spec_of(IMAGES, own("lstm")),
    "dropout of channels": lambda: spec_of(IMAGES, own("cnn with batch norm")),
    "tables": lambda: spec_of(OWN_MODELS["looked up"][0], own("looked up")),
    "attention": lambda: spec_of(IMAGES, own("attention")),
}


def spec_of(
    dataset: Document, model: Document, training: Document | None = None, space: Document | None = None
) -> StudySpec:
    document = {"dataset": dataset, "model": model, "training": training or {}, "space": space or {}}
    return study_file.parse(document | {"budget": {"epochs": 2}})


def data_of(spec: StudySpec) -> PreparedData:
    return small(prepare(spec.dataset, spec.seed, lookups=spec.lookups))


def job_of(spec: StudySpec, values: Mapping[str, Any], seed: int = 5, batch_size: int = 20) -> Job:
    params = {"patience": 9, "batch_size": batch_size, **values}
    return Job(0, spec, spec.space.hyperparameters(params), seed)


def trained(job: Job, data: PreparedData, models: FitModels | None = None) -> Trained:
    from studies.training.fit import train

    return train(job, data, lambda *_: True, models)


def fresh_models() -> FitModels:
    from studies.training.fit_model import FitModels

    return FitModels()


@pytest.mark.parametrize("name", CASES)
def test_a_trials_numbers_do_not_depend_on_the_trials_before_it(name: str) -> None:
    spec = CASES[name]()
    data, models = data_of(spec), fresh_models()
    for number, values in enumerate(VALUES[:2]):
        trained(job_of(spec, values, seed=number), data, models)
    job = job_of(spec, VALUES[5])
    assert trained(job, data, models).result == trained(job, data).result


def test_nor_on_a_training_that_diverged_or_on_batches_of_other_sizes() -> None:
    spec = CASES["adam"]()
    data, models = data_of(spec), fresh_models()
    with pytest.raises(DivergedError):
        trained(job_of(spec, VALUES[0] | {"learning_rate": 1e30}), data, models)
    rows = len(data.train.y)
    for size in (rows - 1, rows, rows + 9):
        job = job_of(spec, VALUES[0], batch_size=size)
        assert trained(job, data, models).result == trained(job, data).result


def test_each_kind_of_trial_is_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    traced: list[str] = []
    train_step = keras.Model.train_step

    def counted(model: Any, data: Any) -> Any:
        traced.append(model.name)
        return train_step(model, data)

    monkeypatch.setattr(keras.Model, "train_step", counted)
    spec = CASES["dropout in layers"]()
    data, models = data_of(spec), fresh_models()
    for seed, values in enumerate([*VALUES[:4], *VALUES[:3]]):
        trained(job_of(spec, values, seed=seed), data, models)
    assert len(traced) == 3  # without a penalty, with L2, and with L1's proximal step


def test_layers_that_differ_share_a_model_and_train_as_if_each_had_only_its_own_penalty() -> None:
    import keras

    from studies.training.trial_model import build_fit_model

    spec = CASES["rmsprop, exponential"]()
    data, models = data_of(spec), fresh_models()
    job = job_of(spec, VALUES[0])
    unlike = [
        (LayerRegularization(Penalty("l1", 0.02), 0.3), LayerRegularization(Penalty(), 0.1)),
        (LayerRegularization(Penalty(), 0.2), LayerRegularization(Penalty("elastic_net", 0.01, 0.4), 0.4)),
    ]
    jobs = [
        replace(job, hyperparameters=replace(job.hyperparameters, regularization=Regularization(r))) for r in unlike
    ]
    assert models.of(jobs[0], data, weighted=False) is models.of(jobs[1], data, weighted=False)
    curves = [trained(each, data, models).result.curve for each in jobs]
    keras.utils.set_random_seed(job.seed)
    model = build_fit_model(jobs[1], data, weighted=False)
    history = model.fit(data.train.x, data.train.y, batch_size=20, epochs=2, verbose=0).history
    assert curves[1]["penalized_loss"] == pytest.approx(history["loss"], rel=1e-5)
    assert curves[0]["penalized_loss"] != pytest.approx(history["loss"], rel=1e-3)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_later_trial_follows_a_plain_keras_script(optimizer: str) -> None:
    import keras
    from keras import layers, regularizers

    spec = spec_of(
        IRIS, {"kind": "mlp", "hidden_units": [8]}, {"optimizer": {"name": optimizer}}, {"l1_mode": "penalty"}
    )
    data, models = data_of(spec), fresh_models()
    trained(job_of(spec, VALUES[1], seed=3), data, models)
    curve = trained(job_of(spec, VALUES[5]), data, models).result.curve

    keras.utils.set_random_seed(6)
    keras.utils.set_random_seed(5)
    strengths = regularizers.L1L2(0.003 * 0.3, 0.003 * 0.7)
    model = keras.Sequential(
        [
            keras.Input(data.input_shape),
            layers.Dense(8, activation="relu", kernel_regularizer=strengths),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax"),
        ]
    )
    rule = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[optimizer](0.002)
    model.compile(rule, "sparse_categorical_crossentropy")
    history = model.fit(data.train.x, data.train.y, batch_size=20, epochs=2, verbose=0).history
    assert curve["penalized_loss"] == pytest.approx(history["loss"], rel=1e-5)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_dropout_inside_a_layer_follows_a_plain_keras_script(kind: str) -> None:
    import keras
    from keras import layers

    def model() -> Any:
        recurrent = getattr(layers, kind)(3, dropout=0.2, recurrent_dropout=0.2)
        given = [keras.Input((8, 8, 1)), layers.Reshape((8, 8))]
        return keras.Sequential([*given, recurrent, layers.Dense(10, activation="softmax")])

    spec = spec_of(IMAGES, {"kind": "keras", "config": model().to_json()})
    data, models = data_of(spec), fresh_models()
    trained(job_of(spec, VALUES[2], seed=3), data, models)
    curve = trained(job_of(spec, VALUES[6]), data, models).result.curve
    keras.utils.set_random_seed(6)
    keras.utils.set_random_seed(5)
    script = model()
    script.compile(keras.optimizers.Adam(0.002), "sparse_categorical_crossentropy")
    history = script.fit(data.train.x, data.train.y, batch_size=20, epochs=1, verbose=0).history
    assert curve["penalized_loss"][0] == pytest.approx(history["loss"][0], rel=1e-5)


def test_a_trial_keeps_its_own_weights_when_the_next_one_has_trained(tmp_path: Path) -> None:
    import keras

    spec = CASES["adam"]()
    data, models = data_of(spec), fresh_models()
    first, *_ = [trained(job_of(spec, values), data, models) for values in VALUES[:2]]
    first.save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    loss = model.evaluate(data.validation.x, data.validation.y, verbose=0, return_dict=True)["binary_crossentropy"]
    assert loss == pytest.approx(first.result.metrics["val_loss"], abs=1e-6)


@pytest.mark.parametrize("name", ["sgd, balanced", "dropout in layers"])
def test_a_trial_continues_bit_for_bit_in_a_model_that_others_were_trained_in(name: str) -> None:
    from studies.training.fit import train

    spec = CASES[name]()
    data, models = data_of(spec), fresh_models()
    job = job_of(spec, VALUES[1])
    states: list[TrainingState] = []

    def keep(_epoch: int, _metrics: object, state: Callable[[], TrainingState] | None = None, /) -> bool:
        states.extend([state()] if state else [])
        return True

    whole = train(job, data, keep, models).result
    trained(job_of(spec, VALUES[5], seed=8), data, models)
    assert trained(replace(job, state=states[0]), data, models).result == whole


def test_a_model_is_freed_when_a_study_of_another_begins() -> None:
    first, second = CASES["adam"](), CASES["cnn"]()
    models, data = fresh_models(), data_of(first)
    kept = [weakref.ref(models.of(job_of(first, values), data, weighted=False).model) for values in VALUES[:4]]
    assert [model() is None for model in kept] == [False, False, False, False]
    assert kept[1]() is kept[3]()  # L1 and elastic net share one
    trained(job_of(second, VALUES[0]), data_of(second), models)
    assert [model() for model in kept] == [None] * 4
