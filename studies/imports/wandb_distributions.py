"""Reads the values of a W&B parameter: each distribution becomes one of ours, or is refused with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, exp, floor, isfinite
from typing import Any

from studies.imports.distribution_error import DistributionError
from studies.spec.parameter import MAX_CHOICES

_UNBOUNDED = frozenset({"normal", "q_normal", "log_normal", "q_log_normal"})
_BETA = frozenset({"beta", "q_beta"})
_STEPS_OF_LOG = frozenset({"q_log_uniform", "q_log_uniform_values"})


def read_values(config: Mapping[str, Any], ignored: frozenset[str] = frozenset()) -> Any:
    """Read a parameter's values: a dict with low, high and log, a tuple of choices, or one value.

    `ignored` are the options, of `q` and `probabilities`, that the user leaves out.

    Raises DistributionError when no study draws so.
    """
    distribution = config.get("distribution") or _default_distribution(config)
    if not isinstance(distribution, str):
        raise DistributionError("its `distribution` is no name; write `distribution: uniform`, or leave it out")
    if distribution in _READERS:
        return _READERS[distribution](config, ignored)
    if distribution in _UNBOUNDED:
        raise DistributionError(
            f"{distribution} has no bounds, and a range here has two; write uniform or log_uniform_values with "
            "min and max"
        )
    if distribution in _BETA:
        raise DistributionError(f"{distribution} is none of the distributions here; write uniform with min and max")
    raise DistributionError(f"has a distribution that W&B does not have: {distribution!r:.60}")


def _default_distribution(config: Mapping[str, Any]) -> str:
    """The distribution that W&B takes when none is named."""
    if "value" in config:
        return "constant"
    if "values" in config:
        return "categorical"
    if "min" not in config or "max" not in config:
        raise DistributionError("has no values; write `value`, `values`, or `min` and `max`")
    return "int_uniform" if all(type(config[bound]) is int for bound in ("min", "max")) else "uniform"


def _constant(config: Mapping[str, Any], _: frozenset[str]) -> Any:
    if "value" not in config:
        raise DistributionError("has no `value`; write `value: …`, or `values: […]`")
    if isinstance(config["value"], Mapping):
        raise DistributionError("its `value` is a mapping; nested parameters stand below `parameters:`")
    return config["value"]


def _choices(config: Mapping[str, Any], ignored: frozenset[str]) -> tuple[Any, ...]:
    values, shares = config.get("values"), config.get("probabilities")
    if not isinstance(values, list | tuple) or not values:
        raise DistributionError("its `values` are no list; write `values: [0.1, 0.2]`, or `value: 0.1`")
    if len(values) > MAX_CHOICES:
        raise DistributionError(f"has {len(values):,} values; a study lists at most {MAX_CHOICES:,}")
    alike = not isinstance(shares, list | tuple) or all(share == shares[0] for share in shares)
    if not alike and "probabilities" not in ignored:
        raise DistributionError(
            "some values are drawn more often, and here all are alike; leave it out for that", "probabilities"
        )
    return tuple(values)


def _bounds(config: Mapping[str, Any]) -> tuple[float, float]:
    low, high = config.get("min"), config.get("max")
    for bound, value in (("min", low), ("max", high)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise DistributionError(f"its `{bound}` is no number; write `{bound}: …`")
    assert isinstance(low, int | float)  # noqa: S101  # checked
    assert isinstance(high, int | float)  # noqa: S101  # checked
    if low > high:
        raise DistributionError(f"its min {low} is above its max {high}")
    return low, high


def _uniform(config: Mapping[str, Any], _: frozenset[str]) -> Any:
    low, high = _bounds(config)
    return _range(float(low), float(high))


def _whole(config: Mapping[str, Any], _: frozenset[str]) -> Any:
    low, high = _bounds(config)
    if low != int(low) or high != int(high):
        raise DistributionError("its min and max are not whole; write `distribution: uniform`")
    return _range(int(low), int(high))


def _range(low: float, high: float, *, log: bool = False) -> Any:
    if low == high:
        return low
    if log and low <= 0:
        raise DistributionError(f"a logarithm has no min of {low}; it must be above 0")
    return {"low": low, "high": high, "log": log}


def _exponents(config: Mapping[str, Any], ignored: frozenset[str]) -> Any:
    distribution = str(config["distribution"])
    _check_steps(config, ignored)
    low, high = _bounds(config)
    if distribution == "inv_log_uniform":
        low, high = -high, -low
    elif low > 0:
        named = f"{distribution}_values"
        raise DistributionError(
            f"min and max of {distribution} are exponents of e, so {low:g} to {high:g} would be {_exp(low)} to "
            f"{_exp(high)}; write {named} for the values themselves, also where you mean these"
        )
    try:
        return _range(exp(low), exp(high), log=True)
    except OverflowError:
        raise DistributionError(f"e to the power of {high:g} is no number; write {distribution}_values") from None


def _exp(exponent: float) -> str:
    try:
        return f"{exp(exponent):.4g}"
    except OverflowError:
        return "more than any number"


def _log_range(config: Mapping[str, Any], ignored: frozenset[str]) -> Any:
    # 1/x is log-uniform where x is, so the inverse distribution is the same one.
    _check_steps(config, ignored)
    return _range(*_bounds(config), log=True)


def _steps(config: Mapping[str, Any], ignored: frozenset[str]) -> Any:
    """The multiples of q between min and max: W&B draws evenly and rounds to them."""
    low, high = _bounds(config)
    step = _step(config)
    if "q" in ignored:
        return _range(low, high)
    # W&B rounds what it draws between the bounds, so a bound half-way between two steps gives the inner one.
    first = floor(low / step + 0.5)
    last = max(first, ceil(high / step - 0.5))
    if last - first >= MAX_CHOICES:
        raise DistributionError(f"has {last - first + 1:,} steps; a study lists at most {MAX_CHOICES:,}; write uniform")
    # A product of the step has a long tail of digits where the step has few, as 3 * 0.1 has.
    values = [each * step if isinstance(step, int) else float(f"{each * step:.12g}") for each in range(first, last + 1)]
    return values[0] if len(values) == 1 else tuple(values)


def _check_steps(config: Mapping[str, Any], ignored: frozenset[str]) -> None:
    if config["distribution"] in _STEPS_OF_LOG and "q" not in ignored:
        step = _step(config)
        raise DistributionError(
            f"a range over orders of magnitude has no steps of {step:g} here: leave q out, or list the values", "q"
        )


def _step(config: Mapping[str, Any]) -> float:
    step = config.get("q", 1)
    if isinstance(step, bool) or not isinstance(step, int | float) or not isfinite(step) or step <= 0:
        raise DistributionError("its `q` is no number above 0")
    return step


_READERS: dict[str, Callable[[Mapping[str, Any], frozenset[str]], Any]] = {
    "constant": _constant,
    "categorical": _choices,
    "categorical_w_probabilities": _choices,
    "uniform": _uniform,
    "int_uniform": _whole,
    "q_uniform": _steps,
    "log_uniform": _exponents,
    "q_log_uniform": _exponents,
    "inv_log_uniform": _exponents,
    "log_uniform_values": _log_range,
    "q_log_uniform_values": _log_range,
    "inv_log_uniform_values": _log_range,
}
