"""Reads the searches in a study's findings: their complete trials, and the best of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from studies.analysis.findings import Findings, Trial
from studies.analysis.labels import OWN_SEARCH, OWN_SEARCH_COLOR, color, label
from studies.objectives import cost_sign
from studies.search import pareto


class Search(NamedTuple):
    """The complete trials of one search, with its name and colour in figures."""

    name: str
    color: str
    trials: Sequence[Trial]


def complete(trials: Iterable[Trial]) -> list[Trial]:
    """The trials that have values."""
    return [trial for trial in trials if trial.state == "COMPLETE" and trial.values]


def first_value(trial: Trial) -> float:
    """The first objective's value of a complete trial."""
    return (trial.values or [math.nan])[0]


def searches(findings: Findings) -> list[Search]:
    """The searches with complete trials: the study's own, then each technique's."""
    every = [Search(OWN_SEARCH, OWN_SEARCH_COLOR, complete(findings.trials))]
    every += [Search(label(name), color(name), complete(trials)) for name, trials in findings.searched.items()]
    return [search for search in every if search.trials]


def best_searched(findings: Findings) -> list[Trial]:
    """The best complete trial of the study's own search; the Pareto front where there are several objectives."""
    trials = complete(findings.trials)
    if not trials:
        return []
    if len(findings.spec.objectives) > 1:
        front = pareto.front([trial.values or [] for trial in trials], findings.spec.directions)
        return [trials[index] for index in front]
    sign = cost_sign(findings.spec.directions[0])
    return [min(trials, key=lambda trial: sign * first_value(trial))]
