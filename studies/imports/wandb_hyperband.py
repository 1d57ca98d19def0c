"""Puts W&B's early termination: its hyperband is one bracket of successive halving."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from studies.imports.imported import Choices
from studies.imports.options import leaving_out
from studies.imports.placement import Placement


def place_early_terminate(sweep: Mapping[str, Any], choices: Choices, placement: Placement) -> None:
    """Put successive halving: W&B's hyperband is one bracket of it, which stops the worst at min_iter·ηᵏ."""
    early = sweep.get("early_terminate")
    if early is None:
        return
    options = early if isinstance(early, Mapping) else {"type": early}
    if options.get("type") != "hyperband":
        placement.refuse(
            "early_terminate.type",
            f"{options.get('type')!r:.40} is none of W&B's; it has hyperband",
            leaving_out("early_terminate"),
        )
        return
    options = {name: value for name, value in options.items() if f"early_terminate.{name}" not in choices.leave_out}
    for name in options.keys() - {"type", "min_iter", "max_iter", "s", "eta", "strict"}:
        placement.refuse(
            f"early_terminate.{name}",
            "is no option of W&B's hyperband; leave it out",
            leaving_out(f"early_terminate.{name}"),
        )
    if options.get("strict") is False:
        placement.refuse(
            "early_terminate.strict",
            "a pruner here judges by the value at the epoch, as strict: true does; leave it out",
            leaving_out("early_terminate.strict"),
        )
    _place_halving(options, placement)


def _place_halving(options: Mapping[str, Any], placement: Placement) -> None:
    eta = options.get("eta", 3)
    if not _is_number(eta) or eta < 2 or eta != int(eta):
        placement.refuse(
            "early_terminate.eta",
            f"{eta!r:.40} is no whole number of at least 2; 3 is W&B's default",
            leaving_out("early_terminate.eta"),
        )
        return
    first = _first_band(options, int(eta), placement)
    if first is None:
        return
    _note_unread(options, placement)
    fields = {"name": "successive_halving", "min_resource": first, "reduction_factor": int(eta)}
    for name, value in {**fields, "min_early_stopping_rate": 0}.items():
        placement.fields[f"pruner.{name}"] = value
        placement.sources[f"pruner.{name}"] = "early_terminate"
    placement.note(
        "early_terminate",
        f"W&B's hyperband is Optuna's successive halving: of the trials at epoch {first}, {first * int(eta)} and so on "
        f"the best 1 in {int(eta)} go on; an iteration of W&B is taken to be an epoch",
    )
    if options.get("max_iter") is not None and "budget.epochs" not in placement.fields:
        placement.fields["budget.epochs"] = options["max_iter"]
        placement.sources["budget.epochs"] = "early_terminate.max_iter"


def _first_band(options: Mapping[str, Any], eta: int, placement: Placement) -> int | None:
    """The first epoch at which trials are stopped, as W&B's hyperband_stopping.py computes it."""
    # W&B reads max_iter where both are given.
    for name in ("max_iter", "min_iter"):
        value = options.get(name)
        if value is not None and (type(value) is not int or not 1 <= value <= 1_000_000):
            placement.refuse(
                f"early_terminate.{name}",
                f"{value!r:.40} is no whole number from 1 to 1,000,000",
                leaving_out("early_terminate"),
            )
            return None
    if options.get("max_iter") is None:
        if options.get("min_iter") is None:
            placement.refuse(
                "early_terminate",
                "has neither min_iter nor max_iter; write min_iter, the first epoch",
                leaving_out("early_terminate"),
            )
        return options.get("min_iter")
    brackets = options.get("s", 1)
    if not _is_number(brackets) or not 1 <= brackets <= 100:
        placement.refuse(
            "early_terminate.s",
            f"{brackets!r:.40} is no number of brackets, from 1 to 100",
            leaving_out("early_terminate"),
        )
        return None
    band = options["max_iter"] / eta
    for _ in range(int(brackets) - 1):
        if band / eta < 1:
            break
        band /= eta
    return max(1, int(band))


def _note_unread(options: Mapping[str, Any], placement: Placement) -> None:
    """Say which option W&B does not read beside another."""
    by_end = options.get("max_iter") is not None
    unread, other = ("min_iter", "max_iter") if by_end else ("s", "min_iter")
    if options.get(unread) is not None:
        why = "" if by_end else ", only beside max_iter"
        placement.note(f"early_terminate.{unread}", f"W&B does not read it beside {other}{why}; nor is it read here")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
