"""Warns of a pruner that can never prune within a study's budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from studies.objectives import MONITORS
from studies.search.optuna_options import PRUNERS, option_model, options_of
from studies.spec.sampler import PrunerSpec
from studies.spec.study import StudySpec


def pruner_warnings(spec: StudySpec) -> list[str]:
    """A sentence for each option by which the study's pruner never prunes; empty where it can."""
    if spec.pruner.name in ("auto", "none"):
        return []
    if spec.objectives[0] not in MONITORS:
        return [f"pruner: never prunes, for {spec.objectives[0]} is known only when a trial has ended; leave it out"]
    return list(_warnings(spec, spec.pruner, "pruner"))


def _warnings(spec: StudySpec, pruner: PrunerSpec, field: str) -> Iterator[str]:
    options = _options(pruner, field)
    fits, trials = spec.resampling.fits, spec.budget.trials
    steps = fits if fits > 1 else spec.budget.epochs
    unit = "folds" if fits > 1 else "epochs"
    if pruner.name == "wilcoxon" and fits == 1:
        yield f"{field}: wilcoxon compares fold by fold, and the study has no folds; take kfold, or another pruner"
    for option in ("n_startup_trials", "n_min_trials"):
        # Trials of a warm start count as well, and how many there are is not known here.
        knows_others = spec.warm_start is not None and spec.warm_start.study is not None
        if options.get(option, 0) >= trials and not knows_others:
            why = f"it waits for {options[option]} complete trials and the budget has {trials}"
            yield f"{field}.{option}: never prunes, for {why}; set it lower"
    for option, waits in _waits(pruner, options):
        if waits >= steps:
            yield (
                f"{field}.{option}: never prunes, for it waits for {waits} {unit} and a trial has {steps}; set it lower"
            )
    if pruner.name == "patient":
        yield from _warnings(spec, options["wrapped"], f"{field}.wrapped")


def _options(pruner: PrunerSpec, field: str) -> dict[str, Any]:
    """All options, with Optuna's defaults."""
    fields = option_model("pruners", PRUNERS[pruner.name]).model_fields
    return {name: each.default for name, each in fields.items()} | options_of(pruner, field)


def _waits(pruner: PrunerSpec, options: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """The options that let the first epochs or folds of a trial pass, and how many."""
    for option in ("n_warmup_steps", "n_startup_steps"):
        if option in options:
            yield option, options[option]
    if pruner.name == "patient":
        yield "patience", options["patience"] + 1
    smallest = options.get("min_resource")
    if isinstance(smallest, int):  # "auto" is found from the trials
        rate = options.get("min_early_stopping_rate", 0) if pruner.name == "successive_halving" else 0
        yield "min_resource", smallest * options["reduction_factor"] ** rate
