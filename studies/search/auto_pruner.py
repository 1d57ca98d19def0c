"""Chooses the pruner of a study with `pruner: auto`, and says why.

A pruner ranks trials at an epoch. Strong regularization learns slowly and is often best in the end, so that at the same
number of trials every pruner finds worse ones. Where the learning rate is searched as well, most trials are hopeless by
it, early and for good. There hyperband costs nothing on a table; on images it does, so that auto is not the default.
`python -m benchmarks.pruners` measures all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from studies.objectives import MONITORS
from studies.spec.parameter import Range
from studies.spec.sampler import PrunerSpec, SamplerName
from studies.spec.study import StudySpec

#: Samplers that learn from pruned trials too, or from none.
_UNHURT_SAMPLERS: frozenset[SamplerName] = frozenset({"tpe", "random", "qmc"})
_MIN_SPAN = 10.0  # from the lowest learning rate to the highest
_MIN_ROWS, _MIN_TRIALS, _MIN_EPOCHS = 1000, 60, 18
_EPOCHS_A_JUDGEMENT = 9  # a bracket judges first after a ninth of the epochs, the next after a third


@dataclass(frozen=True, slots=True)
class PrunerChoice:
    """The pruner that a study runs with, as the API shows it."""

    part: PrunerSpec  # never auto
    why: str


def choose_pruner(spec: StudySpec) -> PrunerChoice:
    """The study's own pruner or, where that is auto, one that suits it."""
    if spec.pruner.name != "auto":
        return PrunerChoice(spec.pruner, "as the study says")
    obstacle = next(_obstacles(spec), None)
    if obstacle is not None:
        return PrunerChoice(PrunerSpec(name="none"), obstacle)
    epochs = spec.budget.epochs
    options = {"name": "hyperband", "min_resource": epochs // _EPOCHS_A_JUDGEMENT, "max_resource": epochs}
    return PrunerChoice(
        PrunerSpec.model_validate(options), "the learning rate is searched, and its hopeless values show early"
    )


def _obstacles(spec: StudySpec) -> Iterator[str]:
    """Say why no pruner suits the study."""
    objective, sampler, rows, budget = spec.objectives[0], spec.sampler.name, spec.dataset.facts.rows, spec.budget
    if len(spec.objectives) > 1:
        yield "several objectives cannot be pruned"
    if objective not in MONITORS:
        yield f"{objective} is known only when a trial has ended"
    if sampler not in _UNHURT_SAMPLERS:
        yield f"the sampler {sampler} needs complete trials"
    if spec.resampling.fits > 1:
        yield "the folds of a trial train side by side, and hardly any is saved when one has ended"
    if _span(spec.space.learning_rate) < _MIN_SPAN:
        yield "the learning rate is not searched, and strong regularization, which learns slowly, would be cut unfairly"
    if spec.training.schedule.name != "constant":
        yield "the learning rate changes within a trial, whose loss may fall late"
    if rows < _MIN_ROWS:
        yield f"of {rows} rows too few validate to tell early which trial is hopeless; it takes {_MIN_ROWS}"
    if budget.trials < _MIN_TRIALS:
        yield f"{budget.trials} trials are too few to tell which is hopeless; it takes {_MIN_TRIALS}"
    if budget.epochs < _MIN_EPOCHS:
        yield f"{budget.epochs} epochs are too few to cut; it takes {_MIN_EPOCHS}"


def _span(rate: Range[float] | tuple[float, ...] | float) -> float:
    """The highest learning rate as a multiple of the lowest."""
    if isinstance(rate, Range):
        return float(rate.high / rate.low)
    return max(rate) / min(rate) if isinstance(rate, tuple) else 1.0
