"""Puts what a W&B sweep says beside its parameters: method, metric, early_terminate, run_cap and name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.imports.imported import Choices
from studies.imports.metrics import measure_of, objective_of
from studies.imports.options import leaving_out, mapping
from studies.imports.placement import Placement
from studies.objectives import OBJECTIVES, ObjectiveName
from studies.spec.name import is_name, normalize
from studies.spec.parameter import MAX_CHOICES

_TPE = (
    "bayes is a Gaussian process in W&B, and Optuna's TPE here, which takes choices as well; `sampler: gp` is the "
    "other, and needs torch"
)
MAX_TRIALS = 100_000
_DEFAULT_EPOCHS, _DEFAULT_TRIALS = 100, 50


def place_name(sweep: Mapping[str, Any], placement: Placement) -> None:
    """Put the sweep's name, where a study may have it."""
    name = sweep.get("name")
    if not isinstance(name, str):
        return
    if is_name(normalize(name)):
        placement.fields["name"] = name
    else:
        placement.note("name", "cannot be a study's name; one is made up")


def place_method(sweep: Mapping[str, Any], placement: Placement) -> None:
    """Put the sampler; a grid takes listed values only."""
    method = sweep.get("method")
    names = {"bayes": "tpe", "random": "random", "grid": "grid"}
    if not isinstance(method, str) or method not in names:
        said = "is missing" if method is None else f"{method!r:.60} is none that a study has"
        placement.refuse("method", f"{said}; write random, grid or bayes")
    placement.fields["sampler.name"] = names.get(method, "random") if isinstance(method, str) else "random"
    if method == "bayes":
        placement.note("method", _TPE)
    if method == "grid":
        _list_ranges(placement)


def _list_ranges(placement: Placement) -> None:
    """List the whole numbers of each range, as W&B's grid does; refuse ranges of other numbers, as it does."""
    for path, value in placement.fields.items():
        if not path.startswith("space.") or not isinstance(value, dict):
            continue
        if type(value["low"]) is int and not value.get("log"):
            count = value["high"] - value["low"] + 1
            if count > MAX_CHOICES:  # before they are listed, for there may be any number
                said = f"has {count:,} values, and a grid here takes at most {MAX_CHOICES:,} of each; write fewer"
                placement.refuse(placement.sources[path], said, leaving_out("method"))
                continue
            placement.fields[path] = list(range(value["low"], value["high"] + 1))
        else:
            placement.refuse(
                placement.sources[path],
                "a grid takes each of some values; write `values: […]`, or leave the method out for the default, tpe",
                leaving_out("method"),
            )


def place_budget(sweep: Mapping[str, Any], placement: Placement) -> None:
    """Put the number of trials; W&B goes on until it is stopped where there is none."""
    if "budget.epochs" not in placement.fields:
        placement.note("epochs", f"not in the file, so a trial has at most {_DEFAULT_EPOCHS}")
    cap = sweep.get("run_cap")
    if cap is not None and (type(cap) is not int or not 1 <= cap <= MAX_TRIALS):
        placement.refuse("run_cap", f"{cap!r:.40} is no whole number from 1 to {MAX_TRIALS:,}")
    elif cap is not None:
        placement.fields["budget.trials"] = cap
        placement.sources["budget.trials"] = "run_cap"
    elif sweep.get("method") != "grid":
        placement.note("run_cap", f"not in the file, so the study has {_DEFAULT_TRIALS} trials; a study has an end")
        placement.fields["budget.trials"] = _DEFAULT_TRIALS


def place_metric(sweep: Mapping[str, Any], choices: Choices, placement: Placement) -> None:
    """Put the objective; val_loss where the sweep has no metric."""
    metric = sweep.get("metric")
    if metric is None or "metric.name" in choices.leave_out:
        placement.note("metric", "not in the file, so the study minimises val_loss")
        return
    name = metric.get("name") if isinstance(metric, Mapping) else None
    if not isinstance(name, str):
        placement.refuse(
            "metric", "has no name; write `metric: {name: val_loss, goal: minimize}`", leaving_out("metric")
        )
        return
    for option in metric:
        if option not in {"name", "goal"} and f"metric.{option}" not in choices.leave_out:
            placement.refuse(f"metric.{option}", _why_no_option(str(option)), leaving_out(f"metric.{option}"))
    objective, reason = objective_of(name)
    mapped = choices.meanings.get(name)
    if mapped is not None:
        objective, reason = (mapped, "") if mapped in OBJECTIVES else (None, _no_objective(mapped))
    if objective is None:
        placement.refuse("metric.name", f"{name}: {reason}", mapping(name, _likely_objective(name, metric)))
        return
    _check_goal(metric, name, objective, choices, placement)
    placement.fields["objectives"] = [objective]
    placement.sources["objectives"] = "metric"


def _likely_objective(name: str, metric: Mapping[str, Any]) -> str:
    direction = metric.get("goal", "minimize")
    measure = measure_of(name)
    if measure is not None and OBJECTIVES[measure].direction == direction:
        return measure
    return "val_accuracy" if direction == "maximize" else "val_loss"


def _no_objective(name: str) -> str:
    return f"there is no objective {name} here; there are {', '.join(OBJECTIVES)}"


def _why_no_option(option: str) -> str:
    if option == "target":
        return "a study has no value at which it ends; budget.timeout_seconds and `regsweep stop` end one"
    return "has no meaning here: a trial that fails has no value; leave it out"


def _check_goal(
    metric: Mapping[str, Any], name: str, objective: ObjectiveName, choices: Choices, placement: Placement
) -> None:
    goal, direction = metric.get("goal", "minimize"), OBJECTIVES[objective].direction
    if goal != direction and "metric.goal" not in choices.leave_out:
        default = "" if "goal" in metric else " (W&B's default)"
        placement.refuse(
            "metric.goal",
            f"is {goal!r:.40}{default}, and {objective} is to {direction}; write goal: {direction}, or leave it out",
            leaving_out("metric.goal"),
        )
    if "best" in name.lower():
        placement.note(
            "metric", "the value is that of the weights kept: the best epoch's with patience, else the last's"
        )
    if objective == "val_loss":
        placement.note("metric", f"{name} is val_loss here, without the penalty, which Keras adds to it")
