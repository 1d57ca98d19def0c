"""Optuna's searches become studies that train and begin with their best trials, or are refused by name."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution, distribution_to_json

from studies import study_file
from studies.errors import InvalidSpecError
from studies.imports.imported import NO_CHOICES, Choices, Imported
from studies.imports.optuna_distributions import read_distribution
from studies.imports.optuna_study import OptunaStudy, from_distributions, import_study, read_study
from studies.imports.peer_trials import PeerTrial
from tests.studies.documents import JSON, SPACES
from tests.studies.imports import optuna_spaces as spaces
from tests.studies.imports.offers import accept_offers
from tests.studies.imports.training import train_two

CANCER = {"kind": "builtin", "name": "breast_cancer"}


@dataclass(frozen=True)
class Case:
    """What of a search is refused, what a user says then, and what becomes of it."""

    refused: set[str]
    space: dict[str, Any]
    choices: Choices = NO_CHOICES
    others: dict[str, Any] = field(default_factory=dict)


OF_LAYER = {"dropout": {"low": 0.1, "high": 0.5}}
CASES = {
    "tabular_network": Case(
        {"n_units", "activation"},
        {
            "dropout": pytest.approx([0.05 * step for step in range(11)]),
            "regularizer": "l2",
            "lambda": {"low": 1e-6, "high": 1e-2, "log": True},
            "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
            "batch_size": [16, 32, 64],
            "patience": None,
        },
        Choices(values={"n_units": 64, "activation": "relu"}),
        {"model": {"kind": "mlp", "hidden_units": [64], "activation": "relu"}, "name": "tabular_network"},
    ),
    "layer_by_layer": Case(
        {"n_layers", "n_units_l0"},
        {
            "scope": "per_layer",
            "layers": [OF_LAYER, OF_LAYER],
            "dropout": 0,
            "regularizer": "none",
            "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
            "patience": None,
        },
        Choices(frozenset({"n_units_l2", "dropout_l2"}), {}, {"n_layers": 2, "n_units_l0": 32, "n_units_l1": 16}),
        {"model": {"kind": "mlp", "hidden_units": [32, 16]}},
    ),
    "kinds_of_penalty": Case(
        set(),
        {
            "regularizer": ["none", "l1", "l2", "elastic_net"],
            "lambda": {"low": 1e-5, "high": 1e-1, "log": True},
            "l1_ratio": {"low": 0.1, "high": 0.9},
            "patience": {"low": 3, "high": 15},
            "dropout": 0,
        },
    ),
    "two_strengths": Case(
        set(),
        {
            "regularizer": "elastic_net",
            "lambda": {"low": 2e-6, "high": 0.11, "log": True},
            "l1_ratio": {"low": pytest.approx(1e-6 / (1e-6 + 0.1)), "high": pytest.approx(0.01 / (0.01 + 1e-6))},
            "dropout": {"low": 0.0, "high": 0.5},
            "patience": None,
        },
        others={"objectives": ["val_auc"]},
    ),
    "loss_and_epochs": Case(
        {"optimizer", "momentum", "weight_decay"},
        {
            "regularizer": "l2",
            "lambda": {"low": 0.5e-6, "high": 0.5e-2, "log": True},
            "patience": {"low": 2, "high": 20},
            "dropout": 0,
        },
        Choices(values={"optimizer": "sgd", "momentum": 0.9}, meanings={"weight_decay": "l2/2"}),
        {
            "objectives": ["val_loss", "epochs"],
            "training": {"optimizer": {"name": "sgd", "momentum": 0.9}},
        },
    ),
}


def search(name: str) -> OptunaStudy:
    return read_study(spaces.run(getattr(spaces, name)))


def refusals(study: OptunaStudy, choices: Choices = NO_CHOICES) -> dict[str, str]:
    with pytest.raises(InvalidSpecError) as refusal:
        import_study(study, CANCER, choices)
    return {error.field: error.message for error in refusal.value.errors}


@pytest.mark.parametrize("name", CASES)
def test_a_search_is_imported_or_each_part_without_a_meaning_is_refused_with_its_reason(name: str) -> None:
    case = CASES[name]
    if not case.refused:
        import_study(search(name), CANCER)
        return
    errors = refusals(search(name))
    assert errors.keys() == case.refused
    assert all(len(message) > 20 for message in errors.values())


@pytest.mark.parametrize("name", CASES)
def test_what_a_user_says_makes_a_study_that_searches_the_same(name: str) -> None:
    case = CASES[name]
    made = import_study(search(name), CANCER, case.choices)
    assert made.study["space"] == case.space
    for field_name, value in case.others.items():
        assert made.study[field_name] == value


@pytest.mark.parametrize("name", CASES)
def test_what_the_refusals_of_a_search_offer_makes_a_study(name: str) -> None:
    accept_offers(lambda choices: import_study(search(name), CANCER, choices))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_study_of_a_search_trains_and_its_first_trials_are_the_best_of_the_search(name: str) -> None:
    made = import_study(search(name), CANCER, CASES[name].choices)
    first, second = train_two(made.study)
    assert first.values
    assert second.values
    begin = made.study["warm_start"]["enqueue"]
    assert first.params.items() >= begin[0].items()
    assert second.params.items() >= begin[1].items()


def test_a_value_is_offered_for_what_a_study_does_not_search_as_the_best_trial_has_it() -> None:
    best = spaces.run(spaces.tabular_network).best_trial
    assert f"--fix n_units={best.params['n_units']}, " in refusals(search("tabular_network"))["n_units"]


def test_the_classes_of_earlier_versions_are_read() -> None:
    study = from_distributions(spaces.distributions_of_optuna_2())
    made = import_study(study, CANCER).study
    assert made["space"] == {
        "dropout": [0.1, 0.2, 0.3, 0.4, 0.5],
        "regularizer": "l1",
        "lambda": {"low": 1e-6, "high": 0.01, "log": True},
        "learning_rate": {"low": 0.0005, "high": 0.005},
        "patience": [4, 8, 12, 16],
        "batch_size": {"low": 16, "high": 128, "log": True},
    }
    assert made["budget"]["epochs"] == 30
    assert "warm_start" not in made


@pytest.mark.slow
def test_the_study_of_distributions_alone_trains() -> None:
    made = import_study(from_distributions(spaces.distributions_of_optuna_2()), CANCER)
    assert all(trial.values for trial in train_two(made.study))


# The trials


def test_the_best_trials_come_first_in_the_direction_of_the_objective() -> None:
    study = spaces.run(spaces.two_strengths)
    begin = import_study(read_study(study), CANCER).trials
    values = [trial.value for trial in begin]
    assert values == sorted((trial.values[0] for trial in study.trials), reverse=True)[: len(values)]
    assert len(values) == 6  # the better half
    of_best = study.best_trial.params
    assert begin[0].params["lambda"] == pytest.approx(of_best["l1"] + of_best["l2"])
    assert begin[0].params["l1_ratio"] == pytest.approx(of_best["l1"] / (of_best["l1"] + of_best["l2"]))


def test_of_several_objectives_the_first_trials_are_of_the_pareto_front() -> None:
    study = spaces.run(spaces.loss_and_epochs)
    begin = import_study(read_study(study), CANCER, CASES["loss_and_epochs"].choices).trials
    front = {trial.params["early_stopping_patience"] for trial in study.best_trials}
    assert {trial.params["patience"] for trial in begin[: len(front)]} == front


@pytest.mark.parametrize(("asked", "given"), [(None, 6), (0, 0), (3, 3), (1000, 12)])
def test_as_many_trials_are_tried_first_as_one_asks_for(asked: int | None, given: int) -> None:
    made = import_study(search("kinds_of_penalty"), CANCER, trials=asked)
    assert len(made.trials) == given
    assert len(made.study.get("warm_start", {"enqueue": []})["enqueue"]) == given


def test_a_trial_of_another_network_or_without_a_value_is_not_tried() -> None:
    dropout = {"dropout_l0": 0.2, "dropout_l1": 0.3}
    study = OptunaStudy(
        None,
        {name: [{"type": "float", "low": 0.1, "high": 0.5}] for name in dropout},
        trials=[
            PeerTrial({"dropout_l0": 0.2}, (0.1,)),
            PeerTrial(dropout, (float("nan"),)),
            PeerTrial({**dropout, "dropout_l1": 0.9}, (0.2,)),
            PeerTrial(dropout, ()),
            PeerTrial(dropout, (0.3,)),
            PeerTrial(dropout, (0.4,)),
        ],
    )
    made = import_study(study, CANCER, trials=9)
    assert made.study["warm_start"] == {"enqueue": [{"layer1_dropout": 0.2, "layer2_dropout": 0.3}]}
    [said] = [note.reason for note in made.notes if note.name == "trials"]
    assert said.startswith("the params of the best 1 of 4 complete ones (of 6) are tried first")
    assert "2 of the best do not fit" in said


def test_a_trial_of_another_penalty_is_not_tried() -> None:
    kinds = json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": ["l1", "l2", "dropout"]}})
    study = OptunaStudy(
        None,
        {"reg_type": [kinds], "strength": [{"type": "float", "low": 0.001, "high": 0.5, "log": True}]},
        trials=[
            PeerTrial({"reg_type": "l1", "strength": 0.2}, (0.1,)),
            PeerTrial({"reg_type": "dropout"}, (0.2,)),
            PeerTrial({"reg_type": "l2", "strength": 0.1}, (0.3,)),
        ],
    )
    made = import_study(study, CANCER, Choices(meanings={"strength": "lambda"}, values={"reg_type": "l2"}), trials=9)
    assert made.study["warm_start"] == {"enqueue": [{"lambda": 0.1}]}


def test_there_are_as_many_layers_as_the_study_says_and_one_may_be_said_of_each() -> None:
    whole, real = {"type": "int", "low": 8, "high": 64}, {"type": "float", "low": 1e-6, "high": 0.1, "log": True}
    layers = range(3)
    study = OptunaStudy(
        None,
        {
            "n_layers": [{"type": "int", "low": 1, "high": 3}],
            **{f"n_units_l{layer}": [whole] for layer in layers},
            **{f"weight_decay_l{layer}": [real] for layer in layers},
        },
        trials=[PeerTrial({"n_layers": 1, "n_units_l0": 8, "weight_decay_l0": 0.01}, (0.1,))],
    )
    decays = {f"weight_decay_l{layer}": "l2" for layer in layers}
    one = import_study(study, CANCER, Choices(meanings=decays, values={"n_layers": 1, "n_units_l0": 8}))
    assert one.study["model"]["hidden_units"] == [8]
    assert one.study["warm_start"] == {"enqueue": [{"lambda": 0.01}]}
    units = {"n_layers": 2, "n_units_l0": 8, "n_units_l1": 16}
    two = import_study(study, CANCER, Choices(meanings=decays, values=units))
    assert two.study["model"]["hidden_units"] == [8, 16]
    assert [layer["regularizer"] for layer in two.study["space"]["layers"]] == ["l2", "l2"]
    assert {"n_units_l2", "weight_decay_l2"} <= {note.name for note in two.notes}


# Objectives


@pytest.mark.parametrize(
    ("directions", "names", "choices", "expected"),
    [
        (["minimize"], [], NO_CHOICES, ["val_loss"]),
        (["maximize"], [], NO_CHOICES, {"objective"}),
        (["maximize"], [], Choices(meanings={"objective": "val_auc"}), ["val_auc"]),
        (["maximize"], [], Choices(meanings={"objective": "val_loss"}), {"objective"}),
        (["maximize"], [], Choices(frozenset({"objective"})), None),
        (["maximize"], ["val_acc"], NO_CHOICES, ["val_accuracy"]),
        (["minimize"], ["accuracy"], NO_CHOICES, {"accuracy"}),
        (["minimize"], ["f1"], NO_CHOICES, {"f1"}),
        (["minimize", "maximize"], [], NO_CHOICES, {"objective.1"}),
    ],
)
def test_an_objective_keeps_its_direction(
    directions: Any, names: list[str], choices: Choices, expected: list[str] | set[str] | None
) -> None:
    study = OptunaStudy(None, {"dropout": [{"type": "float", "low": 0.0, "high": 0.5}]}, directions, names)
    if isinstance(expected, set):
        assert refusals(study, choices).keys() == expected
    else:
        assert import_study(study, CANCER, choices).study.get("objectives") == expected


# Distributions


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"name": "NormalDistribution", "attributes": {"low": 0, "high": 1}}, "is no distribution of Optuna's"),
        ({"type": "float", "low": 0.5, "high": 0.1}, "is above its high"),
        ({"type": "float", "low": "0", "high": 0.1}, "its `low` is no number"),
        ({"type": "float", "low": 0.0, "high": 1.0, "step": 0.0001}, "10,001 steps"),
        ({"type": "categorical", "choices": []}, "no list"),
        ({"type": "float", "low": 0.0, "high": 1.0}, "must be less than 1"),
        ({"type": "categorical", "choices": [True, False]}, "is true or false"),
        (0.5, "is no distribution as Optuna writes it"),
        ("{", "is no distribution as Optuna writes it"),
    ],
)
def test_a_distribution_that_no_study_has_is_refused(written: Any, message: str) -> None:
    [(name, said)] = refusals(from_distributions({"dropout": written})).items()
    assert name.partition(".")[0] == "dropout"
    assert message in said


def test_a_step_may_be_left_out() -> None:
    fine = from_distributions({"dropout": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.0001}})
    assert refusals(fine).keys() == {"dropout.step"}
    made = import_study(fine, CANCER, Choices(frozenset({"dropout.step"})))
    assert made.study["space"]["dropout"] == {"low": 0.0, "high": 0.5}
    assert [each.name for each in made.left_out] == ["dropout.step"]


def test_ranges_that_differ_from_trial_to_trial_become_one_that_holds_all() -> None:
    ranges = [{"type": "int", "low": 2, "high": high} for high in (5, 9, 7)]
    made = import_study(OptunaStudy(None, {"patience": ranges}), CANCER)
    assert made.study["space"]["patience"] == {"low": 2, "high": 9}
    other = [*ranges, {"type": "categorical", "choices": [3]}]
    assert refusals(OptunaStudy(None, {"patience": other})).keys() == {"patience"}


@given(
    st.one_of(
        st.tuples(st.integers(-50, 50), st.integers(0, 40), st.integers(1, 9), st.booleans()),
        st.tuples(st.integers(-50, 50), st.integers(0, 40), st.sampled_from([0.1, 0.05, 0.25, 1.5]), st.just(False)),
    )
)
def test_the_steps_are_those_that_optuna_draws(case: tuple[int, int, float, bool]) -> None:
    low, width, step, whole = case
    with warnings.catch_warnings(action="ignore"):  # of a high that no step meets
        theirs: BaseDistribution = (
            IntDistribution(low, low + width, step=int(step))
            if whole
            else FloatDistribution(low, low + width, step=step)
        )
    read = read_distribution(distribution_to_json(theirs))
    ours = read if isinstance(read, tuple) else (read,)
    if isinstance(read, Mapping):
        ours = tuple(range(read["low"], read["high"] + 1))
    assert all(theirs._contains(value) for value in ours)
    assert ours[0] == low
    assert ours[-1] == pytest.approx(theirs.high)  # type: ignore[attr-defined]
    assert len(ours) == round((theirs.high - low) / step) + 1  # type: ignore[attr-defined]


# Round trips


@settings(max_examples=100, deadline=None)
@given(SPACES, st.integers(0, 9))
def test_what_a_study_searches_is_imported_from_its_own_distributions_with_its_own_trials(
    document: dict[str, Any], seed: int
) -> None:
    spec = study_file.parse({"dataset": CANCER, "space": document})
    space, fixed = spec.space.distributions(), spec.space.constants()
    params = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask(space).params
    written: dict[str, list[Any]] = {name: [distribution_to_json(each)] for name, each in space.items()}
    written |= {name: [{"type": "categorical", "choices": [value]}] for name, value in fixed.items()}
    study = OptunaStudy(None, written, trials=[PeerTrial({**fixed, **params}, (0.5,))])
    made = import_study(study, CANCER, trials=1)
    again = study_file.parse(made.study).space.distributions()
    # A distribution of one value is that value.
    assert again == {name: each for name, each in space.items() if not each.single()}
    for trial in made.trials:
        assert trial.params.items() <= params.items()
        assert trial.params.keys() >= again.keys() - {"lambda", "l1_ratio"}


_WORDS = "dropout lr l1 l2 reg reg_type patience units n_layers dropout_l0 dropout_l1 l2_1 x"
_NAMES = st.sampled_from(tuple(_WORDS.split(" ")))
_NUMBERS = st.one_of(st.integers(-3, 300), st.floats(-2, 2), st.none(), st.text(max_size=3), st.booleans())
_DISTRIBUTIONS = st.one_of(
    JSON,
    st.fixed_dictionaries({"type": st.just("categorical"), "choices": st.lists(_NUMBERS, max_size=4)}),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["float", "int"]), "low": _NUMBERS, "high": _NUMBERS},
        optional={"step": _NUMBERS, "log": st.booleans()},
    ),
)
_VALUES = st.one_of(st.tuples(st.floats()), st.just(()))
_TRIALS = st.lists(st.builds(PeerTrial, st.dictionaries(_NAMES, _NUMBERS, max_size=4), _VALUES), max_size=4)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(_NAMES, _DISTRIBUTIONS, max_size=5), _TRIALS)
def test_any_distributions_are_a_study_or_are_refused_in_sentences(
    distributions: dict[str, Any], trials: list[PeerTrial]
) -> None:
    study = OptunaStudy("any", {name: [each] for name, each in distributions.items()}, trials=trials)
    made, said = _import_or_refusal(study)
    if made is None:
        assert said
        assert all(said)
    else:
        study_file.parse(made.study)


def _import_or_refusal(study: OptunaStudy) -> tuple[Imported | None, list[str]]:
    try:
        return import_study(study, CANCER, trials=9), []
    except InvalidSpecError as refusal:
        return None, [error.message for error in refusal.errors]
