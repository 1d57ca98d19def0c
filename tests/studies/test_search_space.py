"""The search space: its three forms, what Optuna gets, and the way from params to hyperparameters and back."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import ValidationError

from studies.errors import InvalidSpecError
from studies.hyperparameters import Hyperparameters
from studies.regularization import REGULARIZERS, Regularization, Regularizer
from studies.search.mirror import Mirror
from studies.spec.space import SearchSpace
from tests.studies.documents import SPACES, Document, study


@given(SPACES)
def test_a_space_survives_the_way_through_json(document: Document) -> None:
    space = SearchSpace.model_validate(document)
    assert SearchSpace.model_validate(json.loads(space.model_dump_json())) == space
    assert SearchSpace.model_validate_json(space.model_dump_json()) == space


@given(SPACES)
def test_optuna_gets_exactly_what_the_document_says(document: Document) -> None:
    found = SearchSpace.model_validate(document).distributions()
    kinds = document.get("regularizer", REGULARIZERS)
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    for name, form in document.items():
        if (name == "l1_ratio" and "elastic_net" not in kinds) or (name == "lambda" and kinds == {"none"}):
            assert name not in found
            continue
        match form:
            case {"low": low, "high": high, "log": log}:
                kind = IntDistribution if name in {"patience", "batch_size"} else FloatDistribution
                assert found[name] == kind(low, high, log=log)
            case list():
                assert found[name] == CategoricalDistribution(form)
            case _:
                assert name not in found


def test_the_default_space_searches_the_four_kinds_their_strength_dropout_and_patience() -> None:
    assert SearchSpace().distributions() == {
        "regularizer": CategoricalDistribution(REGULARIZERS),
        "lambda": FloatDistribution(1e-6, 0.1, log=True),
        "l1_ratio": FloatDistribution(0.1, 0.9),
        "dropout": FloatDistribution(0.0, 0.5),
        "patience": IntDistribution(5, 20),
    }
    off = {"bias_regularizer": "none", "bias_lambda": 0.0, "activity_regularizer": "none", "activity_lambda": 0.0}
    assert SearchSpace().fixed() == {"learning_rate": 1e-3, "batch_size": 32} | off


def test_a_grid_over_kinds_without_elastic_net_spends_no_points_on_its_ratio() -> None:
    space = SearchSpace.model_validate({"regularizer": ["l1", "l2"], "lambda": [0.001, 0.01]})
    assert set(space.distributions()) == {"regularizer", "lambda", "dropout", "patience"}
    assert space.hyperparameters({"regularizer": "l1", "lambda": 0.01, "dropout": 0.1, "patience": 3})


@pytest.mark.parametrize(
    ("space", "size"),
    [
        ({"regularizer": list(REGULARIZERS), "lambda": [0.1, 0.2], "l1_ratio": [0.2, 0.8]}, 1 + 2 + 2 + 4),
        ({"regularizer": ["l1", "elastic_net"], "lambda": [0.0, 0.2], "l1_ratio": [0.2, 0.8]}, 1 + 1 + 2),
        ({"regularizer": "elastic_net", "lambda": 0.0, "l1_ratio": [0.2, 0.8]}, 1),
        ({"scope": "per_layer", "regularizer": ["none", "l2"], "lambda": [0.1, 0.2]}, 3 * 3),
        ({"regularizer": "none", "bias_regularizer": ["none", "l1"], "bias_lambda": [0.1, 0.2]}, 3),
        ({"regularizer": list(REGULARIZERS), "lambda": [0.1, 0.2], "l1_ratio": 0.5, "patience": [1, None]}, 7 * 2),
    ],
)
@pytest.mark.parametrize("sampler", ["grid", "brute_force"])
def test_no_two_points_of_a_finite_space_train_alike(space: Document, size: int, sampler: str) -> None:
    parts = {"space": {"dropout": 0.1, "patience": 3} | space, "sampler": sampler}
    mirror = Mirror(study(**parts, budget={"trials": size}), [])
    asked = [mirror.ask().params for _ in range(size)]
    effects = {
        repr([layer.kernel if layer.kernel.lambda_ and layer.kernel.kind != "none" else None for layer in reg.layers])
        + repr((reg.bias if reg.bias.kind != "none" else None, hyper.patience))
        for hyper in map(study(**parts, budget={"trials": size}).space.hyperparameters, asked)
        for reg in [hyper.regularization]
    }
    assert len(effects) == size
    with pytest.raises(InvalidSpecError, match=f"has {size} distinct points; ask for at most {size} trials"):
        study(**parts, budget={"trials": size + 1})


def test_a_space_with_no_end_of_points_is_not_written_out() -> None:
    layers = {"scope": "per_layer"}
    spec = study(model={"kind": "mlp", "hidden_units": [4] * 12}, space=layers, sampler={"name": "grid", "points": 900})
    first = Mirror(spec, []).ask().params
    assert first == Mirror(spec, []).ask().params
    assert first.keys() == spec.space.distributions().keys()


def test_lambda_may_be_written_with_the_underscore_of_python() -> None:
    assert SearchSpace.model_validate({"lambda_": 0.5}) == SearchSpace.model_validate({"lambda": 0.5})


def test_json_names_the_strength_lambda() -> None:
    assert json.loads(SearchSpace.model_validate({"lambda": 0.5}).model_dump_json())["lambda"] == 0.5


def test_a_list_of_one_choice_is_still_asked_of_the_sampler() -> None:
    assert SearchSpace.model_validate({"dropout": [0.2]}).distributions()["dropout"] == CategoricalDistribution([0.2])


def test_a_range_of_one_value_is_allowed() -> None:
    found = SearchSpace.model_validate({"lambda": {"low": 0.1, "high": 0.1}}).distributions()
    assert found["lambda"] == FloatDistribution(0.1, 0.1)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("lambda", -0.1),
        ("lambda", math.inf),
        ("lambda", math.nan),
        ("lambda", {"low": 0.2, "high": 0.1}),
        ("lambda", {"low": 0, "high": 0.1, "log": True}),
        ("lambda", []),
        ("l1_ratio", 1.1),
        ("l1_ratio", {"low": 0.5, "high": 2}),
        ("dropout", 1.0),
        ("dropout", [0.5, 1.0]),
        ("patience", 0),
        ("patience", 2.0),
        ("patience", {"low": 0, "high": 5}),
        ("patience", True),
        ("learning_rate", 0.0),
        ("learning_rate", {"low": 0, "high": 1}),
        ("batch_size", 0),
        ("batch_size", 32.5),
        ("regularizer", "l3"),
        ("regularizer", []),
        ("regularizer", {"low": "l1", "high": "l2"}),
        ("patience", [3, 3]),
    ],
)
def test_what_is_outside_a_parameters_meaning_is_refused(name: str, form: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        SearchSpace.model_validate({name: form})


def test_a_space_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        SearchSpace().dropout = 0.1  # type: ignore[misc]  # which is the point


HYPERPARAMETERS = st.builds(
    Hyperparameters,
    regularization=st.builds(
        Regularization.shared,
        kind=st.sampled_from(REGULARIZERS),
        lambda_=st.floats(0, 10),
        l1_ratio=st.floats(0, 1),
        dropout=st.floats(0, 0.9),
    ),
    patience=st.integers(1, 100),
    learning_rate=st.floats(1e-6, 1),
    batch_size=st.integers(1, 512),
)


@given(HYPERPARAMETERS)
def test_effective_values_give_the_same_training_when_read_back(hyper: Hyperparameters) -> None:
    back = Hyperparameters.from_effective(hyper.effective(), "proximal")
    assert back.effective() == hyper.effective()
    (ours,), (theirs,) = back.regularization.layers, hyper.regularization.layers
    assert (ours.kernel.l1, ours.kernel.l2) == (theirs.kernel.l1, theirs.kernel.l2)
    assert (ours.kernel.kind, ours.dropout) == (theirs.kernel.kind, theirs.dropout)
    assert (back.patience, back.learning_rate, back.batch_size) == (
        hyper.patience,
        hyper.learning_rate,
        hyper.batch_size,
    )


@pytest.mark.parametrize(
    ("kind", "strength", "ratio"),
    [("none", None, None), ("l1", 0.1, None), ("l2", 0.1, None), ("elastic_net", 0.1, 0.3)],
)
def test_a_value_without_effect_is_null(kind: Regularizer, strength: float | None, ratio: float | None) -> None:
    space = SearchSpace.model_validate({"regularizer": [kind], "lambda": 0.1, "l1_ratio": 0.3, "dropout": [0.2]})
    assert space.hyperparameters({"regularizer": kind, "dropout": 0.2, "patience": 7}).effective() == {
        "regularizer": kind,
        "lambda": strength,
        "l1_ratio": ratio,
        "dropout": 0.2,
        "patience": 7,
        "learning_rate": 1e-3,
        "batch_size": 32,
    }


def test_what_the_sampler_suggests_joins_what_is_fixed() -> None:
    space = SearchSpace.model_validate({"regularizer": "l2", "lambda": 1, "l1_ratio": 0, "dropout": 0, "batch_size": 8})
    hyper = space.hyperparameters({"patience": 9})
    assert hyper == Hyperparameters(
        Regularization.shared("l2", 1.0, 0.0, 0.0), patience=9, learning_rate=1e-3, batch_size=8
    )
