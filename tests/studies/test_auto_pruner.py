"""Which pruner a study with `pruner: auto` runs with, and what becomes of studies that were stored before."""

from __future__ import annotations

import re
from typing import Any

import pytest
from optuna.pruners import HyperbandPruner, NopPruner

from studies.analysis import techniques
from studies.errors import InvalidSpecError
from studies.search.auto_pruner import choose_pruner
from studies.search.mirror import Mirror
from studies.spec.comparison import ComparisonSpec
from studies.spec.study import StudySpec
from tests.studies.documents import study

#: A study in which every reason for a pruner holds.
PRUNED: dict[str, Any] = {
    "pruner": "auto",
    "dataset": {"kind": "builtin", "name": "digits"},
    "space": {"learning_rate": {"low": 1e-5, "high": 0.1, "log": True}},
    "budget": {"trials": 60, "epochs": 60},
}


def chosen(**parts: Any) -> tuple[str, str]:
    choice = choose_pruner(study(**PRUNED | parts))
    return choice.part.name, choice.why


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"sampler": "random"},
        {"sampler": "qmc"},
        {"objectives": ["val_accuracy"]},
        {"space": {"learning_rate": [0.1, 0.01, 0.001]}},
    ],
)
def test_a_study_that_searches_the_learning_rate_has_hyperband(parts: dict[str, Any]) -> None:
    assert chosen(**parts)[0] == "hyperband"
    pruner = Mirror(study(**PRUNED | parts), []).study.pruner
    assert isinstance(pruner, HyperbandPruner)
    assert (vars(pruner)["_min_resource"], vars(pruner)["_max_resource"]) == (6, 60)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"space": {}}, "the learning rate is not searched"),
        ({"space": {"learning_rate": {"low": 0.001, "high": 0.002}}}, "the learning rate is not searched"),
        ({"budget": {"trials": 12, "epochs": 60}}, "12 trials are too few"),
        ({"budget": {"trials": 60, "epochs": 5}}, "5 epochs are too few"),
        ({"dataset": {"kind": "builtin", "name": "breast_cancer"}}, "of 569 rows too few"),
        ({"objectives": ["val_loss", "epochs"]}, "several objectives"),
        ({"objectives": ["nonzero_weights"]}, "nonzero_weights is known only when"),
        ({"sampler": "cmaes"}, "cmaes needs complete trials"),
        ({"sampler": "nsga2"}, "nsga2 needs complete trials"),
        ({"sampler": {"name": "grid", "points": 3}}, "grid needs complete trials"),
        ({"resampling": {"kind": "kfold"}}, "folds"),
        ({"training": {"schedule": {"name": "cosine"}}}, "changes within a trial"),
    ],
)
def test_a_study_that_a_pruner_would_hurt_has_none_and_says_why(parts: dict[str, Any], says: str) -> None:
    name, why = chosen(**parts)
    assert name == "none"
    assert re.search(says, why)
    assert isinstance(Mirror(study(**PRUNED | parts), []).study.pruner, NopPruner)


def test_a_pruner_that_is_named_is_the_one_that_runs() -> None:
    assert chosen(pruner={"name": "median", "n_startup_trials": 3})[0] == "median"
    assert chosen(pruner="none")[0] == "none"


def test_a_study_that_was_stored_without_a_pruner_stays_without() -> None:
    stored = study(**PRUNED).model_dump(mode="json")
    assert choose_pruner(StudySpec.read(stored)).part.name == "hyperband"
    del stored["pruner"]
    assert choose_pruner(StudySpec.read(stored)).part.name == "none"


def test_a_technique_is_searched_with_the_pruner_of_its_study_and_confirmed_without() -> None:
    spec = study(pruner={"name": "median", "n_startup_trials": 3})
    assert techniques.search_spec(spec, ComparisonSpec(), "l1").pruner == spec.pruner
    assert techniques.confirmation_spec(spec, ComparisonSpec(), 9).pruner.name == "none"


@pytest.mark.parametrize(
    ("pruner", "field", "says"),
    [
        ({"name": "auto", "n_startup_trials": 3}, "pruner.n_startup_trials", "auto has no such option"),
        ({"name": "patient", "patience": 1, "wrapped": "auto"}, "pruner.wrapped.name", "name one"),
    ],
)
def test_auto_has_no_options_and_cannot_be_wrapped(pruner: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InvalidSpecError) as refusal:
        study(**PRUNED | {"pruner": pruner})
    [error] = refusal.value.errors
    assert error.field == field
    assert says in error.message
