"""What each technique searches, what it leaves off, and which spaces have no room for it."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.trial import TrialState

from studies.analysis import techniques
from studies.errors import InvalidSpecError
from studies.regularization import REGULARIZERS
from studies.search import checks
from studies.search.mirror import Mirror
from studies.spec.comparison import TECHNIQUES, ComparisonSpec, Technique
from studies.spec.study import StudySpec
from tests.studies.documents import FINITE, Document, study

RATES: Document = {"low": 1e-4, "high": 1e-2, "log": True}
#: Everything that can be searched is.
WHOLE: Document = {"learning_rate": RATES, "bias_regularizer": ["none", "l2"], "activity_regularizer": "l1"}
TWO_LAYERS: Document = {"kind": "mlp", "hidden_units": [8, 4]}
OWN: dict[Technique, set[str]] = {
    "none": set(),
    "l1": {"lambda"},
    "l2": {"lambda"},
    "elastic_net": {"lambda", "l1_ratio"},
    "dropout": {"dropout"},
    "early_stopping": {"patience"},
    "combined": {"regularizer", "lambda", "l1_ratio", "dropout", "patience", "bias_regularizer", "bias_lambda"}
    | {"activity_lambda"},
}


def searched(technique: Technique, **parts: Any) -> StudySpec:
    """The study that searches one technique."""
    return techniques.search_spec(study(**parts), ComparisonSpec(trials_per_technique=40, folds=4), technique)


def values(spec: StudySpec) -> dict[str, Any]:
    """What a first trial of a study tries."""
    return spec.space.hyperparameters(Mirror(spec, []).ask().params).effective()


def per_layer(*layers: Document) -> dict[str, Any]:
    return {"model": TWO_LAYERS, "space": {"scope": "per_layer", "layers": list(layers)}}


def refused(technique: Technique, **parts: Any) -> str:
    """Why a study has no room for a technique."""
    spec = study(**parts)
    with pytest.raises(InvalidSpecError) as raised:
        techniques.check_allowed(spec, ("combined", technique))
    [error] = raised.value.errors
    assert error.field == "comparison.techniques.1"
    assert f"the study's space excludes {technique}" in error.message
    assert "leave the technique out or widen the space" in error.message
    return error.message


@pytest.mark.parametrize("technique", OWN)
def test_a_technique_searches_its_own_parameters_and_the_learning_rate(technique: Technique) -> None:
    whole, own = study(space=WHOLE).space, searched(technique, space=WHOLE).space
    assert set(own.searched()) == OWN[technique] | {"learning_rate"}
    assert own.distributions() == {name: whole.distributions()[name] for name in own.distributions()}


@pytest.mark.parametrize("technique", [one for one in OWN if one != "combined"])
def test_all_other_regularization_is_off(technique: Technique) -> None:
    found = values(searched(technique, space=WHOLE))
    assert found["regularizer"] == (technique if technique in {"l1", "l2", "elastic_net"} else "none")
    assert (found["lambda"] is None) == (found["regularizer"] == "none")
    assert (found["dropout"] != 0) == (technique == "dropout")
    assert (found["patience"] is not None) == (technique == "early_stopping")
    assert not [name for name in found if name.startswith(("bias_", "activity_"))]


def test_what_is_fixed_stays_fixed_and_null_is_no_patience() -> None:
    assert searched("early_stopping", space={"patience": [None, 3, 9]}).space.patience == (3, 9)
    spec = searched("l1", space={"lambda": 0.02, "learning_rate": 0.005, "batch_size": 8, "l1_mode": "penalty"})
    assert (spec.space.searched(), spec.space.l1_mode) == ({}, "penalty")
    found = values(spec)
    assert (found["lambda"], found["learning_rate"], found["batch_size"]) == (0.02, 0.005, 8)


@pytest.mark.parametrize("technique", ["l1", "l2", "elastic_net", "dropout"])
def test_with_a_scope_of_layers_each_layer_has_its_own(technique: Technique) -> None:
    parts: dict[str, Any] = {"model": TWO_LAYERS, "space": {"scope": "per_layer"}}
    expected = {f"layer{number}_{name}" for number in (1, 2) for name in OWN[technique]}
    assert set(searched(technique, **parts).space.searched()) == expected
    found = values(searched(technique, **parts))
    assert all((found[f"layer{n}_dropout"] != 0) == (technique == "dropout") for n in (1, 2))
    off = "none" if technique == "dropout" else technique
    assert [found[f"layer{n}_regularizer"] for n in (1, 2)] == [off, off]


@pytest.mark.parametrize("technique", ["none", "early_stopping"])
def test_what_no_layer_has_stays_off_in_every_layer(technique: Technique) -> None:
    strong = {"regularizer": "l2", "lambda": 0.5, "dropout": 0.4}
    parts = per_layer(strong, strong)
    found = values(searched(technique, **parts))
    assert [(found[f"layer{n}_regularizer"], found[f"layer{n}_dropout"]) for n in (1, 2)] == [("none", 0)] * 2
    assert set(searched(technique, **parts).space.searched()) == OWN[technique]


def test_a_layer_keeps_its_own_strength_and_one_that_lacks_the_kind_has_none() -> None:
    parts = per_layer({"regularizer": ["l1", "l2"], "lambda": [0.1, 0.2]}, {"regularizer": "l2", "dropout": 0.3})
    found = searched("l1", **parts).space
    assert found.searched() == {"layer1_lambda": (0.1, 0.2)}
    both = values(searched("l1", **parts))
    assert (both["layer1_regularizer"], both["layer2_regularizer"], both["layer2_dropout"]) == ("l1", "none", 0)
    assert values(searched("dropout", **parts))["layer2_dropout"] == 0.3


@pytest.mark.parametrize(
    ("technique", "space", "why"),
    [
        ("l1", {"regularizer": ["none", "l2"]}, "regularizer lacks l1"),
        ("elastic_net", {"regularizer": "l1"}, "regularizer lacks elastic_net"),
        ("l2", {"lambda": 0}, "lambda is 0"),
        ("dropout", {"dropout": 0}, "dropout is 0"),
        ("dropout", {"dropout": {"low": 0, "high": 0}}, "dropout is 0"),
        ("early_stopping", {"patience": None}, "patience is null"),
        ("early_stopping", {"patience": [None]}, "patience is null"),
    ],
)
def test_a_technique_that_the_space_excludes_is_named_with_the_reason(
    technique: Technique, space: Document, why: str
) -> None:
    assert why in refused(technique, space=space)


@pytest.mark.parametrize(
    ("technique", "layers"),
    [
        ("l1", ({"regularizer": "l2"}, {"regularizer": "none"})),
        ("dropout", ({"dropout": 0}, {"dropout": 0})),
        ("l1", ({"lambda": 0}, {"lambda": 0})),
        ("l1", ({"regularizer": "l1", "lambda": 0}, {"regularizer": "l2", "lambda": 0.1})),
    ],
)
def test_a_technique_that_no_layer_has_room_for_is_excluded(technique: Technique, layers: tuple[Document, ...]) -> None:
    refused(technique, **per_layer(*layers))


def test_every_excluded_technique_is_named_at_once() -> None:
    with pytest.raises(InvalidSpecError) as raised:
        techniques.check_allowed(study(space={"regularizer": "l2", "dropout": 0}), TECHNIQUES)
    excluded = [TECHNIQUES[int(error.field.rpartition(".")[2])] for error in raised.value.errors]
    assert excluded == ["l1", "elastic_net", "dropout"]


def test_few_rows_are_searched_on_folds_and_many_as_the_study_says() -> None:
    few, many = ({"dataset": {"kind": "synthetic", "name": "clean", "rows": rows}} for rows in (4999, 5000))
    assert searched("l1", **few).resampling.fits == 4
    assert searched("l1", **many).resampling == study(**many).resampling
    repeated = study(resampling={"kind": "repeated_kfold", "folds": 3, "repeats": 2}).resampling
    assert searched("l1", resampling=repeated).resampling == repeated


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "qmc", "nsga2", "grid", "brute_force"])
def test_the_search_of_a_technique_is_a_study_that_can_be_asked(technique: Technique, sampler: str) -> None:
    space = FINITE | {"regularizer": list(REGULARIZERS)} if sampler == "brute_force" else {}
    spec = searched(technique, space=space, sampler=sampler, budget={"trials": 4})
    checks.check_search(spec)
    assert StudySpec.model_validate(spec.model_dump(mode="json")) == spec
    mirror, own = Mirror(spec, []), set(spec.space.searched())
    for value in (0.5, 0.4, 0.6, 0.3):
        trial = mirror.ask()
        assert set(trial.params) == own
        mirror.tell(trial, TrialState.COMPLETE, [value])


def test_of_several_objectives_the_first_is_searched() -> None:
    spec = searched("l1", objectives=["val_accuracy", "epochs"], sampler="nsga2", comparison={}, seed=9)
    assert (spec.objectives, spec.sampler.name) == (("val_accuracy",), "tpe")
    assert (spec.budget.trials, spec.comparison, spec.seed) == (40, None, 9)
    planned = techniques.confirmation_spec(spec, ComparisonSpec(folds=3, repeats=4), 77)
    assert (planned.resampling.nested, planned.resampling.fits, planned.budget.trials) == (True, 12, 77)
    assert (planned.objectives, planned.pruner.name, planned.seed) == (("val_accuracy",), "none", 9)


@pytest.mark.parametrize(
    ("comparison", "field", "message"),
    [
        ({"techniques": ["l1", "l2", "l1"]}, "comparison.techniques", "lists a technique twice"),
        ({"techniques": ["l1"]}, "comparison.techniques", "at least 2"),
        ({"techniques": ["l1", "l3"]}, "comparison.techniques.1", "'l3' is not known"),
        ({"technique": ["l1", "l2"]}, "comparison.technique", "did you mean techniques?"),
        ({"folds": 1}, "comparison.folds", "greater than or equal to 2"),
        ({"rope": 0}, "comparison.rope", "greater than 0"),
        ([], "comparison", "must be a JSON object"),
    ],
)
def test_a_comparison_that_makes_no_sense_is_refused_by_the_field(comparison: Any, field: str, message: str) -> None:
    with pytest.raises(InvalidSpecError) as raised:
        study(comparison=comparison)
    [error] = raised.value.errors
    assert error.field == field
    assert message in error.message


def test_techniques_that_are_not_named_are_those_that_the_space_allows() -> None:
    spec = study(space={"regularizer": ["l1"], "dropout": 0})
    for asked in (ComparisonSpec(), ComparisonSpec.model_validate(ComparisonSpec().model_dump(mode="json"))):
        assert techniques.resolve(spec, asked).techniques == ("none", "l1", "early_stopping", "combined")
    with pytest.raises(InvalidSpecError, match=r"comparison\.techniques\.1: .* excludes l2"):
        techniques.resolve(spec, ComparisonSpec(techniques=("none", "l2")))
