"""What is taken of a model's config, and how everything else is refused: without Keras, before anything is built."""

from __future__ import annotations

import copy
import inspect
import json
import subprocess
import sys
from contextlib import suppress
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studies import study_file
from studies.errors import InvalidSpecError
from studies.keras_config.arguments import REQUIRED, Argument, Nested
from studies.keras_config.catalog import (
    CONSTRAINTS,
    INITIALIZERS,
    LAYERS,
    OPERATIONS,
    REGULARIZERS,
)
from studies.keras_config.errors import ConfigError
from studies.keras_config.reading import canonicalize, read_graph
from studies.keras_config.values import ignored
from tests.studies.documents import IRIS, JSON, Document


def layer(kind: str, name: str, **config: Any) -> Document:
    return {"module": "keras.layers", "class_name": kind, "config": {"name": name, **config}, "registered_name": None}


INPUT: Document = layer("InputLayer", "rows", batch_shape=[None, 4])
HIDDEN: Document = layer("Dense", "hidden", units=5, activation="relu")
OUTPUT: Document = layer("Dense", "out", units=3, activation="softmax")


def sequential(*layers: Document) -> Document:
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "model", "layers": list(layers)}}


def called(entry: Document, *on: str, **kwargs: Any) -> Document:
    return {**entry, "name": entry["config"]["name"], "inbound_nodes": [node(*on, **kwargs)]}


def node(*on: str, **kwargs: Any) -> Document:
    tensors = [{"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}} for name in on]
    return {"args": tensors if len(on) == 1 else [tensors], "kwargs": kwargs}


def functional(*layers: Document, given: Any = None, output: Any = None) -> Document:
    ends = {"input_layers": given or ["rows", 0, 0], "output_layers": output or ["out", 0, 0]}
    return {"class_name": "Functional", "config": {"name": "model", "layers": [INPUT, *layers], **ends}}


def refusal(config: Any, **study: Any) -> str:
    with pytest.raises(InvalidSpecError) as refused:
        study_file.parse({"dataset": IRIS, "model": {"kind": "keras", "config": config}, **study})
    return str(refused.value)


def operation(kind: str, name: str, **config: Any) -> Document:
    return {**layer(kind, name, **config), "module": "keras.src.ops.nn"}


GOOD = sequential(INPUT, HIDDEN, OUTPUT)
DIABETES: Document = {"kind": "builtin", "name": "diabetes"}
TABLE: Document = {"kind": "synthetic", "name": "noisy_labels", "rows": 90, "features": 4, "informative": 3}


def test_a_config_is_taken_as_an_object_and_as_text() -> None:
    texts = [
        canonicalize(GOOD),
        canonicalize(json.dumps(GOOD)),
        canonicalize({**GOOD, "compile_config": {"loss": "anything"}}),
    ]
    assert len(set(texts)) == 1
    assert read_graph(texts[0]).regularized == ("hidden",)


def test_what_earlier_versions_of_keras_wrote_is_read_as_what_it_is_now() -> None:
    """Keras 3.3 called the initializer of every LSTM otherwise, and left some operations' names to the entry."""
    initializer = {"module": "keras.initializers", "class_name": "OrthogonalInitializer", "config": {"gain": 1.0}}
    steps = layer("Reshape", "steps", target_shape=[2, 2])
    lstm = layer("LSTM", "lstm", units=2, recurrent_initializer={**initializer, "registered_name": None})
    lstms = [
        read_graph(canonicalize(sequential(INPUT, steps, each, OUTPUT)))
        for each in (lstm, layer("LSTM", "lstm", units=2))
    ]
    assert lstms[0] == lstms[1]
    gelu = {**called(operation("Gelu", "gelu", approximate=False), "rows"), "config": {"approximate": False}}
    assert "gelu" in read_graph(canonicalize(functional(gelu, called(OUTPUT, "gelu")))).by_name


def nested(depth: int, calls: int) -> Document:
    """Models of one layer, an input, in each other, each called some times."""
    x = layer("InputLayer", "x", batch_shape=[None, 4])
    inner = [{**nested(depth - 1, calls), "inbound_nodes": [node("x")] * calls}] if depth else []
    ends = {"input_layers": ["x", 0, 0], "output_layers": ["m" if inner else "x", 0, 0]}
    return {"class_name": "Functional", "config": {"name": "m", "layers": [x, *inner], **ends}}


TWICE: Document = {**layer("Dense", "twice", units=4), "name": "twice"}
REFUSED = {
    "calls on more values than any model has": (
        functional(
            {**TWICE, "inbound_nodes": [node("rows", mask=[[0] * 6000] * 2)] * 2},
            called(OUTPUT, "twice"),
        ),
        "calls layers on more than 20000 tensors and numbers in all; take some out",
    ),
    "a nested model's own calls on as many": (
        functional(
            {**layer("Functional", "m"), **nested(0, 0), "inbound_nodes": [node("rows", mask=[[0] * 6000] * 4)]},
            called(OUTPUT, "m"),
        ),
        "calls layers on more than 20000 tensors and numbers in all; take some out",
    ),
    "models called without end": (nested(6, 100), "layers: lists more than 2000 layers, those of models within it for"),
    "lambda": (
        sequential(INPUT, HIDDEN, layer("Lambda", "lam", function={"class_name": "__lambda__"}), OUTPUT),
        "model.config: layers[2] 'lam': Lambda is not taken, for it runs code",
    ),
    "a program from a file": (
        sequential(INPUT, layer("TFSMLayer", "saved", filepath="x"), OUTPUT),
        "layers[1] 'saved': TFSMLayer is not taken, for it loads a program from a file",
    ),
    "custom object": (
        sequential(INPUT, {**HIDDEN, "registered_name": "mine>Dense", "module": "mine"}, OUTPUT),
        "layers[1] 'hidden': 'mine>Dense' is a custom object, which is not taken, for it would run code",
    ),
    "module that would be imported": (
        sequential(INPUT, {**HIDDEN, "module": "os"}, OUTPUT),
        "layers[1] 'hidden': 'os' is a custom object",
    ),
    "unknown layer": (
        sequential(INPUT, layer("Mystery", "m"), OUTPUT),
        "layers[1] 'm': Mystery is not a layer that is taken; choose from Dense",
    ),
    "unknown argument": (
        sequential(INPUT, layer("Dense", "hidden", units=3, lora_rank=4), OUTPUT),
        "layers[1] 'hidden': Dense has no argument 'lora_rank' that is taken",
    ),
    "unknown argument of an operation": (
        functional(called(operation("Elu", "act", more=1), "rows"), called(OUTPUT, "act")),
        "layers[1] 'act': Elu has no argument 'more' that is taken",
    ),
    "wrong argument of an operation": (
        functional(called(operation("Elu", "act", alpha="much"), "rows"), called(OUTPUT, "act")),
        "layers[1] 'act': alpha: 'much' is not a number",
    ),
    "unknown initializer argument": (
        sequential(
            INPUT,
            layer("Dense", "h", units=3, kernel_initializer={"class_name": "Zeros", "config": {"more": 1}}),
            OUTPUT,
        ),
        "layers[1] 'h': kernel_initializer: Zeros has no argument 'more' that is taken",
    ),
    "wrapped wrapper": (
        sequential(
            INPUT,
            layer("TimeDistributed", "outer", layer=layer("TimeDistributed", "inner", layer=HIDDEN)),
            OUTPUT,
        ),
        "a TimeDistributed cannot be wrapped",
    ),
    "missing argument": (sequential(INPUT, layer("Dense", "hidden"), OUTPUT), "layers[1] 'hidden': units is missing"),
    "wrong argument": (
        sequential(INPUT, layer("Dense", "hidden", units=True), OUTPUT),
        "layers[1] 'hidden': units: True is not a whole number from 1 to 65536",
    ),
    "code as an activation": (
        sequential(INPUT, layer("Dense", "hidden", units=3, activation={"class_name": "function"}), OUTPUT),
        "layers[1] 'hidden': activation: {'class_name': 'function'} is not one of Keras' activations",
    ),
    "code as an initializer": (
        sequential(
            INPUT,
            layer("Dense", "h", units=3, kernel_initializer={"class_name": "Popen", "module": "os", "config": {}}),
            OUTPUT,
        ),
        "layers[1] 'h': kernel_initializer: 'os' is a custom object",
    ),
    "custom regularizer": (
        sequential(INPUT, layer("Dense", "h", units=3, bias_regularizer={"class_name": "Mine", "config": {}}), OUTPUT),
        "layers[1] 'h': bias_regularizer: Mine is not taken; choose from L1, L1L2, L2, OrthogonalRegularizer",
    ),
    "resizing to more than is followed": (
        sequential(
            layer("InputLayer", "rows", batch_shape=[None, 4]),
            layer("Reshape", "image", target_shape=[2, 2, 1]),
            layer("Resizing", "large", height=65_536, width=65_536),
            layer("Rescaling", "scaled", scale=2.0),
            OUTPUT,
        ),
        "layers[3] 'scaled': gives more than 10,000,000 of a row's values; make it smaller",
    ),
    "words": (
        sequential(INPUT, layer("TextVectorization", "words", vocabulary=None), OUTPUT),
        "layers[1] 'words': TextVectorization is not taken, for a text is one index here, and not its words",
    ),
    "a vocabulary that is not given": (
        sequential(INPUT, layer("IntegerLookup", "codes", vocabulary=None), OUTPUT),
        "layers[1] 'codes': vocabulary: None is not a list of 1 to 10,000 whole numbers; give the .keras file",
    ),
    "half a normalization": (
        sequential(INPUT, layer("Normalization", "n", mean=[1.0] * 4), OUTPUT),
        "layers[1] 'n': needs mean and variance, both or none",
    ),
    "an activation with weights": (
        sequential(INPUT, layer("Dense", "h", units=3, activation=layer("PReLU", "p")), OUTPUT),
        "layers[1] 'h': activation: PReLU is not taken as an activation; choose from ELU, LeakyReLU, ReLU, Softmax",
    ),
    "noise of a size": (
        sequential(INPUT, layer("Dropout", "d", rate=0.1, noise_shape=[None, 3]), OUTPUT),
        "layers[1] 'd': noise_shape: [None, 3] is not a list of null, where each has noise of its own, and 1",
    ),
    "a model of Keras 2": (
        {
            **sequential({**INPUT, "config": {"name": "rows", "batch_input_shape": [None, 4]}}, layer("Lambda", "l")),
            "keras_version": "2.13.1",
        },
        "is a model of Keras 2.13.1, and not all of it can be read: layers[1] 'l': Lambda is not taken",
    ),
    "frozen layer": (
        sequential(INPUT, layer("Dense", "h", units=3, trainable=False), OUTPUT),
        "layers[1] 'h': is frozen (trainable: false), which is taken only with weights to start from",
    ),
    "half precision": (
        sequential(INPUT, layer("Dense", "h", units=3, dtype={"config": {"name": "mixed_float16"}}), OUTPUT),
        "layers[1] 'h': dtype 'mixed_float16' is not taken; models are trained in float32",
    ),
    "code in a nested model": (
        sequential(
            INPUT, {**layer("Sequential", "body"), "config": {"name": "body", "layers": [layer("Lambda", "l")]}}
        ),
        "layers[1] 'body' layers[0] 'l': Lambda is not taken",
    ),
    "subclassed model": (
        {"class_name": "Mine", "module": "mine", "config": {"layers": [HIDDEN]}, "registered_name": "mine>Mine"},
        "model.config: is a mine>Mine, which is not taken; give a Sequential or Functional model",
    ),
    "an input without a name in the model": (
        functional(layer("InputLayer", "more", batch_shape=[None, 2]), called(OUTPUT, "rows")),
        "layers[1] 'more': is an input that input_layers does not name",
    ),
    "two outputs": (
        functional(called(OUTPUT, "rows"), output=[["out", 0, 0], ["out", 0, 0]]),
        "the model has 2 outputs, 'out' and 'out', and a study trains one output by one loss",
    ),
    "a loop": (
        functional(called(HIDDEN, "b"), called(layer("Dense", "b", units=1), "hidden"), called(OUTPUT, "b")),
        "is called on 'b', which no layer gives before it",
    ),
    "an array in the graph": (
        functional(
            {**called(OUTPUT, "rows"), "inbound_nodes": [{"args": [{"class_name": "__numpy__", "config": {}}]}]}
        ),
        "layers[1] 'out': is called on a numpy, which is not taken; only tensors and numbers are",
    ),
    "always in training": (
        functional(called(OUTPUT, "rows", training=True)),
        "layers[1] 'out': is called with training, which is not taken; leave it out",
    ),
    "the same name twice": (sequential(INPUT, HIDDEN, HIDDEN, OUTPUT), "another layer has the same name"),
    "too many layers": (
        sequential(INPUT, *(layer("Dense", f"d{i}", units=2) for i in range(600)), OUTPUT),
        "has more than 500 layers",
    ),
    "Keras 2": (
        functional({**OUTPUT, "inbound_nodes": [[["rows", 0, 0, {}]]]}),
        "layers[1] 'out': inbound_nodes are not those of Keras 3",
    ),
    "nothing to regularize": (sequential(INPUT, layer("Softmax", "s")), "has no layer with a kernel"),
    "no JSON": ("{", "is not JSON; give what model.to_json() gives"),
    "too long": ('"' + "x" * 3_000_000 + '"', "at most 2000000 are taken"),
    "too deep": ("[" * 100_000, "is not JSON"),
    "other rows": (
        sequential(layer("InputLayer", "rows", batch_shape=[None, 28, 28, 1]), layer("Flatten", "f"), OUTPUT),
        "model.config: the input 'rows' takes rows of shape (28, 28, 1) and this dataset's rows are (4,); right is "
        "keras.Input((4,)), and reshape inside the model if it is to be another",
    ),
    "other columns": (
        sequential(layer("InputLayer", "rows", batch_shape=[None, 5]), OUTPUT),
        "takes rows of shape (5,) and this dataset's rows are (4,); right is keras.Input((4,))",
    ),
    "whole numbers": (
        sequential(layer("InputLayer", "rows", batch_shape=[None, 4], dtype="int32"), OUTPUT),
        "layers[0] 'rows': rows are dense arrays of float32",
    ),
    "other classes": (
        sequential(INPUT, layer("Dense", "out", units=4, activation="softmax")),
        "model.config: layers[1] 'out': the output of 4 units with softmax does not fit this dataset's multiclass task "
        "of 3 classes; right is Dense(3, activation='softmax')",
    ),
    "logits": (
        sequential(INPUT, layer("Dense", "out", units=3)),
        "the output of 3 units with linear does not fit this dataset's multiclass task of 3 classes",
    ),
    "no output layer": (
        sequential(INPUT, OUTPUT, layer("Dropout", "drop", rate=0.5)),
        "layers[2] 'drop': a Dropout is the output, and this dataset's multiclass task needs a Dense layer there",
    ),
    "an embedding of measurements": (
        sequential(INPUT, layer("Embedding", "e", input_dim=3, output_dim=2), layer("Flatten", "f"), OUTPUT),
        "layers[1] 'e': looks up whole numbers from 0, and this dataset's inputs are others; put a Discretization",
    ),
}


@pytest.mark.parametrize(("config", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_taken_is_refused_by_its_place(config: Any, message: str) -> None:
    found = refusal(config)
    assert message in found
    assert found.startswith("model.config")


@pytest.mark.parametrize(
    ("dataset", "right"),
    [
        (TABLE, "right is Dense(1, activation='sigmoid')"),
        ({"kind": "builtin", "name": "diabetes"}, "right is Dense(1)"),
    ],
)
def test_the_output_that_would_be_right_is_said(dataset: Document, right: str) -> None:
    features = 4 if dataset is TABLE else 10
    own = sequential(layer("InputLayer", "rows", batch_shape=[None, features]), OUTPUT)
    assert right in refusal(own, dataset=dataset)


def test_lanes_cannot_be_asked_for_a_model_that_they_do_not_hold() -> None:
    held = {"class_name": "MaxNorm", "config": {"max_value": 2}}
    own = sequential(INPUT, layer("Dense", "h", units=3, kernel_constraint=held), OUTPUT)
    assert "layers[1] 'h': its constraint" in refusal(own, training={"engine": "lanes"})


def test_an_activation_behind_the_output_counts_as_its_own() -> None:
    own = sequential(INPUT, layer("Dense", "out", units=3), layer("Activation", "a", activation="softmax"))
    assert study_file.parse({"dataset": IRIS, "model": {"kind": "keras", "config": own}}).model.regularized_layers == 1
    twice = sequential(INPUT, OUTPUT, layer("Softmax", "again"))
    assert "3 units with softmax then softmax" in refusal(twice)


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(found for key, inner in items for found in places(inner, (*place, key)))]


RESIDUAL = functional(
    called(HIDDEN, "rows"),
    called({**layer("Add", "plus"), "module": "keras.src.ops.numpy", "registered_name": "Add"}, "hidden", "rows"),
    called(sequential(INPUT, HIDDEN) | {"config": {"name": "inner", "layers": [INPUT, HIDDEN]}}, "plus"),
    called(layer("Conv1D", "c", filters=2, kernel_size=[2], kernel_constraint=None), "inner"),
    called(OUTPUT, "c"),
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([GOOD, RESIDUAL]), JSON, st.data())
def test_a_config_with_one_spoiled_place_is_taken_or_refused(config: Document, spoil: Any, data: st.DataObject) -> None:
    config = copy.deepcopy(config)
    *before, last = data.draw(st.sampled_from([place for place in places(config) if place]))
    at: Any = config
    for key in before:
        at = at[key]
    if data.draw(st.booleans()):
        at[last] = spoil
    else:
        del at[last]
    with suppress(ConfigError):
        text = canonicalize(config)
        assert canonicalize(text) == text


@settings(max_examples=200)
@given(JSON)
def test_any_json_is_a_config_or_refused(config: Any) -> None:
    with pytest.raises(ConfigError):
        canonicalize(config)


def test_a_model_is_checked_without_loading_keras() -> None:
    code = (
        "import sys, json; from studies.study_file import parse; "
        "parse({'dataset': {'kind': 'builtin', 'name': 'iris'}, 'model': {'kind': 'keras', 'config': sys.argv[1]}}); "
        "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, json.dumps(GOOD)], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", LAYERS)
def test_the_catalog_says_of_a_layer_what_keras_does(kind: str) -> None:
    import keras

    owner = attrgetter(LAYERS[kind].module.removeprefix("keras."))(keras)
    known = inspect.signature(getattr(owner, kind).__init__).parameters
    for name, argument in LAYERS[kind].arguments.items():
        if name in _WRITTEN_ONLY or argument.check is ignored:
            continue
        assert name in known
        _check_default(argument, known[name].default)


#: What get_config() writes and no constructor takes by this name.
_WRITTEN_ONLY = {"rms_scaling", "zero_output_for_mask"}


def _check_default(argument: Argument, default: Any) -> None:
    import keras

    if default is inspect.Parameter.empty:
        assert argument.default is REQUIRED or argument.default in {
            (2,),
            (2, 2),
        }  # wherever there is one, it is written
    elif argument.check is Nested.INITIALIZER:
        assert type(keras.initializers.get(default)).__name__ == argument.default
    elif argument.default is not REQUIRED:
        assert argument.default in (default, (default,)) or (argument.default, default) == ("linear", None)


@pytest.mark.slow
def test_what_else_the_catalog_names_is_in_keras() -> None:
    import keras

    for family, names in (("initializers", INITIALIZERS), ("constraints", CONSTRAINTS), ("regularizers", REGULARIZERS)):
        assert all(hasattr(getattr(keras, family), name) for name in names)
    assert all(hasattr(keras.ops, function) for function, _ in OPERATIONS.values() if function != "getitem")
