"""What another study has found, for this study's sampler to know from its first trial on.

It is copied when the study is accepted, so that it does not depend on what becomes of the other. It costs none of the
budget and is no trial of the study.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.objectives import cost_sign
from studies.spec.study import StudySpec

#: Trials that are taken at most: the best.
MOST = 1000


def documents(spec: StudySpec, trials: Iterable[tuple[Mapping[str, Any], Sequence[float]]]) -> list[dict[str, Any]]:
    """Params and values of those complete trials that this study could have asked itself, as JSON; best first."""
    space = spec.space.distributions()
    fitting: list[dict[str, Any]] = [
        {"params": {name: params[name] for name in space}, "values": list(values)}
        for params, values in trials
        if all(name in params and contains(distribution, params[name]) for name, distribution in space.items())
    ]
    sign = cost_sign(spec.directions[0])
    return sorted(fitting, key=lambda found: sign * float(found["values"][0]))[:MOST]


def trials(spec: StudySpec, found: Iterable[Mapping[str, Any]]) -> list[FrozenTrial]:
    """What `documents` gave, as Optuna's trials."""
    space = spec.space.distributions()
    return [
        create_trial(state=TrialState.COMPLETE, params=one["params"], distributions=space, values=one["values"])
        for one in found
    ]


def contains(distribution: Any, value: Any) -> bool:
    """Whether an Optuna distribution holds a value."""
    if isinstance(value, str | bool) and not hasattr(distribution, "choices"):
        return False
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError):  # not of the distribution's kind at all
        return False
