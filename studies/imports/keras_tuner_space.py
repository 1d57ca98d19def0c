"""Reads KerasTuner's hyperparameters: their values, and the conditions under which they are there."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studies.imports.distribution_error import DistributionError
from studies.imports.imported import Choices, LeftOut, Theirs
from studies.imports.names import SINGLE, meaning_of
from studies.imports.options import leaving_out
from studies.imports.optuna_distributions import bound_of, is_number, merge, steps
from studies.imports.placing import is_left_out
from studies.spec.parameter import MAX_CHOICES

#: Parts of a hyperparameter that may be left out, behind its name.
PARTS = (".step", ".sampling", ".conditions")
_STRENGTHS = frozenset({"lambda", "l1", "l2", "l2/2", "l1_ratio"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A hyperparameter as KerasTuner writes it: there may be several of one name, under other conditions."""

    name: str
    kind: str  # Float, Int, Choice, Boolean, Fixed
    config: Mapping[str, Any]

    @property
    def conditions(self) -> list[tuple[str, Sequence[Any]]]:
        """The hyperparameters that it depends on, each with the values under which it is there."""
        written = self.config.get("conditions") or []
        listed = written if isinstance(written, list) else []
        configs = [each.get("config") for each in listed if isinstance(each, Mapping)]
        return [(str(each.get("name")), _list(each.get("values"))) for each in configs if isinstance(each, Mapping)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def read_entries(config: Any, refused: list[LeftOut]) -> list[Entry]:
    """The entries of a config of HyperParameters; what is none is refused."""
    space = config.get("space") if isinstance(config, Mapping) else None
    if not isinstance(space, list):
        right = "write json.dumps(hp.get_config()), or name a tuner's project folder"
        refused.append(LeftOut("space", f"is missing; these are no HyperParameters of KerasTuner: {right}"))
        return []
    entries = []
    for index, each in enumerate(space):
        inner = each.get("config") if isinstance(each, Mapping) else None
        if isinstance(inner, Mapping) and isinstance(inner.get("name"), str):
            entries.append(Entry(inner["name"], str(each.get("class_name")), inner))
        else:
            refused.append(LeftOut(f"space.{index}", "is no hyperparameter as KerasTuner writes it"))
    return entries


def read_theirs(
    entries: Sequence[Entry], choices: Choices, refused: list[LeftOut], notes: list[LeftOut]
) -> Iterator[Theirs]:
    """Each hyperparameter by its name, with the values of all its entries."""
    by_name: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_name[entry.name].append(entry)
    parents = {name for entry in entries for name, _ in entry.conditions}
    for name, same in by_name.items():
        if name in parents and name in choices.values and _meaning(Theirs(name, choices.values[name]), choices) is None:
            notes.append(LeftOut(name, f"is {choices.values[name]}, as you said, which says what else is there"))
            continue
        if is_left_out(name, choices) or name in choices.values:
            yield Theirs(name, None)
            continue
        there = [entry for entry in same if _may_be_there(entry, choices)]
        if not there:
            conditions = _said(same[0].conditions)
            notes.append(LeftOut(name, f"is there only where {conditions}, which is not so here; left out"))
            continue
        try:
            values = merge([_values(entry, choices) for entry in there])
        except DistributionError as error:
            refused.append(error.refusal_of(name))
            continue
        theirs = Theirs(name, values)
        reason = _why_conditional(theirs, there, by_name, choices)
        if reason and f"{name}.conditions" not in choices.leave_out:
            if parent := _settled_by(there, choices):
                refused.append(LeftOut(f"{name}.conditions", f"{reason}; --fix {parent}=… decides it"))
                continue
            refused.append(LeftOut(f"{name}.conditions", reason, leaving_out(f"{name}.conditions")))
        yield theirs


def _may_be_there(entry: Entry, choices: Choices) -> bool:
    """Return whether an entry is there under what the user fixes."""
    return all(choices.values[name] in values for name, values in entry.conditions if name in choices.values)


def _why_conditional(
    theirs: Theirs, entries: Iterable[Entry], by_name: Mapping[str, Sequence[Entry]], choices: Choices
) -> str:
    """Say why every trial has a hyperparameter that not all of theirs have; empty where it makes no difference."""
    open_conditions = [
        (name, values)
        for entry in entries
        for name, values in entry.conditions
        if name not in choices.values and not is_left_out(name, choices)
    ]
    if not open_conditions or (
        _meaning(theirs, choices) in _STRENGTHS
        and all(_meaning(Theirs(name, ("l1",)), choices) == "regularizer" for name, _ in open_conditions)
    ):
        return ""
    if all(_is_always(values, by_name.get(name, ())) for name, values in open_conditions):
        return ""
    return (
        f"is there only where {_said(open_conditions)}, and here every trial has all its params: leave the conditions "
        "out, or say with --fix which it is"
    )


def _settled_by(entries: Iterable[Entry], choices: Choices) -> str:
    """What an entry depends on that a study has one value of, and whose refusal asks for it; empty where nothing is."""
    named = {name: None for entry in entries for name, _ in entry.conditions}
    names = (name for name in named if name not in choices.values and not is_left_out(name, choices))
    return next((name for name in names if _meaning(Theirs(name, ()), choices) in SINGLE), "")


def _is_always(values: Sequence[Any], parents: Sequence[Entry]) -> bool:
    """Return whether a condition holds for all values that its hyperparameter may have."""
    configs = [parent.config for parent in parents]
    listed = [[config["value"]] if "value" in config else config.get("values") for config in configs]
    allowed = set(map(repr, values))
    return bool(listed) and all(isinstance(each, list) and set(map(repr, each)) <= allowed for each in listed)


def _meaning(theirs: Theirs, choices: Choices) -> str | None:
    return choices.meanings.get(theirs.name) or meaning_of(theirs.name, theirs.values)


def _said(conditions: Iterable[tuple[str, Sequence[Any]]]) -> str:
    once = dict.fromkeys((name, tuple(values)) for name, values in conditions)
    return " and ".join(f"{name} is {' or '.join(map(str, values))}" for name, values in once)


def _values(entry: Entry, choices: Choices) -> Any:
    """The values of an entry: a dict with low, high and log, a tuple of choices, or one value."""
    config = entry.config
    match entry.kind:
        case "Fixed":
            return config.get("value")
        case "Boolean":
            return (True, False)
        case "Choice":
            return _listed(config.get("values"))
        case "Float" | "Int":
            return _range(entry, choices)
    raise DistributionError(f"{entry.kind!r:.60} is no hyperparameter of KerasTuner's")


def _listed(values: Any) -> Any:
    if not isinstance(values, list) or not values:
        raise DistributionError("its `values` are no list")
    if len(values) > MAX_CHOICES:
        raise DistributionError(f"has {len(values):,} values; a study lists at most {MAX_CHOICES:,}")
    return values[0] if len(values) == 1 else tuple(values)


def _range(entry: Entry, choices: Choices) -> Any:
    config, name = entry.config, entry.name
    low, high = (bound_of(config, bound, whole=entry.kind == "Int") for bound in ("min_value", "max_value"))
    sampling = str(config.get("sampling") or "linear").lower()
    if sampling not in {"linear", "log", "reverse_log"}:
        raise DistributionError(f"its sampling {sampling!r:.40} is none of linear, log and reverse_log")
    if low > high or (low <= 0 and sampling != "linear"):
        raise DistributionError(f"has no range from {low} to {high} for the sampling {sampling}")
    step = config.get("step")
    if low == high:
        return low
    # KerasTuner's Int without a step takes each whole number, and so does one of a linear step of 1.
    if (
        step is not None
        and not (entry.kind == "Int" and sampling == "linear" and step == 1)
        and (f"{name}.step" not in choices.leave_out)
    ):
        return _steps(entry, low, high, step, sampling)
    if sampling == "reverse_log" and f"{name}.sampling" not in choices.leave_out:
        raise DistributionError(
            "draws more of the greater values (reverse_log), and a range here draws evenly, or evenly over orders of "
            "magnitude: leave the sampling out to draw evenly",
            part="sampling",
        )
    return {"low": low, "high": high, "log": sampling == "log"}


def _steps(entry: Entry, low: float, high: float, step: Any, sampling: str) -> Any:
    if sampling == "linear":
        return steps(low, high, step)
    if not is_number(step) or step <= 1:
        raise DistributionError("its step is no factor above 1")
    # As KerasTuner counts them: from the least on for log, from the greatest on for reverse_log.
    count = int(math.log(high / low, step) + 1e-8) + 1
    if count > MAX_CHOICES:
        raise DistributionError(f"has {count:,} steps; a study lists at most {MAX_CHOICES:,}", part="step")
    powers = [low * step**index for index in range(count)]
    values = powers if sampling == "log" else [high + low - each for each in reversed(powers)]
    listed = [int(each) if entry.kind == "Int" else float(f"{each:.12g}") for each in values]
    return listed[0] if count == 1 else tuple(listed)
