"""Models that Keras users bring: which engine each gets, and that it trains what `to_json()` says."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.datasets.preprocessing import prepare
from studies.errors import EngineError
from studies.keras_config.lanes import find_lane_obstacle
from studies.models.architecture import design
from studies.models.snippet import snippet
from studies.regularization import L1Mode, LayerRegularization, Penalty, Regularization
from studies.spec.model import KerasSpec
from studies.spec.study import StudySpec
from studies.study_file import parse
from studies.training.result import EpochReport, Job, Trained
from tests.studies.documents import IRIS, Document
from tests.studies.own_models import BINARY, IMAGES, OWN_MODELS, attention, cnn, lstm, mlp, residual_mlp
from tests.studies.test_keras_config import called, functional, layer, node, sequential
from tests.studies.test_lanes_contract import BATCH, follows, small

pytestmark = pytest.mark.slow

IN_LANES = [name for name, (_, _, why) in OWN_MODELS.items() if why is None]
#: Tracing these takes longest, and what they add to a lane, their layers, is held by `follows` alone.
COSTLY = {"recurrent", "transposed convolutions", "gru unrolled"}
FIXED: Document = {"regularizer": "l1", "lambda": 0.02, "l1_ratio": 0.5, "dropout": 0.2, "patience": 5}


def spec_of(dataset: Document, model: Any, *, insert_dropout: bool = False, **parts: Any) -> StudySpec:
    own = {"kind": "keras", "config": model.to_json(), "insert_dropout": insert_dropout}
    plain: Document = {"name": "own", "dataset": dataset, "model": own, "budget": {"epochs": 2, "trials": 2}}
    if "dropout" in parts.get("space", {}) and not KerasSpec.model_validate(own).dropped_layers:
        parts["space"] = parts["space"] | {"dropout": 0}  # a study refuses a rate that nothing takes
    return parse(plain | parts)


def built(spec: StudySpec, regularization: Regularization) -> Any:
    facts = spec.dataset.facts
    return design(spec.model, facts.shape, facts.task, facts.classes, regularization).build()


class Two:
    """Two trials of a study with fixed hyperparameters, and what came of them."""

    def __init__(self, spec: StudySpec, jobs: Sequence[Job] = ()) -> None:
        self._jobs = list(jobs) or [Job(n, spec, spec.space.hyperparameters({}), n + 1) for n in range(2)]
        self.outcomes: list[Trained] = []

    def next(self, free: int) -> list[Job]:
        jobs, self._jobs = self._jobs[:free], self._jobs[free:]
        return jobs

    def epoch(self, _reports: Sequence[EpochReport], /) -> Set[int]:
        return set()

    def done(self, _job: Job, outcome: Trained | Exception, /) -> None:
        if isinstance(outcome, Exception):
            raise outcome
        self.outcomes.append(outcome)


@pytest.mark.parametrize("name", [name for name in OWN_MODELS if name not in COSTLY])
def test_each_is_trained_by_the_engine_it_gets(name: str, tmp_path: Path) -> None:
    import keras

    from studies.training.engines import Engines

    dataset, model, why = OWN_MODELS[name]
    spec = spec_of(dataset, model(), space=FIXED, training={"lanes": 2}, reproducible=True)
    data, engines = small(prepare(spec.dataset, 0, lookups=spec.lookups)), Engines(2, 0.5, None)
    choice = engines.choose(spec, [data])
    assert choice.engine == ("lanes" if why is None else "fit")
    assert why is None or choice.why.startswith(why)
    # As in a confirmation, whose parts are of several sizes: a loop over steps must bear that.
    tested = name == "lstm"
    trials = Two(spec, [Job(n, spec, spec.space.hyperparameters({}), n + 1, measures_test=tested) for n in range(2)])
    engines.make(replace(choice, xla=choice.xla and name == "branches"), spec)([data], trials)  # compiling takes long
    result = trials.outcomes[1].result
    assert len(result.detail["layers"]) == spec.model.regularized_layers
    trials.outcomes[1].save(tmp_path / "model.keras")
    saved = keras.models.load_model(tmp_path / "model.keras")
    penalized, loss = saved.evaluate(data.validation.x, data.validation.y, verbose=0)
    assert result.metrics["val_loss"] == pytest.approx(loss, abs=1e-5)
    assert result.metrics["val_penalized_loss"] == pytest.approx(penalized, abs=1e-5)
    assert penalized > loss
    if tested:
        _, loss = saved.evaluate(data.test().x, data.test().y, verbose=0)
        assert result.metrics["test_loss"] == pytest.approx(loss, abs=1e-5)


def _kept_out(keras: Any) -> dict[str, list[Any]]:
    layers, ops = keras.layers, keras.ops
    return {
        "mean of a batch": [layers.Flatten(), lambda x: x - ops.mean(x, axis=0, keepdims=True)],
        "softmax over a batch": [layers.Flatten(), lambda x: ops.softmax(x, axis=-2)],
        "rows turned": [layers.Flatten(), lambda x: ops.transpose(ops.softmax(ops.transpose(x)))],
        "layer over a batch": [layers.Flatten(), layers.Softmax(axis=0)],
        "batch norm wrapped": [layers.TimeDistributed(layers.BatchNormalization()), layers.Flatten()],
        "dropout in a backward layer": [
            layers.Bidirectional(
                layers.LSTM(2), backward_layer=layers.LSTM(2, go_backwards=True, recurrent_dropout=0.1)
            )
        ],
        "dilated": [layers.Conv1DTranspose(2, 2, dilation_rate=2), layers.Flatten()],
        "constraint": [layers.LSTM(2, recurrent_constraint="max_norm")],
    }


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("mean of a batch", "across the rows of a batch"),
        ("softmax over a batch", "across the rows of a batch"),
        ("rows turned", "across the rows of a batch"),
        ("layer over a batch", "across the rows of a batch"),
        ("batch norm wrapped", "normalises each step by itself"),
        ("dropout in a backward layer", "the recurrent_dropout inside a LSTM"),
        ("dilated", "no Conv1DTranspose with dilation"),
        ("constraint", "its constraint acts"),
    ],
)
def test_what_lanes_would_train_otherwise_is_left_to_fit(name: str, why: str) -> None:
    import keras
    from keras import layers

    x = given = keras.Input((8, 8, 1))
    for each in [layers.Reshape((8, 8)), *_kept_out(keras)[name], layers.Dense(10, activation="softmax")]:
        x = each(x)
    spec = spec_of(IMAGES, keras.Model(given, x))
    assert isinstance(spec.model, KerasSpec)
    obstacle = find_lane_obstacle(spec.model.graph)
    assert obstacle is not None
    assert why in obstacle


def test_images_that_are_rescaled_behind_their_augmentation_come_as_they_stand() -> None:
    import keras
    from keras import layers

    augment = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)], name="augment")
    x = layers.Rescaling(1 / 16)(augment(given := keras.Input((8, 8, 1))))
    spec = spec_of(IMAGES, keras.Model(given, layers.Dense(10, activation="softmax")(layers.Flatten()(x))))
    assert set(np.unique(prepare(spec.dataset, 0, lookups=spec.lookups).train.x)) == set(range(17))


@pytest.mark.parametrize("name", IN_LANES)
def test_a_lane_follows_keras_fit(name: str) -> None:
    dataset, model, _ = OWN_MODELS[name]
    l1_mode: L1Mode = "proximal" if name == "attention" else "penalty"
    spec = spec_of(dataset, model(), space={"l1_mode": l1_mode, "batch_size": BATCH})
    assert isinstance(spec.model, KerasSpec)
    assert find_lane_obstacle(spec.model.graph) is None
    elastic = Regularization.shared("elastic_net", 0.02, 0.4, 0.0)
    follows(spec, [replace(elastic, l1_mode=l1_mode)])


@pytest.mark.parametrize("name", OWN_MODELS)
def test_the_model_is_the_one_that_keras_would_build(name: str) -> None:
    dataset, model, _ = OWN_MODELS[name]
    original = model()
    spec = spec_of(dataset, original)
    # A model that lies in another has been laid into it, its name before those of its layers.
    rebuilt = built(spec, Regularization.shared("none", 0.0, 0.0, 0.0))
    assert type(rebuilt) is type(original)
    weights = {_path(variable): np.asarray(variable) for variable in original.weights}
    assert set(weights) == {_path(variable) for variable in rebuilt.weights}
    for variable in rebuilt.weights:
        variable.assign(weights[_path(variable)])
    rows = prepare(spec.dataset, 0, lookups=spec.lookups).train.x[:5]
    np.testing.assert_allclose(rebuilt.predict(rows, verbose=0), original.predict(rows, verbose=0), atol=1e-6)


def _path(variable: Any) -> str:
    path = re.sub(r"^sequential(_\d+)?/", "", variable.path.replace("left/", "left_"))
    return str(re.sub(r"/variable(_\d+)?$", "/variable", path))  # Keras names and numbers it, where a layer does not


def test_every_kernel_but_the_outputs_has_the_penalty_of_its_layer_and_no_other() -> None:
    spec = spec_of(IMAGES, attention(), space={"scope": "per_layer"})
    strengths = 0.1, 0.2, 0.3
    layers = tuple(LayerRegularization(Penalty("l2", strength), 0.0) for strength in strengths)
    model = built(spec, Regularization(layers, bias=Penalty("l1", 0.5)))
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    expected = 0.0
    for strength, name in zip(strengths, regularized(spec), strict=True):
        for variable in model.get_layer(name).trainable_variables:
            values = np.asarray(variable)
            expected += 0.5 * np.abs(values).sum() if variable.name == "bias" else strength * np.square(values).sum()
    assert float(sum(float(loss) for loss in model.losses)) == pytest.approx(float(expected), rel=1e-5)


def regularized(spec: StudySpec) -> tuple[str, ...]:
    assert isinstance(spec.model, KerasSpec)
    return spec.model.graph.regularized


def test_a_trial_without_a_regularizer_has_none_of_the_users_own() -> None:
    assert built(spec_of(BINARY, mlp()), Regularization.shared("none", 0.0, 0.0, 0.0)).losses == []


RATES = Regularization(tuple(LayerRegularization(Penalty(), rate) for rate in (0.1, 0.2, 0.3)))


def test_dropout_has_the_rate_of_the_layer_it_follows() -> None:
    model = built(spec_of(BINARY, mlp()), RATES)
    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == [0.1, 0.2]
    model = built(spec_of(IRIS, residual_mlp()), RATES)
    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == [0.2, 0.3]
    model = built(spec_of(IMAGES, lstm()), RATES)
    assert [model.layers[2].forward_layer.dropout, model.layers[3].rate] == [0.1, 0.1]


def test_dropout_is_inserted_behind_the_activation_of_hidden_layers_that_have_none() -> None:
    model = built(spec_of(IMAGES, cnn(), insert_dropout=True), RATES)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds[:5] == ["Conv2D", "BatchNormalization", "ReLU", "Dropout", "MaxPooling2D"]
    assert kinds[5:] == ["SpatialDropout2D", "Conv2D", "Dropout", "GlobalAveragePooling2D", "Dense"]
    model = built(spec_of(IRIS, residual_mlp(), insert_dropout=True), RATES)
    assert sum(type(layer).__name__ == "Dropout" for layer in model.layers) == 3  # one of them new
    assert spec_of(IRIS, residual_mlp()).model.regularized_layers == 3


@pytest.mark.parametrize("name", ["cnn with batch norm", "branches", "attention", "embeddings"])
def test_the_snippet_trains_the_trial_again(name: str) -> None:
    from studies.training.fit import train

    dataset, model, _ = OWN_MODELS[name]
    space = {**FIXED, "batch_size": 64, "activity_regularizer": "l2", "activity_lambda": 0.01}
    spec = spec_of(dataset, model(), space=space, insert_dropout=True, seed=7)
    data, hyperparameters = small(prepare(spec.dataset, 7, lookups=spec.lookups)), spec.space.hyperparameters({})
    result = train(Job(3, spec, hyperparameters, spec.training_seed(3)), data, lambda *_: True).result
    names: dict[str, Any] = {"x_train": data.train.x, "y_train": data.train.y}
    names |= {"x_val": data.validation.x, "y_val": data.validation.y}
    exec(snippet(spec, hyperparameters, 3), names)  # noqa: S102
    loss = names["model"].evaluate(data.validation.x, data.validation.y, verbose=0, return_dict=True)
    assert loss[names["model"].loss] == pytest.approx(result.metrics["val_loss"], abs=1e-4)


def test_a_spec_is_the_same_after_a_round_trip_and_can_be_hashed() -> None:
    spec = spec_of(IRIS, residual_mlp(), insert_dropout=True)
    again = StudySpec.model_validate(spec.model_dump(mode="json"))
    assert again == spec == StudySpec.model_validate_json(spec.model_dump_json())
    assert hash(again.model) == hash(spec.model)
    assert isinstance(spec.model_dump(mode="json")["model"]["config"], dict)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [("Dense", {"units": 5})],
            r"the output has the shape \(8, 8, 10\) a row and the multiclass task needs \(10,\)",
        ),
        ([("Reshape", {"target_shape": [3, 3]})], r"Keras cannot build the model: .*target_shape=\(3, 3\)$"),
    ],
)
def test_layers_that_do_not_fit_each_other_end_the_study_with_the_reason(layers: Any, message: str) -> None:
    from studies.training.engines import Engines

    middle = [layer(kind, f"layer{i}", **config) for i, (kind, config) in enumerate(layers)]
    output = layer("Dense", "out", units=10, activation="softmax")
    config = sequential(layer("InputLayer", "rows", batch_shape=[None, 8, 8, 1]), *middle, output)
    spec = parse({"dataset": IMAGES, "model": {"kind": "keras", "config": config}})
    with pytest.raises(EngineError, match=message):
        Engines(2, 0.5, None).choose(spec, [small(prepare(spec.dataset, 0))])


def test_the_code_of_a_model_has_names_of_its_own_for_every_layer() -> None:
    called_twice = {**called(layer("Dense", "a-b", units=4), "rows"), "inbound_nodes": [node("rows"), node("a_b")]}
    twice = node("a_b", "a-b")
    twice["args"][0][1]["config"]["keras_history"][1] = 1  # what the second call gives
    spoiled = functional(
        called_twice,
        called(layer("Dense", "a_b", units=4), "sum"),
        called(layer("Add", "sum"), "x_train", "a-b"),
        called(layer("Dense", "x_train", units=4), "rows"),
        {**layer("Add", "'); import os #"), "inbound_nodes": [twice]},
        called(layer("Dense", "out", units=3, activation="softmax"), "'); import os #"),
    )
    # As a study of an earlier version is read: a new one cannot have these names.
    spec = StudySpec.read({"dataset": IRIS, "model": {"kind": "keras", "config": spoiled}})
    code = snippet(
        spec, spec.space.hyperparameters(dict.fromkeys(spec.space.searched(), 0) | {"regularizer": "none"}), 0
    )
    assigned = re.findall(r"^(\w+) = ", code, re.MULTILINE)
    assert len(set(assigned)) == len(assigned) == 10
    assert not {"x_train", "keras"} & set(assigned)
    assert not re.search(r"^\s*import os", code, re.MULTILINE)
    compile(code, "snippet", "exec")


@pytest.mark.parametrize("name", ["weights", "balanced_accuracy_score", "y_deviation", "model"])
def test_a_layer_takes_no_name_of_the_code_around_the_model(name: str) -> None:
    config = functional(
        called(layer("Dense", name, units=4), "rows"),
        called(layer("Dense", "out", units=3, activation="softmax"), name),
    )
    spec = parse({"dataset": IRIS, "model": {"kind": "keras", "config": config}})
    code = snippet(
        spec, spec.space.hyperparameters(dict.fromkeys(spec.space.searched(), 0) | {"regularizer": "none"}), 0
    )
    assert f"\n{name}_ = keras.layers.Dense(" in code


@pytest.mark.parametrize("reproducible", [False, True])
def test_a_model_that_no_program_of_lanes_can_be_made_of_is_trained_by_fit(
    reproducible: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras
    import tensorflow as tf

    from studies.training.engines import Engines

    def in_python(_: Any, values: Any) -> Any:  # no layer that is taken does this yet
        return tf.ensure_shape(tf.py_function(lambda given: given, [values], values.dtype), values.shape)

    monkeypatch.setattr(keras.layers.UnitNormalization, "call", in_python)
    model = keras.Sequential([keras.Input((8,)), keras.layers.UnitNormalization(), keras.layers.Dense(1, "sigmoid")])
    spec = spec_of(BINARY, model, space=FIXED, training={"lanes": 2}, reproducible=reproducible)
    choice = Engines(2, 0.5, None).choose(spec, [prepare(spec.dataset, 0)])
    assert choice.engine == "fit"
    assert choice.why.startswith("a program of lanes cannot be made of this model: ")
    assert "EagerPyFunc" in choice.why


def test_stacked_bidirectional_layers_are_taken() -> None:
    import keras

    both = [keras.layers.LSTM(3, return_sequences=True), keras.layers.GRU(2)]
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Reshape((8, 8)),
            *map(keras.layers.Bidirectional, both),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    again = built(spec_of(IMAGES, model), Regularization.shared("none", 0.0, 0.0, 0.0))
    assert again.count_params() == model.count_params()
