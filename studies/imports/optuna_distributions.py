"""Reads Optuna's distributions, as its storage and `distribution_to_json` write them, in all its versions."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from studies.document_bounds import MAX_BITS
from studies.imports.distribution_error import DistributionError
from studies.imports.placement import without_repeats
from studies.spec.parameter import MAX_CHOICES

_TYPES = {"float": "FloatDistribution", "int": "IntDistribution", "categorical": "CategoricalDistribution"}
#: Of Optuna before 3.0: class -> the one that took its place, and whether it is logarithmic.
_OLDER = {
    "UniformDistribution": ("FloatDistribution", False),
    "LogUniformDistribution": ("FloatDistribution", True),
    "DiscreteUniformDistribution": ("FloatDistribution", False),
    "IntUniformDistribution": ("IntDistribution", False),
    "IntLogUniformDistribution": ("IntDistribution", True),
}


def read_distribution(written: Any, *, without_step: bool = False) -> Any:
    """Read a distribution: a dict with low, high and log, a tuple of choices, or one value.

    `written` is an object of JSON, or its text: `{"name", "attributes"}`, or in Optuna's short form `{"type", …}`.
    `without_step` gives the whole range of one that has a step.

    Raises DistributionError when it is none, or no study draws so.
    """
    kind, attributes = _kind(written)
    if kind == "CategoricalDistribution":
        return _choices(attributes.get("choices"))
    name, log = _OLDER.get(kind, (kind, attributes.get("log") is True))
    if name not in {"FloatDistribution", "IntDistribution"}:
        raise DistributionError(f"{kind!r:.60} is no distribution of Optuna's; they are {', '.join(_TYPES.values())}")
    whole = name == "IntDistribution"
    low, high = (bound_of(attributes, each, whole=whole) for each in ("low", "high"))
    if low > high:
        raise DistributionError(f"its low {low} is above its high {high}")
    step = attributes.get("step", attributes.get("q"))
    if log or without_step or step is None or (whole and step == 1):
        return low if low == high else {"low": low, "high": high, "log": log}
    return steps(low, high, step)


def _kind(written: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(written, str):
        try:
            written = json.loads(written)
        except ValueError:
            written = None
    if isinstance(written, Mapping):
        attributes = written.get("attributes")
        if isinstance(written.get("name"), str) and isinstance(attributes, Mapping):
            return written["name"], attributes
        if written.get("type") in _TYPES:
            return _TYPES[written["type"]], written
    raise DistributionError('is no distribution as Optuna writes it: {"name": "FloatDistribution", "attributes": {…}}')


def bound_of(config: Mapping[str, Any], name: str, *, whole: bool) -> float:
    """An end of a range.

    Raises DistributionError when it is no finite number.
    """
    value: Any = config.get(name)
    if not is_number(value):
        raise DistributionError(f"its `{name}` is no number")
    return int(value) if whole else float(value)


def is_number(value: Any) -> bool:
    """Return whether a value of JSON is a finite number that a float holds."""
    if isinstance(value, int):
        return not isinstance(value, bool) and value.bit_length() <= MAX_BITS
    return isinstance(value, float) and math.isfinite(value)


def _choices(choices: Any) -> Any:
    if not isinstance(choices, list | tuple) or not choices:
        raise DistributionError("its `choices` are no list")
    if len(choices) > MAX_CHOICES:
        raise DistributionError(f"has {len(choices):,} choices; a study lists at most {MAX_CHOICES:,}")
    return choices[0] if len(choices) == 1 else tuple(choices)


def steps(low: float, high: float, step: Any) -> Any:
    """The values from `low` on in steps, at most `high`, as choices.

    Raises DistributionError when the step is none, or there are more than a study lists.
    """
    if not is_number(step) or step <= 0:
        raise DistributionError("its step is no number above 0")
    count = math.floor((high - low) / step + 1e-8) + 1
    if count > MAX_CHOICES:
        raise DistributionError(
            f"has {count:,} steps; a study lists at most {MAX_CHOICES:,}: leave the step out", part="step"
        )
    # A sum of steps has a long tail of digits where the step has few, as 3 * 0.1 has.
    exact = isinstance(low, int) and isinstance(step, int)
    values = [low + index * step if exact else float(f"{low + index * step:.12g}") for index in range(count)]
    return values[0] if count == 1 else tuple(values)


def merge(values: Sequence[Any]) -> Any:
    """What a hyperparameter may be that a program draws from several distributions: ranges in one, all choices listed.

    Raises DistributionError when some are ranges and others not, or draw otherwise.
    """
    once = without_repeats(tuple(values))
    if len(once) == 1:
        return once[0]
    if all(isinstance(each, Mapping) for each in once) and len({each["log"] for each in once}) == 1:
        low, high = min(each["low"] for each in once), max(each["high"] for each in once)
        return {"low": low, "high": high, "log": once[0]["log"]}
    if not any(isinstance(each, Mapping) for each in once):
        listed = [value for each in once for value in (each if isinstance(each, tuple) else (each,))]
        return tuple(without_repeats(tuple(listed)))
    raise DistributionError("is drawn in other ways in other trials; a study draws each value in one way")
