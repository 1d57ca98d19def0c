"""Samplers and pruners by name: their options, and the studies they cannot serve."""

from __future__ import annotations

import re
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import optuna
import pytest

from studies import study_file
from studies.errors import InvalidSpecError
from studies.search import optuna_options, pruners, samplers
from studies.search.idle_pruners import pruner_warnings
from studies.search.mirror import Mirror
from studies.spec.sampler import PrunerName, SamplerName
from tests.studies.documents import FINITE, IRIS, Document, study

TWO = ["val_loss", "epochs"]


@pytest.mark.parametrize(
    ("pruner", "parts", "field"),
    [
        ({"name": "median"}, {"budget": {"trials": 5}}, "pruner.n_startup_trials"),
        ({"name": "median", "n_startup_trials": 1, "n_min_trials": 30}, {}, "pruner.n_min_trials"),
        ({"name": "percentile", "percentile": 25, "n_warmup_steps": 20}, {}, "pruner.n_warmup_steps"),
        ({"name": "threshold", "upper": 1, "n_warmup_steps": 20}, {}, "pruner.n_warmup_steps"),
        ({"name": "successive_halving", "min_resource": 21}, {}, "pruner.min_resource"),
        ({"name": "successive_halving", "min_resource": 2, "min_early_stopping_rate": 2}, {}, "pruner.min_resource"),
        ({"name": "hyperband", "min_resource": 20}, {}, "pruner.min_resource"),
        ({"name": "patient", "patience": 19}, {}, "pruner.patience"),
        ({"name": "patient", "patience": 1, "wrapped": {"name": "median"}}, {"budget": {"trials": 5, "epochs": 20}},
         "pruner.wrapped.n_startup_trials"),
        ({"name": "wilcoxon"}, {}, "pruner"),
        ({"name": "wilcoxon", "n_startup_steps": 5}, {"resampling": {"kind": "kfold"}}, "pruner.n_startup_steps"),
        ({"name": "median"}, {"objectives": ["epochs"]}, "pruner"),
    ],
)  # fmt: skip
def test_a_pruner_that_can_never_prune_is_warned_of(pruner: Document, parts: Document, field: str) -> None:
    spec = study(pruner=pruner, **{"budget": {"trials": 30, "epochs": 20}} | parts)
    assert [warning.partition(":")[0] for warning in pruner_warnings(spec)] == [field]


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"pruner": {"name": "median", "n_warmup_steps": 19}},
        {"pruner": {"name": "hyperband"}},
        {"pruner": {"name": "successive_halving"}},
        {"pruner": {"name": "wilcoxon"}, "resampling": {"kind": "kfold"}},
        {"pruner": {"name": "patient", "patience": 2}},
    ],
)
def test_a_pruner_that_can_prune_is_not_warned_of(parts: Document) -> None:
    assert pruner_warnings(study(budget={"trials": 30, "epochs": 20}, **parts)) == []


def mistakes(part: Document) -> dict[str, str]:
    with pytest.raises(InvalidSpecError) as refusal:
        study_file.parse({"dataset": IRIS, **part})
    return {error.field: error.message for error in refusal.value.errors}


@pytest.mark.parametrize(
    "name", [name for name in optuna_options.SAMPLERS if name not in {"gp", "grid", "brute_force"}]
)
def test_a_sampler_is_the_one_of_optuna_that_its_name_says(name: SamplerName) -> None:
    spec = study(space=FINITE, sampler={"name": name}, budget={"trials": 12})
    assert isinstance(samplers.build_sampler(spec, 0), getattr(optuna.samplers, optuna_options.SAMPLERS[name]))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("none", {}),
        ("median", {"n_startup_trials": 2}),
        ("percentile", {"percentile": 25.0}),
        ("successive_halving", {"reduction_factor": 2}),
        ("hyperband", {"min_resource": 2, "max_resource": 9}),
        ("threshold", {"upper": 1.5}),
        ("patient", {"patience": 1, "wrapped": {"name": "percentile", "percentile": 10}}),
        ("wilcoxon", {"p_threshold": 0.2}),
    ],
)
def test_a_pruner_is_the_one_of_optuna_that_its_name_says(name: PrunerName, options: Document) -> None:
    built = pruners.build_pruner(study(pruner={"name": name, **options}).pruner)
    assert type(built) is getattr(optuna.pruners, optuna_options.PRUNERS[name])
    for option, value in options.items():
        if option != "wrapped":
            assert vars(built)[f"_{option}"] == value
        else:
            assert isinstance(vars(built)["_wrapped_pruner"], optuna.pruners.PercentilePruner)


@pytest.mark.parametrize(
    ("part", "field", "says"),
    [
        ({"sampler": {"name": "tpe", "startup": 3}}, "sampler.startup", "tpe has no such option.*n_startup_trials"),
        ({"sampler": {"name": "random", "x": 3}}, "sampler.x", "it knows none at all"),
        ({"sampler": {"name": "tpe", "seed": 3}}, "sampler.seed", "no such option"),
        ({"sampler": {"name": "tpe", "n_startup_trials": "many"}}, "sampler.n_startup_trials", "^must be a whole num"),
        ({"sampler": {"name": "nsga2", "population_size": 1}}, "sampler.population_size", "greater than or equal to 2"),
        ({"sampler": {"name": "cmaes"}, "objectives": TWO}, "sampler.name", "one objective; use tpe, nsga2 or nsga3"),
        (
            {"sampler": {"name": "grid", "points": 2}, "budget": {"trials": 37}},
            "budget.trials",
            "grid has 36 distinct points; ask for at most 36",
        ),
        ({"sampler": {"name": "grid", "points": 1}}, "sampler.points", "greater than or equal to 2"),
        ({"sampler": {"name": "brute_force"}}, "space.lambda", "list choices"),
        (
            {"sampler": {"name": "brute_force"}, "space": FINITE},
            "budget.trials",
            "12 distinct points; ask for at most 12",
        ),
        ({"pruner": {"name": "median"}, "objectives": TWO}, "pruner.name", "several objectives.*use none"),
        ({"pruner": {"name": "hyperband", "reduction_factor": 1}}, "pruner.reduction_factor", "or equal to 2"),
        ({"pruner": {"name": "successive_halving", "reduction_factor": 1}}, "pruner.reduction_factor", "or equal to 2"),
        ({"pruner": {"name": "median", "warmup": 3}}, "pruner.warmup", "median has no such option.*n_warmup_steps"),
        ({"sampler": {"name": "tpe", "n_startup_trials": float("inf")}}, "sampler.n_startup_trials", "a finite number"),
        ({"sampler": {"name": "tpe", "n_startup_trials": 10**400}}, "sampler.n_startup_trials", "too many digits"),
        ({"pruner": {"name": "hyperband", "max_resource": []}}, "pruner.max_resource", "^must be a text or must be a"),
        ({"pruner": {"name": "percentile"}}, "pruner.percentile", "percentile needs this option"),
        ({"pruner": {"name": "percentile", "percentile": 101}}, "pruner", "between 0 and 100"),
        ({"pruner": {"name": "threshold"}}, "pruner", "lower or upper must be specified"),
        (
            {"pruner": {"name": "patient", "patience": 1, "wrapped": {"name": "hyperband", "reduction_factor": 1}}},
            "pruner.wrapped.reduction_factor",
            "or equal to 2",
        ),
        (
            {"pruner": {"name": "patient", "patience": 1, "wrapped": {"name": "soft"}}},
            "pruner.wrapped.name",
            "'hyperband'",
        ),
    ],
)
def test_what_a_sampler_or_pruner_cannot_do_is_refused_with_its_field(part: Document, field: str, says: str) -> None:
    found = mistakes(part)
    assert list(found) == [field]
    assert re.search(says, found[field]), found[field]


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed, so gp is at hand")
def test_gp_without_torch_says_what_to_install() -> None:
    assert mistakes({"sampler": {"name": "gp"}}) == {
        "sampler.name": "gp needs torch, which is not installed; install torch or use tpe"
    }


@pytest.mark.parametrize(
    "part",
    [
        {"sampler": {"name": "tpe", "n_ei_candidates": 0}},
        {"sampler": {"name": "cmaes", "popsize": 0}},
        {"sampler": {"name": "cmaes", "popsize": 3}},
        {"pruner": {"name": "hyperband", "max_resource": 0}},
    ],
)
def test_an_option_that_would_break_a_later_trial_is_refused_at_once(part: Document) -> None:
    assert mistakes(part)


def test_an_option_that_optuna_has_deprecated_gives_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            study(sampler={"name": "tpe", "consider_endpoints": True})
        except InvalidSpecError as refusal:
            known = refusal.errors[0].field
        else:
            known = "sampler.consider_endpoints"
    assert known == "sampler.consider_endpoints"


def _asked(**parts: Any) -> list[dict[str, Any]]:
    spec = study(**parts)
    mirror = Mirror(spec, [])
    return [mirror.ask().params for _ in range(spec.budget.trials)]


def test_a_grid_divides_a_range_evenly_and_a_log_range_by_orders_of_magnitude() -> None:
    space = {
        "regularizer": "l2",
        "lambda": {"low": 1e-4, "high": 1, "log": True},
        "dropout": {"low": 0, "high": 0.4},
        "l1_ratio": 0.5,
        "patience": {"low": 1, "high": 2},
    }
    asked = _asked(space=space, sampler={"name": "grid", "points": 3}, budget={"trials": 18})
    values = {name: sorted({params[name] for params in asked}) for name in asked[0]}
    assert values["lambda"] == pytest.approx([1e-4, 1e-2, 1])
    assert values["dropout"] == pytest.approx([0, 0.2, 0.4])
    assert values["patience"] == [1, 2]  # three points between 1 and 2 are two whole numbers


@pytest.mark.parametrize("name", ["tpe", "random", "qmc", "nsga2", "nsga3", "cmaes"])
def test_the_study_seed_decides_what_is_asked(name: SamplerName) -> None:
    first, again, other = (_asked(sampler={"name": name}, budget={"trials": 4}, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_schema_of_options_names_every_sampler_and_pruner() -> None:
    schemas = optuna_options.option_schemas()
    assert set(schemas["x-samplers"]) == set(optuna_options.SAMPLERS)
    assert set(schemas["x-pruners"]) == set(optuna_options.PRUNERS)
    assert schemas["x-samplers"]["grid"]["properties"]["points"]["default"] == 5
    assert "seed" not in schemas["x-samplers"]["tpe"]["properties"]


def test_random_search_covers_a_log_range_evenly() -> None:
    asked = _asked(
        space={"lambda": {"low": 1e-4, "high": 1, "log": True}}, sampler={"name": "random"}, budget={"trials": 300}
    )
    quarters = np.histogram(np.log10([params["lambda"] for params in asked]), bins=4, range=(-4, 0))[0]
    assert quarters.min() > 50
