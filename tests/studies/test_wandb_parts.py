"""Each part of a W&B sweep is taken as it is meant, or refused with its name and its reason."""

from __future__ import annotations

import re
from math import exp
from pathlib import Path
from typing import Any

import pytest

from studies.errors import InvalidImportError
from studies.imports.distribution_error import DistributionError
from studies.imports.imported import Choices
from studies.imports.wandb_distributions import read_values
from studies.imports.wandb_sweep import import_sweep, read_sweep
from tests.studies.wandb_sweeps import CANCER, SMALL, refused

#: A parameter of W&B, and its values here or a word of the reason against it. The bounds of the exponents are those
#: that W&B's own `sweeps` 0.3.0 draws between (params.py), and its inverse distributions are log-uniform as well.
DISTRIBUTIONS: list[tuple[dict[str, Any], Any]] = [
    ({"value": 3}, 3),
    ({"values": [1, "a", None]}, (1, "a", None)),
    ({"distribution": "categorical", "values": [1, 2]}, (1, 2)),
    ({"values": [1, 2], "probabilities": [0.5, 0.5]}, (1, 2)),
    ({"values": [1, 2], "probabilities": [0.9, 0.1]}, "drawn more often"),
    ({"min": 1, "max": 4}, {"low": 1, "high": 4, "log": False}),
    ({"min": 0.0, "max": 1}, {"low": 0.0, "high": 1.0, "log": False}),
    ({"distribution": "uniform", "min": 0, "max": 1}, {"low": 0.0, "high": 1.0, "log": False}),
    ({"distribution": "int_uniform", "min": 0.5, "max": 2}, "not whole"),
    ({"distribution": "q_uniform", "min": 16, "max": 64, "q": 16}, (16, 32, 48, 64)),
    ({"distribution": "q_uniform", "min": 0.1, "max": 0.3, "q": 0.1}, (0.1, 0.2, 0.3)),
    ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 1e-6}, "steps"),
    ({"distribution": "log_uniform", "min": -2, "max": 0}, {"low": exp(-2), "high": 1.0, "log": True}),
    ({"distribution": "log_uniform", "min": 1e-5, "max": 0.1}, "exponents of e"),
    ({"distribution": "log_uniform", "min": -5, "max": 1e9}, "is no number"),
    ({"distribution": "inv_log_uniform", "min": 0, "max": 2}, {"low": exp(-2), "high": 1.0, "log": True}),
    ({"distribution": "log_uniform_values", "min": 1, "max": 8}, {"low": 1, "high": 8, "log": True}),
    ({"distribution": "inv_log_uniform_values", "min": 0.1, "max": 1.0}, {"low": 0.1, "high": 1.0, "log": True}),
    ({"distribution": "log_uniform_values", "min": 0, "max": 1}, "above 0"),
    ({"distribution": "q_log_uniform_values", "min": 1, "max": 8, "q": 2}, "steps of 2"),
    ({"distribution": "q_log_uniform", "min": -1, "max": 0, "q": 0.1}, "steps of 0.1"),
    ({"distribution": "normal", "mu": 0, "sigma": 1}, "no bounds"),
    ({"distribution": "q_log_normal"}, "no bounds"),
    ({"distribution": "beta", "a": 1, "b": 2}, "beta is none"),
    ({"distribution": "triangle", "min": 0, "max": 1}, "does not have"),
    ({"distribution": "uniform", "min": 0, "max": "1"}, "`max` is no number"),
    ({"distribution": "uniform", "min": 2, "max": 1}, "above its max"),
    ({"distribution": ["uniform"]}, "is no name"),
    ({"value": {"a": 1}}, "below `parameters:`"),
    ({"values": 5}, "are no list"),
    ({"min": 1}, "has no values"),
    ({}, "has no values"),
]


@pytest.mark.parametrize(("parameter", "expected"), DISTRIBUTIONS, ids=str)
def test_a_distribution_is_ours_or_is_refused_with_its_reason(parameter: dict[str, Any], expected: Any) -> None:
    if not isinstance(expected, str):
        assert read_values(parameter) == expected
        return
    with pytest.raises(DistributionError, match=re.escape(expected)):
        read_values(parameter)


@pytest.mark.parametrize(
    ("early", "first", "factor"),
    [
        ({"min_iter": 3}, 3, 3),
        ({"min_iter": 4, "eta": 2}, 4, 2),
        ({"max_iter": 27, "s": 2}, 3, 3),  # bands at 9 and 3
        ({"max_iter": 10, "s": 3, "eta": 2}, 1, 2),  # bands at 5, 2 and 1
        ({"max_iter": 19, "s": 9}, 2, 3),  # bands at 6 and 2
    ],
)
def test_early_termination_begins_where_wandb_begins_it(early: dict[str, Any], first: int, factor: int) -> None:
    document = SMALL | {"early_terminate": {"type": "hyperband", **early}}
    pruner = import_sweep(document, CANCER).study["pruner"]
    assert (pruner["min_resource"], pruner["reduction_factor"]) == (first, factor)


@pytest.mark.parametrize(
    ("early", "unread"),
    [
        ({"min_iter": 3, "s": 2}, {"early_terminate.s"}),
        ({"min_iter": 3, "max_iter": 27, "s": 2}, {"early_terminate.min_iter"}),
        ({"max_iter": 27, "s": 2}, set()),
        ({"min_iter": 3}, set()),
    ],
)
def test_an_option_of_early_termination_that_wandb_does_not_read_is_told(
    early: dict[str, Any], unread: set[str]
) -> None:
    made = import_sweep(SMALL | {"early_terminate": {"type": "hyperband", **early}}, CANCER)
    assert {note.name for note in made.notes if note.name.startswith("early_terminate.")} == unread


@pytest.mark.parametrize(
    ("parameters", "offered"),
    [
        ({"optimizer": {"values": ["lamb", "sgd", "Adam"]}}, "--fix optimizer=Adam"),
        ({"optimizer": {"values": ["rmsprop", "sgd"]}}, "--fix optimizer=sgd"),
        ({"opt_kind": {"values": ["lamb", "adamw"]}}, "--map opt_kind=optimizer --fix opt_kind=adamw"),
        ({"activation": {"values": ["mish", "tanh", "ReLU"]}}, "--fix activation=ReLU"),
        ({"epochs": {"values": [5, 30, 10]}}, "--fix epochs=30"),
        ({"hidden_units": {"min": 16, "max": 256}}, "--fix hidden_units=256"),
        ({"optimizer": {"value": "sgd"}, "momentum": {"min": 0.5, "max": 0.9}}, "--fix momentum=0.7"),
        ({"epsilon": {"distribution": "log_uniform_values", "min": 1e-9, "max": 1e-5}}, "--fix epsilon=1e-07"),
    ],
)
def test_a_refusal_offers_the_value_that_a_study_most_likely_has(parameters: dict[str, Any], offered: str) -> None:
    with pytest.raises(InvalidImportError) as refusal:
        import_sweep(SMALL | {"parameters": parameters}, CANCER)
    assert " ".join(refusal.value.options) == offered


@pytest.mark.parametrize(
    ("parameters", "name", "message"),
    [
        ({"reg": {"value": 0.1}}, "reg", "nothing says of which"),
        ({"reg": {"values": [0.1, 1]}, "l2": {"value": 0.1}}, "l2", "one strength"),
        ({"dropout": {"value": 0.1}, "drop_rate": {"value": 0.1}}, "drop_rate", "as dropout does"),
        ({"dropout": {"min": 0.5, "max": 1.5}}, "dropout", "space.dropout"),
        ({"keep_prob": {"value": 0.9}}, "keep_prob", "1 minus"),
        ({"optimizer": {"value": "lion"}}, "optimizer", "adam, adamw, sgd, rmsprop"),
        ({"momentum": {"value": 0.9}}, "momentum", "the optimizer is adam"),
        ({"epochs": {"value": 0}}, "epochs", "budget.epochs"),
        ({"model": {"parameters": {"heads": {"value": 4}}}}, "model.heads", "no hyperparameter here"),
    ],
)
def test_a_refusal_names_what_and_why(parameters: dict[str, Any], name: str, message: str) -> None:
    assert message in refused(SMALL | {"parameters": parameters})[name]


def test_rates_of_layers_are_per_layer() -> None:
    rates = {"dropout_2": {"min": 0.2, "max": 0.5}, "dropout_1": {"values": [0.1, 0.2]}, "l2": {"value": 0.01}}
    layered = {"layer_1": {"value": 32}, "layer_2": {"value": 16}}
    space = import_sweep(SMALL | {"parameters": rates | layered}, CANCER).study["space"]
    assert space["scope"] == "per_layer"
    assert space["layers"] == [{"dropout": [0.1, 0.2]}, {"dropout": {"low": 0.2, "high": 0.5}}]
    searched = import_sweep(SMALL | {"parameters": rates | layered | {"l2": {"values": [0.01, 0.1]}}}, CANCER)
    assert any("a value of its own" in note.reason for note in searched.notes if note.name == "lambda")
    assert refused(SMALL | {"parameters": rates | {"layer_1": {"value": 32}}}).keys() == {"dropout_2"}
    one = Choices(frozenset({"dropout_2"}), {"dropout_1": "dropout"})
    assert import_sweep(SMALL | {"parameters": rates}, CANCER, one).study["space"]["dropout"] == [0.1, 0.2]


def test_a_command_fixes_hyperparameters_with_hyphens_and_without_unless_they_are_searched() -> None:
    command = ["${env}", "python", "--dropout=0.9", "--lr", "0.02", "epochs=7", "--config", "base.yaml", "model=rnn"]
    errors = refused(SMALL | {"command": command})
    assert errors.keys() == {"model"}
    made = import_sweep(SMALL | {"command": command}, CANCER, Choices(frozenset({"model"}))).study
    assert made["space"]["learning_rate"] == 0.02
    assert made["space"]["dropout"] == [0.1, 0.2]
    assert made["budget"]["epochs"] == 7


def test_a_switch_that_is_off_is_told() -> None:
    made = import_sweep(SMALL | {"parameters": {"amsgrad": {"value": False}, "device": {"value": "cuda"}}}, CANCER)
    assert {"amsgrad", "device"} <= {each.name for each in made.notes}


@pytest.mark.parametrize(
    ("fields", "name", "message"),
    [
        ({"run_cap": []}, "run_cap", "no whole number"),
        ({"run_cap": 0, "method": "grid"}, "run_cap", "no whole number"),
        ({"method": "custom"}, "method", "write random, grid or bayes"),
        ({"method": None}, "method", "is missing"),
        ({"early_terminate": {"type": "median"}}, "early_terminate.type", "hyperband"),
        ({"early_terminate": {"type": "hyperband"}}, "early_terminate", "neither min_iter nor max_iter"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 3, "eta": 1}}, "early_terminate.eta", "at least 2"),
        (
            {"early_terminate": {"type": "hyperband", "min_iter": 3, "strict": False}},
            "early_terminate.strict",
            "judges by the value at the epoch",
        ),
        ({"metrics": []}, "metrics", "no field of a sweep"),
        ({"parameters": None}, "parameters", "are missing"),
        ({"method": "grid", "parameters": {"dropout": {"min": 0.1, "max": 0.2}}}, "dropout", "--leave-out method"),
        (
            {"method": "grid", "parameters": {"patience": {"min": 1, "max": 10**9}}},
            "patience",
            "has 1,000,000,000 values",
        ),
    ],
)
def test_a_field_without_a_meaning_is_refused(fields: dict[str, Any], name: str, message: str) -> None:
    assert message in refused(SMALL | fields)[name]


def test_two_fixed_strengths_are_elastic_net() -> None:
    space = import_sweep(SMALL | {"parameters": {"l1": {"value": 0.01}, "l2": {"value": 0.03}}}, CANCER).study["space"]
    assert (space["regularizer"], space["lambda"], space["l1_ratio"]) == ("elastic_net", 0.04, 0.25)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ({"name": "loss"}, "--map loss=val_loss"),
        ({"name": "test_acc", "goal": "maximize"}, "--map test_acc=val_accuracy"),
        ({"name": "val_f1", "goal": "maximize"}, "none of the metrics"),
        ({"name": "val_loss", "target": 0.1}, "budget.timeout_seconds"),
        ({"goal": "minimize"}, "has no name"),
        ("val_loss", "has no name"),
    ],
)
def test_a_metric_without_a_meaning_is_refused(metric: Any, message: str) -> None:
    assert message in " ".join(refused(SMALL | {"metric": metric}).values())


def test_a_sweep_whose_aliases_grow_without_end_is_refused(tmp_path: Path) -> None:
    layers = ["a0: &a0 {x: {value: 1}}", *(_doubled(depth) for depth in range(1, 40)), "parameters: *a39"]
    (tmp_path / "sweep.yaml").write_text("\n".join(["method: random", *layers]))
    assert "more than 200,000 values" in " ".join(refused(read_sweep(tmp_path / "sweep.yaml")).values())


def _doubled(depth: int) -> str:
    inner = f"{{parameters: *a{depth - 1}}}"
    return f"a{depth}: &a{depth} {{x: {inner}, y: {inner}}}"


def test_choices_about_nothing_are_refused() -> None:
    choices = Choices(frozenset({"mixup"}), {"dropout": "droppout"}, {"lr": 1})
    assert refused(SMALL, choices).keys() == {"--leave-out mixup", "--map dropout=droppout", "--fix lr"}
