"""KerasTuner's searches become studies that train and begin with their best trials, or are refused by name."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras_tuner
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies import study_file
from studies.errors import InvalidSpecError
from studies.imports.imported import NO_CHOICES, Choices, Imported, LeftOut
from studies.imports.keras_tuner import import_search
from studies.imports.keras_tuner_files import read_search
from studies.imports.keras_tuner_space import read_entries, read_theirs
from tests.studies.documents import JSON
from tests.studies.imports import keras_tuner_spaces as spaces
from tests.studies.imports.offers import accept_offers
from tests.studies.imports.training import train_two

CANCER, DIABETES = ({"kind": "builtin", "name": name} for name in ("breast_cancer", "diabetes"))
STEPS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


@dataclass(frozen=True)
class Case:
    """A search with its objective, what of it is refused, what a user says then, and what becomes of it."""

    refused: set[str]
    space: dict[str, Any]
    choices: Choices = NO_CHOICES
    others: dict[str, Any] = field(default_factory=dict)
    objective: tuple[str, str] = ("val_loss", "min")
    dataset: Mapping[str, Any] = field(default_factory=lambda: CANCER)


OF_LAYER = {"dropout": STEPS[1:], "regularizer": "l2", "lambda": [1e-4, 1e-3, 1e-2]}
CASES = {
    "first_steps": Case(
        {"units", "activation", "dropout"},
        {
            "dropout": 0.25,
            "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
            "regularizer": "none",
            "patience": None,
        },
        Choices(values={"units": 128, "activation": "tanh", "dropout": 0.25}),
        {"model": {"kind": "mlp", "hidden_units": [128], "activation": "tanh"}},
    ),
    "layers_in_a_loop": Case(
        {"num_layers", "units_0", "units_1"},
        {
            "scope": "per_layer",
            "layers": [OF_LAYER, OF_LAYER],
            "dropout": 0,
            "regularizer": "none",
            "learning_rate": [1e-2, 1e-3, 1e-4],
            "patience": None,
        },
        Choices(values={"num_layers": 2, "units_0": 32, "units_1": 16}),
        {"model": {"kind": "mlp", "hidden_units": [32, 16]}, "objectives": ["val_loss"]},
    ),
    "penalty_by_name": Case(
        set(),
        {
            "regularizer": ["l1", "l2", "none"],
            "lambda": {"low": 1e-5, "high": 1e-1, "log": True},
            "dropout": STEPS,
            "patience": None,
        },
    ),
    "only_with_dropout": Case(
        {"dropout_rate.conditions", "use_dropout", "optimizer"},
        {
            "dropout": {"low": 0.1, "high": 0.5},
            "batch_size": [16, 32, 64, 128],
            "regularizer": "none",
            "patience": None,
        },
        Choices(values={"use_dropout": True, "optimizer": "adam"}),
        {"objectives": ["val_auc"]},
        ("val_auc", "max"),
    ),
    "more_at_the_top": Case(
        {"dropout.sampling"},
        {
            "dropout": {"low": 0.05, "high": 0.5},
            "regularizer": "l1",
            "lambda": [1e-5, 1e-4, 1e-3, 1e-2, 1e-1],
            "patience": None,
        },
        Choices(frozenset({"dropout.sampling"})),
        {
            "objectives": ["val_mae"],
            "budget": {"trials": 50, "epochs": 40},
            "model": {"kind": "mlp", "hidden_units": [24]},
        },
        ("val_mae", "min"),
        DIABETES,
    ),
}


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, spaces.Project]:
    """What KerasTuner wrote of each search."""
    folder = tmp_path_factory.mktemp("tuner")
    return {name: spaces.project_of(getattr(spaces, name), *case.objective, folder) for name, case in CASES.items()}


def imported(project: spaces.Project, name: str, choices: Choices = NO_CHOICES) -> Imported:
    return import_search(*project, CASES[name].dataset, choices)


def refusals(oracle: Any, trials: Any = (), choices: Choices = NO_CHOICES) -> dict[str, str]:
    with pytest.raises(InvalidSpecError) as refusal:
        import_search(oracle, trials, CANCER, choices)
    return {error.field: error.message for error in refusal.value.errors}


def test_there_are_more_than_ten_searches_with_those_of_optuna() -> None:
    from tests.studies.test_optuna_import import CASES as OF_OPTUNA

    assert len(CASES) + len(OF_OPTUNA) >= 10


@pytest.mark.parametrize("name", CASES)
def test_a_search_is_imported_or_each_part_without_a_meaning_is_refused_with_its_reason(
    projects: dict[str, spaces.Project], name: str
) -> None:
    case = CASES[name]
    if not case.refused:
        imported(projects[name], name)
        return
    with pytest.raises(InvalidSpecError) as refusal:
        imported(projects[name], name)
    errors = {error.field: error.message for error in refusal.value.errors}
    assert errors.keys() == case.refused
    assert all(len(message) > 20 for message in errors.values())


@pytest.mark.parametrize("name", CASES)
def test_what_a_user_says_makes_a_study_that_searches_the_same(projects: dict[str, spaces.Project], name: str) -> None:
    case = CASES[name]
    made = imported(projects[name], name, case.choices)
    assert made.study["space"] == case.space
    for field_name, value in case.others.items():
        assert made.study[field_name] == value


@pytest.mark.parametrize("name", CASES)
def test_what_the_refusals_of_a_search_offer_makes_a_study(projects: dict[str, spaces.Project], name: str) -> None:
    accept_offers(lambda choices: imported(projects[name], name, choices))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_study_of_a_search_trains_and_its_first_trial_is_the_best_that_fits(
    projects: dict[str, spaces.Project], name: str
) -> None:
    made = imported(projects[name], name, CASES[name].choices)
    first, second = train_two(made.study)
    assert first.values
    assert second.values
    assert first.params.items() >= made.study["warm_start"]["enqueue"][0].items()


def test_hyperparameters_alone_are_a_study_without_first_trials() -> None:
    config = spaces.config_of(spaces.penalty_by_name)
    made = import_search(config, [], CANCER)
    assert made.study["space"] == CASES["penalty_by_name"].space
    assert "warm_start" not in made.study
    assert "objectives" not in made.study


def test_an_entry_that_depends_on_a_value_is_there_or_not_as_the_value_is_fixed() -> None:
    config = {"space": [_entry("Boolean", "use_dropout"), _entry("Float", "dropout", use_dropout=[True])]}
    for value, dropout in ((True, {"low": 0.1, "high": 0.5}), (False, 0)):
        made = import_search(config, [], CANCER, Choices(values={"use_dropout": value}))
        assert made.study["space"]["dropout"] == dropout
    left = import_search(config, [], CANCER, Choices(frozenset({"use_dropout"})))
    assert left.study["space"]["dropout"] == {"low": 0.1, "high": 0.5}
    always = [_entry("Fixed", "use_dropout"), _entry("Float", "dropout", use_dropout=[True])]
    assert refusals({"space": always}).keys() == {"use_dropout"}


def _entry(kind: str, name: str, **conditions: list[Any]) -> dict[str, Any]:
    parents = [{"name": key, "values": values} for key, values in conditions.items()]
    written = [{"class_name": "Parent", "config": parent} for parent in parents]
    config = {"name": name, "conditions": written, "min_value": 0.1, "max_value": 0.5, "step": None, "value": True}
    return {"class_name": kind, "config": {**config, "sampling": "linear"}}


# The objective, which no file names


def _trial(score: float | None, metrics: Mapping[str, tuple[str, list[float]]], dropout: float = 0.2) -> dict[str, Any]:
    histories = {
        name: {"direction": direction, "observations": [{"value": [v], "step": i} for i, v in enumerate(values)]}
        for name, (direction, values) in metrics.items()
    }
    status = "COMPLETED" if score is not None else "FAILED"
    state = {"score": score, "status": status, "metrics": {"metrics": histories}}
    return state | {"hyperparameters": {"space": [], "values": {"dropout": dropout, "tuner/epochs": 3}}}


CONFIG = {"space": [_entry("Float", "dropout")]}


@pytest.mark.parametrize(
    ("metrics", "score", "expected"),
    [
        ({"val_accuracy": ("max", [0.5, 0.7, 0.6]), "val_loss": ("min", [0.4, 0.3])}, 0.7, ["val_accuracy"]),
        ({"val_accuracy": ("max", [0.5, 0.7]), "val_loss": ("min", [0.4, 0.3, 0.5])}, 0.3, ["val_loss"]),
        ({"loss": ("min", [0.3]), "val_loss": ("min", [0.3])}, 0.3, ["val_loss"]),
        ({"val_mse": ("min", [0.3])}, 0.3, {"val_mse"}),
        ({"val_auc": ("max", [0.3]), "val_accuracy": ("max", [0.3])}, 0.3, ["val_loss"]),
        ({"default_objective": ("min", [0.3])}, 0.3, {"default_objective"}),
    ],
)
def test_the_metric_that_gave_the_scores_is_the_objective(
    metrics: Any, score: float, expected: list[str] | set[str]
) -> None:
    trials = [_trial(score, metrics)]
    if isinstance(expected, set):
        assert refusals(CONFIG, trials).keys() == expected
    else:
        assert import_search(CONFIG, trials, CANCER).study["objectives"] == expected


def test_the_best_trials_come_first_and_those_that_failed_not_at_all() -> None:
    accuracies = [(0.6, 0.3), (0.9, 0.1), (0.7, 0.4), (math.nan, 0.5)]
    trials = [_trial(score, {"val_accuracy": ("max", [score])}, dropout) for score, dropout in accuracies]
    trials += [_trial(None, {}), _trial(0.9, {"val_accuracy": ("max", [0.9])}, 0.1)]
    made = import_search({"hyperparameters": CONFIG}, trials, CANCER, first_trials=9)
    assert made.study["warm_start"]["enqueue"] == [{"dropout": 0.1}, {"dropout": 0.4}, {"dropout": 0.3}]


def test_hyperband_keeps_its_epochs_and_is_a_pruner() -> None:
    oracle = {"hyperparameters": CONFIG, "max_epochs": 27, "factor": 3, "brackets": []}
    study = import_search(oracle, [], CANCER).study
    assert study["pruner"] == {"name": "hyperband", "reduction_factor": 3}
    assert study["budget"]["epochs"] == 27


# Files


def test_a_project_folder_is_read_with_its_trials(tmp_path: Path, projects: dict[str, spaces.Project]) -> None:
    oracle, trials = spaces.project_of(spaces.penalty_by_name, "val_loss", "min", tmp_path)
    assert read_search(tmp_path / "penalty_by_name") == (oracle, trials)
    (tmp_path / "hp.json").write_text(json.dumps(spaces.config_of(spaces.penalty_by_name)))
    assert read_search(tmp_path / "hp.json") == (spaces.config_of(spaces.penalty_by_name), [])


def test_what_is_no_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "broken.json").write_text("{")
    for name, message in (
        ("project", "has no oracle.json"),
        ("list.json", "holds no object"),
        ("broken.json", "is not JSON"),
        ("nothing.json", "cannot read"),
    ):
        with pytest.raises(InvalidSpecError, match=message):
            read_search(tmp_path / name)
    (tmp_path / "project" / "oracle.json").write_text("{}")
    with pytest.raises(InvalidSpecError, match=r"project; name|name one of .*project"):
        read_search(tmp_path)
    assert refusals(*read_search(tmp_path / "project")).keys() == {"space"}


# Values, by KerasTuner itself


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["linear", "log", "reverse_log"]),
    st.integers(1, 40),
    st.integers(1, 60),
    st.integers(2, 9),
    st.booleans(),
)
def test_the_steps_are_those_that_keras_tuner_has(sampling: str, low: int, width: int, step: int, whole: bool) -> None:
    kind = keras_tuner.engine.hyperparameters.Int if whole else keras_tuner.engine.hyperparameters.Float
    ends = (low, low + width) if whole else (low / 100, (low + width) / 100)
    size = step if whole or sampling != "linear" else step / 100
    theirs = kind("dropout", *ends, step=size, sampling=sampling)
    refused: list[LeftOut] = []
    entry = {"class_name": kind.__name__, "config": theirs.get_config()}
    [read] = read_theirs(read_entries({"space": [entry]}, refused), NO_CHOICES, refused, [])
    assert not refused
    ours = read.values if isinstance(read.values, tuple) else (read.values,)
    expected = sorted(int(value) if whole else value for value in theirs.values)
    assert list(ours[: len(expected)]) == pytest.approx(expected, rel=1e-9)
    # 0.5 // 0.1 is 4: KerasTuner loses the greatest value to rounding, which its documents promise.
    assert list(ours[len(expected) :]) in ([], [pytest.approx(ends[1])])


_WORDS = "dropout lr l1 l2 reg reg_type patience units num_layers dropout_0 dropout_1 use_it x"
_NAMES = st.sampled_from(tuple(_WORDS.split(" ")))
_NUMBERS = st.one_of(st.integers(-3, 300), st.floats(-2, 2), st.none(), st.text(max_size=3), st.booleans())
_CONDITION = st.fixed_dictionaries(
    {"class_name": st.just("Parent"), "config": st.fixed_dictionaries({"name": _NAMES, "values": st.lists(_NUMBERS)})}
)
_ENTRY = st.fixed_dictionaries(
    {
        "class_name": st.sampled_from(["Float", "Int", "Choice", "Boolean", "Fixed", "Other"]),
        "config": st.fixed_dictionaries(
            {"name": _NAMES},
            optional={
                "min_value": _NUMBERS,
                "max_value": _NUMBERS,
                "step": _NUMBERS,
                "sampling": st.one_of(st.sampled_from(["linear", "log", "reverse_log", "LOG"]), _NUMBERS),
                "values": st.one_of(st.lists(_NUMBERS, max_size=4), JSON),
                "value": _NUMBERS,
                "conditions": st.one_of(st.lists(st.one_of(_CONDITION, JSON), max_size=2), JSON),
            },
        ),
    }
)
_SPACE = st.fixed_dictionaries({"space": st.lists(st.one_of(_ENTRY, JSON), max_size=5)})
_STATE = st.fixed_dictionaries(
    {},
    optional={
        "status": st.just("COMPLETED"),
        "score": st.one_of(st.floats(), JSON),
        "metrics": st.one_of(
            JSON,
            st.fixed_dictionaries(
                {
                    "metrics": st.dictionaries(
                        st.sampled_from(["val_loss", "val_auc", "f1"]),
                        st.one_of(JSON, st.fixed_dictionaries({"direction": JSON, "observations": st.lists(JSON)})),
                        max_size=2,
                    )
                }
            ),
        ),
        "hyperparameters": st.one_of(
            JSON, st.fixed_dictionaries({"values": st.dictionaries(_NAMES, _NUMBERS, max_size=4)})
        ),
    },
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(_SPACE, st.dictionaries(st.text(max_size=6), JSON, max_size=3)), st.lists(_STATE, max_size=3))
def test_any_documents_are_a_study_or_are_refused_in_sentences(
    oracle: dict[str, Any], trials: list[dict[str, Any]]
) -> None:
    made, said = _import_or_refusal(oracle, trials)
    if made is None:
        assert said
        assert all(said)
    else:
        study_file.parse(made.study)


def _import_or_refusal(oracle: Any, trials: Any) -> tuple[Imported | None, list[str]]:
    try:
        return import_search(oracle, trials, CANCER, first_trials=9), []
    except InvalidSpecError as refusal:
        return None, [error.message for error in refusal.errors]
