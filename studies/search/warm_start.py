"""Another study's trials, for this study's sampler to learn from before its first trial.

They are copied when the study is accepted, so that it does not depend on the other study later. They cost none of the
budget and are no trials of the study.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.objectives import cost_sign
from studies.search.enqueued import contains
from studies.spec.dataset import DatasetSpec, SyntheticDataset, UploadedDataset
from studies.spec.space import SearchSpace
from studies.spec.study import StudySpec

#: Trials that are copied at most: the best.
MAX_TRIALS = 1000


def document(
    spec: StudySpec, other: StudySpec, trials: Iterable[tuple[Mapping[str, Any], Sequence[float]]]
) -> dict[str, Any]:
    """Choose of another study's complete trials those that this study could have asked itself, as JSON.

    `trials` are their params and values, best first; `left_out` counts the others by why they were not taken.
    """
    space = spec.space.distributions()
    fitting: list[dict[str, Any]] = []
    left_out = Counter[str]()
    for params, values in trials:
        why = _why_not(spec.space, space, other.space, params)
        if why is None:
            fitting.append({"params": {name: params[name] for name in space}, "values": list(values)})
        else:
            left_out[why] += 1
    sign = cost_sign(spec.directions[0])
    best = sorted(fitting, key=lambda trial: sign * float(trial["values"][0]))[:MAX_TRIALS]
    if len(fitting) > len(best):
        left_out[f"only the best {MAX_TRIALS} are taken"] = len(fitting) - len(best)
    return {"trials": best, "left_out": dict(left_out)}


def _why_not(here: SearchSpace, space: Mapping[str, Any], there: SearchSpace, params: Mapping[str, Any]) -> str | None:
    """Say why a space could not have given a trial of another space; None when it could."""
    if there.searched().keys() - params.keys():
        return "it was planned by a comparison"
    for name, distribution in space.items():
        if name not in params:
            return f"{name} is not searched there"
        if not contains(distribution, params[name]):
            return f"{name} lies outside its values here"
    asked = here.hyperparameters({name: params[name] for name in space})
    ran = there.hyperparameters({name: params[name] for name in there.searched()})
    # As they take effect: whatever λ is beside no penalty, the training is the same.
    ours, theirs = asked.effective(), ran.effective()
    if differing := [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]:
        name = next((name for name in differing if ours.get(name) is not None), differing[0])
        return f"{name} is fixed to {here.fixed().get(name)} here"
    if asked.regularization.proximal != ran.regularization.proximal:
        return f"l1_mode is {here.l1_mode} here"
    return None


def same_rows(one: DatasetSpec, other: DatasetSpec) -> bool:
    """Return whether two studies are about the same data, read in the same way, whatever its name."""
    if isinstance(one, UploadedDataset) and isinstance(other, UploadedDataset):
        return (one.digest, one.format, one.options) == (other.digest, other.format, other.options)
    if isinstance(one, SyntheticDataset) and isinstance(other, SyntheticDataset):
        return (one.name, one.recipe, one.seed) == (other.name, other.recipe, other.seed)
    return one == other


def trials(spec: StudySpec, documents: Iterable[Mapping[str, Any]]) -> list[FrozenTrial]:
    """Read the trials of what `document` gave as Optuna's."""
    space = spec.space.distributions()
    return [
        create_trial(
            state=TrialState.COMPLETE, params=document["params"], distributions=space, values=document["values"]
        )
        for document in documents
    ]
