"""Recommends the candidate with the least expected regret, and says how sure that is.

Simplicity decides only between candidates that are probably practically the same. Detected differences are evidence
beside the answer, and make it a clear one; they are not the rule, for "not detected" is not "none".
"""

from __future__ import annotations

from collections.abc import Sequence

from studies.analysis import wording
from studies.analysis.candidates import complexity
from studies.analysis.fits import RowCounts
from studies.analysis.posterior import Posterior, interval
from studies.analysis.results import (
    Contribution,
    Difference,
    Recommendation,
    Selection,
    TechniqueResult,
    Verdict,
)
from studies.objectives import ObjectiveName

_SAME = 0.9  # probability of practical equivalence from which the simpler candidate is recommended
_LIKELY = 0.5  # probability
_SMALL_TEST_PART = 50  # rows
_FEW = 0.5  # share of the features; a selection of fewer is worth naming


def recommend(
    objective: ObjectiveName,
    table: Sequence[TechniqueResult],
    posterior: Posterior,
    average: Posterior,
    differences: Sequence[Difference],
    rope: float,
    rows: RowCounts,
    selections: Sequence[Selection],
    missing: Sequence[str],
) -> Recommendation:
    """Recommend a candidate of the table.

    `posterior` is of one model of each candidate on new rows, `average` of the mean over its models; `missing` names
    the candidates that could not be compared.
    """
    chosen = choose(table, average, rope)
    worse = {each.loser for each in differences if chosen.technique in (each.first, each.second) and each.matters}
    worse -= {chosen.technique}
    simplest = min(table, key=_complexity)
    verdict = _verdict(chosen, table, worse)
    contributions = _contributions(chosen, table, posterior)
    cost = average.cost(chosen.technique)
    selection = _worth_naming(chosen, selections)
    probability_better = posterior.probability_better(chosen.technique, than=simplest.technique)
    return Recommendation(
        technique=chosen.technique,
        params=chosen.params,
        verdict=verdict,
        probability=chosen.keeps_up,
        regret=chosen.regret,
        cost=cost,
        lines=[
            wording.use(chosen, simplest, verdict, probability_better),
            wording.expect(chosen, simplest, objective),
            wording.certainty(chosen, cost, rope, contributions, objective),
        ],
        evidence=wording.evidence(chosen, worse, objective, selection),
        warnings=[
            *map(wording.not_compared, missing),
            *_warnings(chosen, table, posterior, rope, objective, rows),
        ],
        contributions=contributions,
        selected_features=None if selection is None else selection.selected,
    )


def choose(table: Sequence[TechniqueResult], average: Posterior, rope: float) -> TechniqueResult:
    """Choose the candidate with the least expected regret, or the simplest that is probably practically the same."""
    best = min(table, key=lambda row: row.regret)
    same = [row for row in table if _probability_same(average, row, best, rope) >= _SAME]
    return min([best, *same], key=_complexity)


def _probability_same(average: Posterior, row: TechniqueResult, best: TechniqueResult, rope: float) -> float:
    """Probability that the best candidate is better by no more than `rope`."""
    return 1 - average.probabilities(row.technique, best.technique, rope)[2]


def _complexity(row: TechniqueResult) -> tuple[int, int]:
    return complexity(row.technique, row.parts)


def _verdict(chosen: TechniqueResult, table: Sequence[TechniqueResult], worse: set[str]) -> Verdict:
    """Clear where every simpler candidate is detectably worse; for the simplest, every other one."""
    simpler = [row.technique for row in table if _complexity(row) < _complexity(chosen)]
    others = [row.technique for row in table if row is not chosen]
    if all(name in worse for name in simpler or others):
        return "clear"
    return "practically the same" if not simpler and chosen.keeps_up >= _LIKELY else "likely"


def _contributions(
    chosen: TechniqueResult, table: Sequence[TechniqueResult], posterior: Posterior
) -> list[Contribution]:
    """Estimate the worth of each part of the chosen candidate, where a candidate without it was fitted."""
    contributions = []
    for part in chosen.parts if len(chosen.parts) > 1 else ():
        rest = set(chosen.parts) - {part}
        without = next((row for row in table if set(row.parts) == rest and row.technique != "combined"), None)
        if without is not None:
            worth = interval(posterior.of(without.technique) - posterior.of(chosen.technique))
            helps = posterior.probability_better(chosen.technique, than=without.technique)
            contributions.append(Contribution(part, without.technique, worth, helps))
    return contributions


def _worth_naming(chosen: TechniqueResult, selections: Sequence[Selection]) -> Selection | None:
    """The selection of the recommended technique, or else one that leaves most features out."""
    of_chosen = [selection for selection in selections if selection.technique == chosen.technique]
    small = [each for each in selections if 0 < len(each.selected) <= _FEW * len(each.shares)]
    return next(iter([*of_chosen, *small]), None)


def _warnings(
    chosen: TechniqueResult,
    table: Sequence[TechniqueResult],
    posterior: Posterior,
    rope: float,
    objective: ObjectiveName,
    rows: RowCounts,
) -> list[str]:
    """Warn of too little data to judge by."""
    warnings: list[str] = []
    possible = max(interval(posterior.of(chosen.technique) - posterior.of(row.technique)).high for row in table)
    if chosen.keeps_up < _SAME and possible > rope:
        warnings.append(wording.too_small_to_be_surer(possible, rope, objective, rows.fold))
    if rows.test < _SMALL_TEST_PART:
        warnings.append(wording.rough_test_part(rows.test))
    return warnings
