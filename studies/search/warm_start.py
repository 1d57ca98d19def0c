"""Another study's trials, for this study's sampler to learn from before its first trial.

They are copied when the study is accepted, so that it does not depend on the other study later. They cost none of the
budget and are no trials of the study.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.objectives import cost_sign
from studies.spec.study import StudySpec

#: Trials that are copied at most: the best.
MAX_TRIALS = 1000


def documents(spec: StudySpec, trials: Iterable[tuple[Mapping[str, Any], Sequence[float]]]) -> list[dict[str, Any]]:
    """Params and values of the complete trials that this study could have asked itself, as JSON; best first."""
    space = spec.space.distributions()
    fitting: list[dict[str, Any]] = [
        {"params": {name: params[name] for name in space}, "values": list(values)}
        for params, values in trials
        if all(name in params and contains(distribution, params[name]) for name, distribution in space.items())
    ]
    sign = cost_sign(spec.directions[0])
    return sorted(fitting, key=lambda trial: sign * float(trial["values"][0]))[:MAX_TRIALS]


def trials(spec: StudySpec, documents: Iterable[Mapping[str, Any]]) -> list[FrozenTrial]:
    """Read what `documents` gave as Optuna's trials."""
    space = spec.space.distributions()
    return [
        create_trial(
            state=TrialState.COMPLETE, params=document["params"], distributions=space, values=document["values"]
        )
        for document in documents
    ]


def contains(distribution: Any, value: Any) -> bool:
    """Return whether an Optuna distribution holds a value."""
    if isinstance(value, str | bool) and not hasattr(distribution, "choices"):
        return False
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError):  # of another type than the distribution's values
        return False
