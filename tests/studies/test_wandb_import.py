"""W&B's sweeps become studies that train, or are refused by name; ten files as people write them, and any YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies import study_file
from studies.datasets.preprocessing import prepare_folds
from studies.errors import InvalidSpecError
from studies.imports.imported import NO_CHOICES, Choices, Imported
from studies.imports.wandb_distributions import DistributionError, read_values
from studies.imports.wandb_sweep import import_sweep, read_sweep
from studies.sweep.loop import sweep
from studies.training.engines import EngineChoice
from tests.studies.documents import JSON
from tests.studies.engines import shared_engines
from tests.studies.ledger import MemoryLedger

SWEEPS = Path(__file__).parent / "imports" / "wandb"
DIABETES, CANCER, IRIS = ({"kind": "builtin", "name": name} for name in ("diabetes", "breast_cancer", "iris"))


@dataclass(frozen=True)
class Case:
    """What of a sweep is refused, what a user says then, and what becomes of it."""

    refused: set[str]
    expected: dict[str, Any]  # of the study, by path
    choices: Choices = NO_CHOICES
    dataset: Mapping[str, Any] = field(default_factory=lambda: CANCER)


CASES = {
    "first_sweep": Case(
        {"optimizer"},
        {
            "name": "first-sweep",
            "space.learning_rate": {"low": 0.0001, "high": 0.1},
            "space.batch_size": [16, 32, 64],
            "space.regularizer": "none",
            "space.patience": None,
            "sampler.name": "tpe",
            "training.optimizer.name": "sgd",
            "budget.trials": 6,
        },
        Choices(values={"optimizer": "sgd"}),
    ),
    "keras_dropout": Case(
        set(),
        {
            "space.dropout": [0.15, 0.2, 0.25, 0.3, 0.4],
            "space.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
            "model": {"kind": "mlp", "activation": "relu", "hidden_units": [96]},
            "objectives": ["val_accuracy"],
            "pruner.name": "successive_halving",
            "pruner.min_resource": 3,
            "pruner.reduction_factor": 3,
            "budget": {"epochs": 27, "trials": 50},
        },
    ),
    "course_network": Case(
        {
            "epochs", "hidden_layers_count", "hidden_layer_size", "weight_decay", "optimizer", "weight_init",
            "activation", "loss",
        },
        {
            "space.lambda": [0, 0.00025, 0.025],
            "space.regularizer": "l2",
            "model": {"kind": "mlp", "activation": "relu", "hidden_units": [32, 32, 32]},
            "budget.epochs": 5,
        },
        Choices(
            frozenset({"weight_init", "loss"}),
            {"weight_decay": "l2/2"},
            {
                "epochs": 5, "hidden_layers_count": 3, "hidden_layer_size": 32, "optimizer": "adam",
                "activation": "relu",
            },
        ),
    ),
    "tabular_grid": Case(
        set(),
        {
            "space.dropout": [0.0, 0.25, 0.5],
            "space.lambda": [0, 1e-4, 1e-3],
            "sampler.name": "grid",
            "model.hidden_units": [48, 24],
            "budget": {"epochs": 12, "trials": 9},
            "seed": 7,
        },
    ),
    "torch_exponents": Case(
        {"batch_size.q", "weight_decay"},
        {
            "space.learning_rate": {"low": pytest.approx(exp(-9.21)), "high": pytest.approx(exp(-2.3)), "log": True},
            "space.lambda": {"low": pytest.approx(exp(-13.8) / 2), "high": pytest.approx(exp(-4.6) / 2), "log": True},
            "space.batch_size": {"low": 32, "high": 256, "log": True},
            "space.dropout": {"low": 0.0, "high": 0.6},
            "pruner.min_resource": 3,
            "budget": {"epochs": 27, "trials": 8},
        },
        Choices(frozenset({"batch_size.q"}), {"weight_decay": "l2/2"}),
    ),
    "nested_config": Case(
        {"training.clip_grad_norm"},
        {
            "space.dropout": {"low": 0.0, "high": 0.5},
            "space.patience": {"low": 3, "high": 8},
            "model": {"kind": "mlp", "batch_norm": True, "hidden_units": [64, 64]},
            "training.optimizer": {"name": "adamw", "weight_decay": 0.01},
        },
        Choices(frozenset({"training.clip_grad_norm"})),
    ),
    "command_flags": Case(
        {"last_layers_to_train"},
        {
            "space.regularizer": "l1",
            "space.lambda": {"low": 1e-5, "high": 0.01, "log": True},
            "space.batch_size": 64,
            "budget.epochs": 14,
            "objectives": ["val_auc"],
        },
        Choices(frozenset({"last_layers_to_train"})),
    ),
    "elastic_net": Case(
        {"random_state"},
        {
            "space.regularizer": ["none", "l1", "l2", "elastic_net"],
            "space.lambda": {"low": 1e-6, "high": 0.1, "log": True},
            "space.l1_ratio": {"low": 0.1, "high": 0.9},
            "space.patience": {"low": 3, "high": 9},
            "model.hidden_units": [64, 32],
            "seed": 2,
        },
        Choices(values={"random_state": 2}),
    ),
    "house_prices": Case(
        {"dropout", "neurons", "validation_split", "metric.name"},
        {
            "space.dropout": 0.2,
            "space.lambda": {"low": 1e-6, "high": 1e-2, "log": True},
            "model.hidden_units": [32],
            "objectives": ["val_loss"],
        },
        Choices(frozenset({"validation_split"}), {"val_rmse": "val_loss"}, {"dropout": 0.2, "neurons": 32}),
        DIABETES,
    ),
    "weighted_choices": Case(
        {"lr.probabilities", "label_smoothing", "metric.goal"},
        {
            "space.dropout": [0.1, 0.2, 0.3, 0.4, 0.5],
            "space.learning_rate": [0.3, 0.1, 0.03, 0.01],
            "training": {"optimizer": {"name": "sgd", "momentum": 0.9}, "schedule": {"name": "cosine"}},
            "pruner.reduction_factor": 2,
        },
        Choices(frozenset({"lr.probabilities", "label_smoothing", "metric.goal"})),
    ),
}  # fmt: skip


def imported(name: str, choices: Choices) -> Imported:
    return import_sweep(read_sweep(SWEEPS / f"{name}.yaml"), CASES[name].dataset, choices)


def at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document[name]
    return document


def refused(sweep_document: Any, choices: Choices = NO_CHOICES) -> dict[str, str]:
    with pytest.raises(InvalidSpecError) as refusal:
        import_sweep(sweep_document, CANCER, choices)
    return {error.field: error.message for error in refusal.value.errors}


def test_there_are_ten_sweeps() -> None:
    assert {file.stem for file in SWEEPS.glob("*.yaml")} == CASES.keys()
    assert len(CASES) == 10


@pytest.mark.parametrize("name", CASES)
def test_a_sweep_is_imported_or_each_part_without_a_meaning_is_refused_with_its_reason(name: str) -> None:
    case = CASES[name]
    if not case.refused:
        imported(name, NO_CHOICES)
        return
    with pytest.raises(InvalidSpecError) as refusal:
        imported(name, NO_CHOICES)
    errors = {error.field: error.message for error in refusal.value.errors}
    assert errors.keys() == case.refused
    assert all(len(message) > 20 for message in errors.values())


@pytest.mark.parametrize("name", CASES)
def test_what_a_user_says_makes_a_study_of_a_sweep_that_searches_the_same(name: str) -> None:
    case = CASES[name]
    made = imported(name, case.choices)
    for path, value in case.expected.items():
        assert at(made.study, path) == value, path
    assert {each.name for each in made.left_out} == case.choices.leave_out


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_study_of_a_sweep_trains(name: str) -> None:
    document = imported(name, CASES[name].choices).study
    budget = {**document["budget"], "trials": 2, "epochs": 2, "best_seeds": 0}
    spec = study_file.parse({**document, "budget": budget})
    ledger, data = _AnyModel(budget=2), prepare_folds(spec.dataset, spec.seed, spec.resampling)
    engine = shared_engines().make(EngineChoice("fit", 1, 1, xla=False, why="a test"), spec)
    assert sweep(spec, data, ledger, engine) == 2
    assert all(trial.values for trial in ledger.record)


class _AnyModel(MemoryLedger):
    """Takes models that are no text."""

    def keep_model(self, claim: Any, number: int, model: Path) -> None:
        self._check(claim)
        self.models[number] = model.name


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


SMALL: dict[str, Any] = {
    "method": "random",
    "metric": {"name": "val_loss", "goal": "minimize"},
    "parameters": {"dropout": {"values": [0.1, 0.2]}},
    "run_cap": 4,
}


@pytest.mark.parametrize(
    ("parameters", "name", "message"),
    [
        ({"reg": {"value": 0.1}}, "reg", "nothing says of which"),
        ({"l1": {"values": [0.1, 1]}, "l2": {"value": 0.1}}, "l2", "one strength"),
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
    searched = refused(SMALL | {"parameters": rates | layered | {"l2": {"values": [0.01, 0.1]}}})
    assert searched.keys() == {"dropout_1", "dropout_2"}
    assert refused(SMALL | {"parameters": rates | {"layer_1": {"value": 32}}}).keys() == {"dropout_1", "dropout_2"}
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
        ({"method": "grid", "parameters": {"dropout": {"min": 0.1, "max": 0.2}}}, "dropout", "`method: random`"),
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


_WORDS = (
    "dropout lr l1 l2 reg regularizer l1_ratio patience batch_size epochs units layer_1 layer_2 num_layers activation "
    "optimizer weight_decay momentum dropout_1 dropout_2 seed folds scheduler batch_norm model x"
)
_NAMES = st.sampled_from(_WORDS.split())
_NUMBERS = st.one_of(st.integers(-3, 300), st.floats(-20, 2, allow_nan=False), st.just(None), st.text(max_size=3))
_SPREAD = st.sampled_from([each["distribution"] for each, _ in DISTRIBUTIONS if "distribution" in each])
_PARAMETER = st.one_of(
    st.fixed_dictionaries({"value": st.one_of(_NUMBERS, JSON)}),
    st.fixed_dictionaries({"values": st.lists(_NUMBERS, max_size=4)}),
    st.fixed_dictionaries({"min": _NUMBERS, "max": _NUMBERS}, optional={"distribution": _SPREAD, "q": _NUMBERS}),
    JSON,
)
_PARAMETERS = st.dictionaries(_NAMES, _PARAMETER, max_size=5)
_SWEEPS = st.fixed_dictionaries(
    {"method": st.sampled_from(["grid", "random", "bayes"])},
    optional={
        "parameters": st.one_of(_PARAMETERS, st.fixed_dictionaries({"model": st.builds(dict, parameters=_PARAMETERS)})),
        "metric": st.one_of(JSON, st.fixed_dictionaries({"name": st.sampled_from(["val_loss", "val/acc", "loss"])})),
        "early_terminate": st.one_of(
            JSON,
            st.fixed_dictionaries(
                {"type": st.just("hyperband")},
                optional=dict.fromkeys(("min_iter", "max_iter", "s", "eta"), st.one_of(_NUMBERS, st.integers())),
            ),
        ),
        "command": JSON,
        "run_cap": st.one_of(JSON, st.integers(1, 100)),
        "name": st.text(max_size=5),
    },
)


def _between(low: float, high: float, **more: str) -> st.SearchStrategy[dict[str, Any]]:
    bounds = st.tuples(st.floats(low, high), st.floats(low, high)).map(sorted)
    return bounds.map(lambda pair: {"min": pair[0], "max": pair[1], **more})


def _some(*values: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(st.sampled_from(values), min_size=1).map(lambda drawn: {"values": drawn})


#: Sweeps that nearly all have a meaning here, for most of those above have none.
_SENSIBLE = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["random", "bayes", "grid"]),
        "metric": st.sampled_from([{"name": "val_loss"}, {"name": "Val/Acc", "goal": "maximize"}]),
        "parameters": st.fixed_dictionaries(
            {},
            optional={
                "dropout": st.one_of(_between(0, 0.9), _some(0, 0.1, 0.5)),
                "optimizer.lr": _between(1e-5, 0.1, distribution="log_uniform_values"),
                "l2": st.one_of(_between(-9, 0, distribution="log_uniform"), _some(0, 1e-3), st.just({"value": 0.1})),
                "l1": st.just({"value": 0.1}),
                "batch_size": _some(16, 32),
                "patience": st.just({"min": 3, "max": 9}),
                "layer_1": st.just({"value": 8}),
                "layer_2": st.just({"value": 4}),
                "epochs": st.integers(1, 30).map(lambda epochs: {"value": epochs}),
                "optim": _some("adam"),
            },
        ),
    },
    optional={
        "run_cap": st.integers(1, 20),
        "early_terminate": st.builds(lambda first: {"type": "hyperband", "min_iter": first}, st.integers(1, 9)),
    },
)


@settings(max_examples=400)
@given(st.one_of(_SENSIBLE, _SWEEPS, st.dictionaries(st.text(max_size=12), JSON, max_size=4)))
def test_any_document_is_a_study_or_is_refused_in_sentences(document: dict[str, Any]) -> None:
    made = _import_or_refusal(document)
    if isinstance(made, Imported):
        study_file.parse(made.study)
    else:
        assert made
        assert all(made.values())


def _import_or_refusal(document: dict[str, Any], choices: Choices = NO_CHOICES) -> Imported | dict[str, str]:
    """What an import gives, or the parts that are refused with their reasons."""
    try:
        return import_sweep(document, IRIS, choices)
    except InvalidSpecError as refusal:
        return {error.field: error.message for error in refusal.errors}


@settings(max_examples=100)
@given(st.dictionaries(_NAMES, st.fixed_dictionaries({"value": st.floats(0.01, 0.5)}), max_size=3), st.data())
def test_what_is_left_out_leaves_a_study(parameters: dict[str, Any], data: st.DataObject) -> None:
    document = SMALL | {"parameters": parameters}
    names = data.draw(st.sets(st.sampled_from(sorted(parameters)))) if parameters else set()
    made = _import_or_refusal(document, Choices(frozenset(names)))
    if isinstance(made, Imported):
        assert {each.name for each in made.left_out} == names
    else:
        assert not made.keys() & names
