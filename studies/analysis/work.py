"""The trials and trainings that a study consists of before any of it is accepted, its comparison's among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from studies.analysis import techniques
from studies.spec.comparison import MAX_DELIVERED, ComparisonSpec
from studies.spec.study import StudySpec


@dataclass(frozen=True, slots=True)
class Work:
    """Trials of one kind, and the trainings that they consist of together."""

    spec: StudySpec  # by which they are trained
    trials: int
    fits: int


def plan_work(spec: StudySpec) -> list[Work]:
    """List all that a study trains; of a confirmation at most so much, for a candidate that lost gets no more folds.

    Raises InvalidSpecError when the study cannot be compared as it says.
    """
    trials, repeats = spec.budget.trials, spec.repeats_of_best
    own = [Work(spec, trials, trials * spec.resampling.fits), Work(spec, repeats, repeats * spec.resampling.fits)]
    return own + ([] if spec.comparison is None else list(_comparison(spec, spec.comparison)))


def _comparison(spec: StudySpec, comparison: ComparisonSpec) -> Iterator[Work]:
    comparison = techniques.resolve(spec, comparison)
    names = comparison.techniques or ()
    for technique in names:
        search = techniques.search_spec(spec, comparison, technique)
        yield Work(search, search.budget.trials, search.budget.trials * search.resampling.fits)
    confirmed = techniques.confirmation_spec(spec, comparison, comparison.repeats * len(names))
    fits = comparison.repeats * len(names) * comparison.folds
    delivered = MAX_DELIVERED[comparison.deliver]
    yield Work(
        confirmed, comparison.repeats * len(names) + len(names) + min(delivered, 1), fits + len(names) + delivered
    )
