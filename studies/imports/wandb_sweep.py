"""Imports a sweep of Weights & Biases: its YAML becomes a study.

The fields are those of https://docs.wandb.ai/models/sweeps/sweep-config-keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from studies.document_bounds import check_document
from studies.errors import FieldError, InvalidImportError
from studies.imports import checking
from studies.imports.distribution_error import DistributionError
from studies.imports.imported import NO_CHOICES, Choices, Imported, LeftOut, Theirs
from studies.imports.options import leaving_out
from studies.imports.placement import Placement
from studies.imports.placing import check_choices, is_left_out, left_out, place
from studies.imports.wandb_command import flags_of
from studies.imports.wandb_distributions import read_values
from studies.imports.wandb_fields import MAX_TRIALS, place_budget, place_method, place_metric, place_name
from studies.imports.wandb_hyperband import place_early_terminate
from studies.search.grid import count_choices
from studies.study_file import parse, read_yaml

#: Say how W&B starts and shows runs.
_LAUNCHING = frozenset(
    {"program", "command", "project", "entity", "description", "job", "image_uri", "controller", "apiVersion", "kind"}
)
_READ = frozenset({"name", "method", "metric", "parameters", "early_terminate", "run_cap"})
#: Options of a parameter beside its bounds.
_DROPPABLE = ("q", "probabilities")
_MAX_DEPTH = 20


def read_sweep(path: Path) -> dict[str, Any]:
    """Read a sweep file.

    Raises InvalidImportError when it is no mapping, and InvalidSpecError when it is missing or not YAML.
    """
    content = read_yaml(path)
    if not isinstance(content, Mapping):
        message = f"{path} holds a {type(content).__name__}, not a sweep; start with `method:` and `parameters:`"
        raise InvalidImportError([FieldError("", message)])
    return dict(content)


def import_sweep(
    document: Mapping[str, Any],
    dataset: Mapping[str, Any],
    choices: Choices = NO_CHOICES,
    check: checking.Check = parse,
) -> Imported:
    """Make a study of `dataset` of a sweep's document; `check` checks it.

    Raises InvalidImportError when a part of the sweep has no meaning here, with the reason of each, and
    InvalidSpecError when it holds what no document may.
    """
    check_document(document)
    parameters = document.get("parameters")
    config = parameters if isinstance(parameters, Mapping) else {}
    check_choices(choices, _names(document, config))
    refused: list[LeftOut] = []
    if not isinstance(document.get("parameters"), Mapping):
        refused.append(LeftOut("parameters", "are missing; a sweep lists what it searches below `parameters:`"))
    read = [*_read_parameters(config, choices, refused), *flags_of(document.get("command"), dict(_flatten(config)))]
    placement = place(read, choices)
    placement.refused[:0] = refused
    _place_fields(document, choices, placement)
    checking.refuse(placement.refused)
    study = checking.document_of({**placement.fields, "dataset": dict(dataset)})
    if placement.fields.get("sampler.name") == "grid":
        study = _with_whole_grid(study, document, placement, check)
    checking.check_study(study, placement.sources, check)
    return Imported(study, left_out(choices), notes=tuple(placement.notes))


def _names(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[str]:
    """Every name that a user may leave out, map or fix."""
    yield from (str(name) for name in document)
    metric, early = document.get("metric"), document.get("early_terminate")
    if isinstance(metric, Mapping):
        yield from (f"metric.{name}" for name in (*metric, "name", "goal"))
        if isinstance(metric.get("name"), str):
            yield metric["name"]
    if isinstance(early, Mapping):
        yield from (f"early_terminate.{name}" for name in early)
    yield from (flag.name for flag in flags_of(document.get("command"), dict(_flatten(parameters))))
    for name, config in _flatten(parameters):
        yield name
        yield from (f"{name}.{part}" for part in _DROPPABLE if isinstance(config, Mapping) and part in config)


def _flatten(parameters: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Each parameter by its name, nested ones with their parents' names before a dot."""
    for key, config in parameters.items():
        name = f"{prefix}{key}"
        inner = config.get("parameters") if isinstance(config, Mapping) else None
        if isinstance(inner, Mapping) and depth < _MAX_DEPTH:
            yield from _flatten(inner, f"{name}.", depth + 1)
        else:
            yield name, config


def _read_parameters(parameters: Mapping[str, Any], choices: Choices, refused: list[LeftOut]) -> Iterator[Theirs]:
    for name, config in _flatten(parameters):
        if is_left_out(name, choices) or name in choices.values:
            yield Theirs(name, None)
            continue
        if not isinstance(config, Mapping):
            refused.append(
                LeftOut(
                    name,
                    "is no parameter of a sweep; write `value: …`, `values: […]` or `min` and `max`",
                    leaving_out(name),
                )
            )
            continue
        ignored = frozenset(part for part in _DROPPABLE if f"{name}.{part}" in choices.leave_out)
        try:
            yield Theirs(name, read_values(config, ignored))
        except DistributionError as error:
            refused.append(error.refusal_of(name))


def _place_fields(document: Mapping[str, Any], choices: Choices, placement: Placement) -> None:
    """Put what stands beside the parameters."""
    for name in document:
        if not is_left_out(str(name), choices) and name not in _READ | _LAUNCHING:
            placement.refuse(
                str(name), "is no field of a sweep that has a meaning here; leave it out", leaving_out(str(name))
            )
    given = {name: value for name, value in document.items() if not is_left_out(str(name), choices)}
    started = [name for name in given if name in _LAUNCHING]
    if started:
        placement.note(", ".join(started), "say how W&B starts and shows runs; a study trains by itself")
    place_name(given, placement)
    if not is_left_out("method", choices):
        place_method(given, placement)
    place_metric(given, choices, placement)
    place_early_terminate(given, choices, placement)
    place_budget(given, placement)


def _with_whole_grid(
    study: dict[str, Any], document: Mapping[str, Any], placement: Placement, check: checking.Check
) -> dict[str, Any]:
    """The study of a grid with as many trials as there are points, or as `run_cap` allows."""
    budget = study.get("budget", {})
    # Of one trial any grid is valid, so that what is wrong is not its size.
    spec = checking.check_study({**study, "budget": {**budget, "trials": 1}}, placement.sources, check)
    points = count_choices(spec.space)
    trials = min(points, budget.get("trials", MAX_TRIALS), MAX_TRIALS)
    if points > trials and "run_cap" not in document:
        placement.note("method", f"the grid has {points:,} points; {trials:,} of them are tried, by chance")
    return {**study, "budget": {**budget, "trials": int(trials)}}
