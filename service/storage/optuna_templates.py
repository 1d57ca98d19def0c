"""What Optuna would have of a trial, made from its record where Optuna's tables lack it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from service.storage.records import StudyRecord, TrialRecord
from studies.plan import Plan
from studies.search.enqueued import contains
from studies.search.mirror import Mirror, as_template, planned_template
from studies.spec.sampler import SamplerSpec
from studies.spec.study import StudySpec
from studies.training.result import reported_objective


def template(study: StudyRecord, trial: TrialRecord) -> FrozenTrial:
    """A running trial with the params of its record; what the sampler drew without effect is drawn anew."""
    number = trial.number or 0
    if trial.plan is not None:
        made = planned_template(number, Plan.read(trial.plan))
    elif trial.params is None:  # it was given up before it was asked
        made = create_trial(state=TrialState.RUNNING)
    else:
        spec = study.parsed_spec
        space = spec.space.distributions()
        params = {name: value for name, value in trial.params.items() if name in space}
        known = {name: value for name, value in params.items() if contains(space[name], value)}
        at_random = spec.model_copy(update={"sampler": SamplerSpec(name="random"), "seed": spec.seed + number})
        made = as_template(Mirror(at_random, []).ask(known))
    made.number = number
    made.datetime_start = None if trial.started_at is None else datetime.fromtimestamp(trial.started_at)
    return made


def curve_steps(spec: StudySpec, curve: Mapping[str, Any] | None) -> dict[int, float]:
    """The objective's value at each epoch of a trial's kept curve.

    Empty where that is no intermediate value: of several objectives, of one that epochs lack, of several trainings.
    """
    objective = reported_objective(spec)
    if objective is None or curve is None or spec.resampling.fits > 1:
        return {}
    pairs = zip(curve.get("epoch", ()), curve.get(objective, ()), strict=False)
    return {int(epoch): value for epoch, value in pairs if value is not None}
