"""Turns the trials of another program into params that a study's first trials try.

Their values rank them and are not taken over: they were measured on other rows, by another network, and most often with
the penalty in the loss, so that a sampler could not compare them with the study's own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studies.hyperparameters import layer_prefixes
from studies.imports import checking
from studies.imports.imported import Choices, Imported, ImportedTrial
from studies.imports.penalty import kind_of, params_of
from studies.imports.placement import Placement
from studies.imports.placing import left_out
from studies.objectives import Direction, cost_sign
from studies.search.enqueued import check_params
from studies.spec.parameter import Range
from studies.spec.study import StudySpec

#: Trials that are tried first at most when nobody says how many: as many as Optuna's TPE asks at random to begin with.
_DEFAULT_TRIALS = 10
#: What a trial has where its regularizer has it.
_OF_SOME_KINDS = frozenset({"lambda", "l1_ratio"})
#: How far a value may lie beside a listed one: programs add up steps, 0.1 + 0.2.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class PeerTrial:
    """A finished trial of another program, by its own names."""

    params: Mapping[str, Any]
    values: tuple[float, ...]  # of each objective; empty of one that gave none


@dataclass(frozen=True, slots=True)
class Beginning:
    """The trials of another program that a study may begin with."""

    trials: Sequence[PeerTrial] = ()
    directions: Sequence[Direction] = ("minimize",)  # of their values
    most: int | None = None  # that are tried first; None: the better half, at most 10


def make_study(
    placement: Placement, dataset: Mapping[str, Any], choices: Choices, check: checking.Check, beginning: Beginning
) -> Imported:
    """Make the study of what was placed, which begins with the best of another program's trials.

    Raises InvalidImportError when a part has no place, or makes no study.
    """
    checking.refuse(placement.refused)
    _say_what_is_not_there(placement)
    study = checking.document_of({**placement.fields, "dataset": dict(dataset)})
    spec = checking.check_study(study, placement.sources, check)
    best = _best(beginning, placement, spec)
    if best:
        study["warm_start"] = {"enqueue": [trial.params for trial in best]}
        checking.check_study(study, placement.sources, check)
    return Imported(study, left_out(choices), best, tuple(placement.notes))


def _say_what_is_not_there(placement: Placement) -> None:
    """Note what a study has and the files of another program do not."""
    if "model.hidden_units" not in placement.fields:
        placement.note("model", "the network is not in it: two hidden layers of 64 units; `run --model` takes yours")
    budget = {"budget.trials": 50, "budget.epochs": 100}
    if missing := [path for path in budget if path not in placement.fields]:
        said = " and ".join(f"{budget[path]} {path.removeprefix('budget.')}" for path in missing)
        placement.note("budget", f"is not in it: at most {said}")
    placement.fields = {**placement.fields, **{path: budget[path] for path in missing}}


def _best(beginning: Beginning, placement: Placement, spec: StudySpec) -> tuple[ImportedTrial, ...]:
    complete = best_first(beginning)
    half = min(_DEFAULT_TRIALS, spec.budget.trials // 2, -(-len(complete) // 2))
    most = half if beginning.most is None else min(beginning.most, spec.budget.trials)
    space = spec.space.distributions()
    # A trial without one of these was of another network: with fewer layers, or without dropout.
    needed = {ours for ours in placement.meanings.values() if ours in space} - _OF_SOME_KINDS
    chosen: dict[str, ImportedTrial] = {}
    outside = 0
    for trial in complete:
        if len(chosen) >= most:
            break
        params = _ours(trial.params, placement, spec)
        if params and needed <= params.keys() and not check_params(space, params, ""):
            key = json.dumps(params, sort_keys=True)
            chosen.setdefault(key, ImportedTrial(params, trial.values[0], "COMPLETE"))
        else:
            outside += 1
    if most > 0 and beginning.trials:
        placement.note("trials", _said(len(chosen), len(complete), len(beginning.trials), outside))
    return tuple(chosen.values())


def _said(chosen: int, complete: int, trials: int, outside: int) -> str:
    beside = f"; {outside} of the best do not fit into this study's space" if outside else ""
    if not chosen:
        return f"none of the {complete} complete ones of {trials} fits into this study's space"
    return (
        f"the params of the best {chosen} of {complete} complete ones (of {trials}) are tried first, within the budget"
        f"{beside}. Their values are not taken over, for they are of other rows and another network"
    )


def best_first(beginning: Beginning) -> list[PeerTrial]:
    """The complete trials, best first; of several objectives those that fewer others beat."""
    trials = [trial for trial in beginning.trials if trial.values and all(map(math.isfinite, trial.values))]
    signs = [cost_sign(direction) for direction in beginning.directions]
    costs = [(tuple(sign * value for sign, value in zip(signs, t.values, strict=True)), t) for t in trials]
    if len(signs) == 1:
        return [trial for _, trial in sorted(costs, key=lambda each: each[0])]
    beaten = [sum(_dominates(other, cost) for other, _ in costs) for cost, _ in costs]
    order = sorted(range(len(costs)), key=lambda index: (beaten[index], costs[index][0]))
    return [costs[index][1] for index in order]


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def _ours(params: Mapping[str, Any], placement: Placement, spec: StudySpec) -> dict[str, Any]:
    """A trial's params in the names and values of a study; those that it does not search are left out."""
    searched, fixed = spec.space.searched(), spec.space.fixed()
    said = {ours: params[theirs] for theirs, ours in placement.meanings.items() if theirs in params}
    given = {name: said[name] for name in said if name in searched}
    for prefix in layer_prefixes(len(spec.space.layers or (None,))):
        # What all layers share there, each layer has here.
        own = {name: value for name, value in said.items() if not name.startswith("layer")}
        own |= {name.removeprefix(prefix): value for name, value in said.items() if prefix and name.startswith(prefix)}
        of_layer = {name: own[name] for name in ("dropout",) if name in own}
        kind = fixed.get(f"{prefix}regularizer")
        if kind is not None and "regularizer" in own and kind_of(own["regularizer"]) != kind:
            return {}  # its strength is of another penalty
        of_layer |= params_of(own, kind)
        given |= {prefix + name: value for name, value in of_layer.items()}
    return {name: _snap(given[name], searched[name]) for name in searched if name in given}


def _snap(value: Any, parameter: Any) -> Any:
    """A value as the space writes it: a listed one where it differs by rounding alone, a whole one of whole numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(parameter, Range):
        if isinstance(parameter.low, int):
            return int(value) if float(value).is_integer() else value
        bounded = min(max(float(value), parameter.low), parameter.high)
        return bounded if math.isclose(bounded, value, rel_tol=_ROUNDING, abs_tol=1e-12) else value
    listed = [each for each in parameter if isinstance(each, int | float) and not isinstance(each, bool)]
    near = (each for each in listed if math.isclose(each, value, rel_tol=_ROUNDING, abs_tol=1e-12))
    return next(near, value)
