"""What a study searches where no layer of its model takes a dropout rate, and what it says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pytest
from keras import layers

from studies.analysis import techniques
from studies.errors import InvalidSpecError
from studies.search.idle import warnings_of
from studies.spec.comparison import TECHNIQUES, ComparisonSpec
from studies.spec.space import SearchSpace
from studies.spec.study import StudySpec
from studies.study_file import parse
from tests.studies.documents import IRIS, Document

LINEAR: Document = {"kind": "mlp", "hidden_units": []}


def keras_model(*hidden: Any, **fields: Any) -> Document:
    model = keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(3, activation="softmax")])
    return {"kind": "keras", "config": model.to_json(), **fields}


def dense() -> Any:
    return layers.Dense(6, activation="relu")


def study(model: Document, space: Document | None = None, **parts: Any) -> StudySpec:
    return parse({"dataset": IRIS, "model": model, "space": space or {}, **parts})


def refused(model: Document, space: Document, **parts: Any) -> dict[str, str]:
    with pytest.raises(InvalidSpecError) as raised:
        study(model, space, **parts)
    return {error.field: error.message for error in raised.value.errors}


NOTHING_DROPS: dict[str, Callable[[], Document]] = {
    "a Keras model": lambda: keras_model(dense(), dense()),
    "one with dropout of 0 inside a layer": lambda: keras_model(
        layers.Reshape((4, 1)), layers.LSTM(3, dropout=0.0), dense()
    ),
    "a linear one in which none can be inserted": lambda: keras_model(insert_dropout=True),
    "an MLP without hidden layers": lambda: LINEAR,
}
DROPS: dict[str, Callable[[], Document]] = {
    "a Dropout layer": lambda: keras_model(dense(), layers.Dropout(0.0), dense()),
    "inserted ones": lambda: keras_model(dense(), dense(), insert_dropout=True),
    "dropout inside a layer": lambda: keras_model(layers.Reshape((4, 1)), layers.LSTM(3, dropout=0.1)),
    "dropout inside a wrapped layer": lambda: keras_model(
        layers.Reshape((4, 1)), layers.Bidirectional(layers.LSTM(3, dropout=0.1))
    ),
    "dropout before the only layer": lambda: keras_model(layers.Dropout(0.1)),
}


@pytest.mark.parametrize("name", NOTHING_DROPS)
@pytest.mark.parametrize("space", [{}, {"scope": "per_layer"}, SearchSpace().model_dump(mode="json")])
def test_dropout_is_0_where_nothing_drops_and_stays_so_when_the_spec_is_sent_again(name: str, space: Document) -> None:
    spec = study(NOTHING_DROPS[name](), space)
    assert not [parameter for parameter in spec.space.searched() if parameter.endswith("dropout")]
    params = spec.space.hyperparameters(dict.fromkeys(spec.space.searched(), 1) | {"regularizer": "l2"}).effective()
    assert {value for parameter, value in params.items() if parameter.endswith("dropout")} == {0.0}
    stored = spec.model_dump(mode="json")
    assert parse(stored) == spec == StudySpec.read(stored)


@pytest.mark.parametrize("name", DROPS)
def test_dropout_is_searched_where_a_layer_takes_the_rate(name: str) -> None:
    spec = study(DROPS[name]())
    assert spec.space.dropout == SearchSpace().dropout
    assert warnings_of(spec) == []
    assert "dropout" in (techniques.resolve(spec, ComparisonSpec()).techniques or ())


@pytest.mark.parametrize("name", NOTHING_DROPS)
@pytest.mark.parametrize("rate", [0.2, [0.0, 0.3], {"low": 0.1, "high": 0.4}])
def test_a_rate_that_nothing_takes_is_refused_with_what_would_take_it(name: str, rate: Any) -> None:
    wrong = refused(NOTHING_DROPS[name](), {"dropout": rate})
    assert list(wrong) == ["space.dropout"]
    assert wrong["space.dropout"].startswith("does nothing, for no layer of the model drops; ")
    assert ("set model.insert_dropout: true" in wrong["space.dropout"]) == (
        name in {"a Keras model", "one with dropout of 0 inside a layer"}
    )
    assert study(NOTHING_DROPS[name](), {"dropout": [0.0]}).space.dropout == 0.0


def test_with_rates_of_layers_only_those_are_searched_that_a_layer_takes() -> None:
    model = keras_model(dense(), dense(), layers.Dropout(0.1))
    spec = study(model, {"scope": "per_layer"})
    rates = [parameter for parameter in spec.space.searched() if parameter.endswith("dropout")]
    assert rates == ["layer2_dropout"]
    [warning] = warnings_of(spec)
    assert warning == ("space.layers.0.dropout: does nothing, for nothing drops after hidden layer 1 of the model")
    wrong = refused(model, {"scope": "per_layer", "layers": [{"dropout": 0.3}, {"dropout": 0.3}]})
    assert list(wrong) == ["space.layers.0.dropout"]


def test_the_technique_is_left_out_and_refused_with_the_reason_when_it_is_asked_for() -> None:
    model = keras_model(dense())
    spec = study(model)
    without = tuple(technique for technique in TECHNIQUES if technique != "dropout")
    assert techniques.resolve(spec, ComparisonSpec()).techniques == without
    assert techniques.search_spec(spec, ComparisonSpec(), "combined").space.dropout == 0.0
    with pytest.raises(InvalidSpecError) as raised:
        techniques.resolve(spec, ComparisonSpec(techniques=("none", "dropout")))
    [error] = raised.value.errors
    assert (error.field, error.message) == (
        "comparison.techniques.1",
        "the study's model excludes dropout: no layer of the model drops; leave the technique out or set "
        "model.insert_dropout: true, or give the model Dropout layers",
    )


def test_a_study_that_an_earlier_version_accepted_is_read_as_it_ran_and_compared_without_dropout() -> None:
    accepted = study(keras_model(dense())).model_dump(mode="json")
    spec = StudySpec.read({**accepted, "space": {"dropout": {"low": 0.0, "high": 0.4}}})
    assert "dropout" in spec.space.distributions()
    [warning] = warnings_of(spec)
    assert "space.dropout: is searched and does nothing" in warning
    assert "dropout" not in (techniques.resolve(spec, ComparisonSpec()).techniques or ())
    assert techniques.search_spec(spec, ComparisonSpec(), "combined").space.dropout == 0.0
