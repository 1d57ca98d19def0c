"""Imports a KerasTuner search: its HyperParameters become a space, its best trials the first ones.

The documents are those that KerasTuner writes: `HyperParameters.get_config()`, a project's oracle.json, a trial.json.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from studies.imports import checking
from studies.imports.imported import NO_CHOICES, Choices, Imported, LeftOut
from studies.imports.keras_tuner_space import PARTS, Entry, read_entries, read_theirs
from studies.imports.optuna_distributions import is_number
from studies.imports.peer_objectives import PeerObjective, place_objectives
from studies.imports.peer_trials import Beginning, PeerTrial, best_first, make_study
from studies.imports.placement import Placement
from studies.imports.placing import check_choices, place
from studies.objectives import Direction
from studies.study_file import parse

#: What stands for an objective that no file names.
OBJECTIVE = "objective"
#: What tuners keep among a trial's values for themselves: tuner/epochs, tuner/bracket, …
_OF_TUNER = "tuner/"


def import_search(
    oracle: Mapping[str, Any],
    trials: Sequence[Mapping[str, Any]],
    dataset: Mapping[str, Any],
    choices: Choices = NO_CHOICES,
    check: checking.Check = parse,
    first_trials: int | None = None,
) -> Imported:
    """Make a study of `dataset` of an oracle.json or a config of HyperParameters, and of the trial.json files.

    Raises InvalidImportError when a part of it has no meaning here, with the reason of each.
    """
    config = oracle.get("hyperparameters", oracle)
    refused: list[LeftOut] = []
    entries = read_entries(config, refused)
    objective = _objective(trials)
    check_choices(choices, _names(entries, objective))
    notes: list[LeftOut] = []
    directions = ["minimize" if objective is None else objective.direction]
    beginning = Beginning([_trial(each) for each in trials], directions, first_trials)
    best = next((trial.params for trial in best_first(beginning)), {})
    read = [replace(each, best=best.get(each.name)) for each in read_theirs(entries, choices, refused, notes)]
    placement = place(read, choices)
    placement.refused[:0] = refused
    placement.notes += notes
    if objective is not None:
        place_objectives([objective], choices, placement)
    _place_hyperband(oracle, placement)
    return make_study(placement, dataset, choices, check, beginning)


def _names(entries: Iterable[Entry], objective: PeerObjective | None) -> Iterator[str]:
    if objective is not None:
        yield objective.name
    for entry in entries:
        yield entry.name
        yield from (f"{entry.name}{part}" for part in PARTS)


def _place_hyperband(oracle: Mapping[str, Any], placement: Placement) -> None:
    """Put the epochs of KerasTuner's Hyperband, and its pruner; other oracles keep no epochs."""
    epochs, factor = oracle.get("max_epochs"), oracle.get("factor")
    if type(epochs) is not int or "brackets" not in oracle:
        return
    placement.fields.setdefault("budget.epochs", epochs)
    placement.fields["pruner.name"] = "hyperband"
    if type(factor) is int and factor >= 2:  # the least that a bracket is divided by
        placement.fields["pruner.reduction_factor"] = factor
    placement.note("Hyperband", "is a pruner here: a trial that is promoted goes on, and is not trained anew")


def _trial(document: Mapping[str, Any]) -> PeerTrial:
    values = _inner(document, "hyperparameters", "values")
    params = {name: value for name, value in values.items() if not name.startswith(_OF_TUNER)}
    score = document.get("score") if document.get("status") == "COMPLETED" else None
    return PeerTrial(params, (float(score),) if is_number(score) else ())  # type: ignore[arg-type]  # a number


def _inner(document: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """An object within others; an empty one where there is none."""
    inner: Any = document
    for name in names:
        inner = inner.get(name) if isinstance(inner, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _objective(trials: Sequence[Mapping[str, Any]]) -> PeerObjective | None:
    """The metric that gave the trials their scores, which no file names; None where no trial has one."""
    likely: dict[tuple[str, Direction], None] | None = None
    for trial in trials:
        if trial.get("status") == "COMPLETED" and is_number(trial.get("score")):
            found = dict.fromkeys(_scoring(trial))
            likely = found if likely is None else {each: None for each in likely if each in found}
    if likely is None:
        return None
    # Of two that agree in all trials, a metric of validation rows: it is what a tuner is given.
    by_rows = sorted(likely, key=lambda each: not each[0].startswith("val_"))
    if by_rows and (len(by_rows) == 1 or not by_rows[1][0].startswith("val_")):
        return PeerObjective(*by_rows[0])
    return PeerObjective(OBJECTIVE, "minimize", is_named=False)


def _scoring(trial: Mapping[str, Any]) -> Iterator[tuple[str, Direction]]:
    """The metrics whose best value is the trial's score."""
    for name, history in _inner(trial, "metrics", "metrics").items():
        of_metric = history if isinstance(history, Mapping) else {}
        direction: Direction = "maximize" if of_metric.get("direction") == "max" else "minimize"
        best = (max if direction == "maximize" else min)(_means(of_metric), default=math.nan)
        if math.isclose(best, trial["score"], rel_tol=1e-9):
            yield name, direction


def _means(history: Mapping[str, Any]) -> Iterator[float]:
    """A metric's mean over the executions of a trial, epoch by epoch."""
    observations = history.get("observations")
    for each in observations if isinstance(observations, list) else ():
        values = each.get("value") if isinstance(each, Mapping) else None
        listed = values if isinstance(values, list) else [values]
        if listed and all(map(is_number, listed)):
            yield sum(listed) / len(listed)
