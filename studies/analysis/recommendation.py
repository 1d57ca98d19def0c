"""The answer in words: the candidate with the least expected regret, and how sure that is.

Simplicity decides only between candidates that are probably practically the same. What tests detect is evidence beside
the answer, and makes it a clear one; it is not the rule, for "not detected" is not "none".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from studies.analysis.candidates import complexity
from studies.analysis.labels import label, params_text, percentage, worth_text
from studies.analysis.posterior import Posterior
from studies.analysis.results import (
    Contribution,
    Difference,
    Interval,
    Recommendation,
    Rows,
    Selection,
    TechniqueResult,
    Verdict,
)
from studies.objectives import ObjectiveName

_SAME = 0.9  # probability of practical equivalence from which the simpler one is taken
_LIKELY = 0.5  # probability
_SMALL_TEST_PART = 50  # rows
_FEW = 0.5  # of the features; fewer selected ones are worth naming


def recommend(
    objective: ObjectiveName,
    table: Sequence[TechniqueResult],
    posterior: Posterior,
    average: Posterior,
    differences: Sequence[Difference],
    rope: float,
    rows: Rows,
    selections: Sequence[Selection],
    missing: Sequence[str],
) -> Recommendation:
    """The recommendation, from what one model of each candidate gives on new rows, and what its models give on average;
    `missing` could not be compared.
    """
    chosen = choose(table, average, rope)
    worse = {d.loser for d in differences if chosen.technique in (d.first, d.second) and d.distinguishes()}
    worse -= {chosen.technique}
    simplest = min(table, key=_complexity)
    verdict = _verdict(chosen, table, worse)
    contributions = _contributions(chosen, table, posterior)
    cost = average.cost(chosen.technique)
    selection = _worth_naming(chosen, selections)
    return Recommendation(
        technique=chosen.technique,
        params=chosen.params,
        verdict=verdict,
        probability=chosen.keeps_up,
        regret=chosen.regret,
        cost=cost,
        lines=[
            _use(chosen, simplest, verdict, posterior),
            _expect(chosen, simplest, objective),
            _cost(chosen, cost, rope, contributions, objective),
        ],
        evidence=_evidence(chosen, worse, objective, selection),
        warnings=[*_missing(missing), *_too_small(chosen, table, posterior, rope, objective, rows)],
        contributions=contributions,
        selected_features=None if selection is None else selection.selected,
    )


def choose(table: Sequence[TechniqueResult], average: Posterior, rope: float) -> TechniqueResult:
    """The candidate with the least expected regret, or the simplest that is probably practically the same."""
    best = min(table, key=lambda row: row.regret)
    same = [row for row in table if _keeps_up(average, row, best, rope) >= _SAME]
    return min([best, *same], key=_complexity)


def _keeps_up(average: Posterior, row: TechniqueResult, best: TechniqueResult, rope: float) -> float:
    """Probability that the best one is better by no more than the region of practical equivalence."""
    return 1 - average.probabilities(row.technique, best.technique, rope)[2]


def _complexity(row: TechniqueResult) -> tuple[int, int]:
    return complexity(row.technique, row.parts)


def _verdict(chosen: TechniqueResult, table: Sequence[TechniqueResult], worse: set[str]) -> Verdict:
    """Clear where every simpler candidate, or every other one of the simplest, is detectably worse."""
    simpler = [row.technique for row in table if _complexity(row) < _complexity(chosen)]
    others = [row.technique for row in table if row is not chosen]
    if all(name in worse for name in simpler or others):
        return "clear"
    same = not simpler and chosen.keeps_up >= _LIKELY
    return "practically the same" if same else "likely"


def _use(chosen: TechniqueResult, simplest: TechniqueResult, verdict: Verdict, posterior: Posterior) -> str:
    params = params_text(chosen.technique, chosen.params)
    use = f"Use {label(chosen.technique)}" + (params and f" ({params})")
    if verdict == "practically the same":
        return f"{use}: the techniques are practically the same on this data, and it is the simplest."
    if chosen is simplest:
        surely = "clearly better than every other technique" if verdict == "clear" else "likely as good as any other"
        return f"{use}: {surely}, and the simplest."
    than = f"better than {label(simplest.technique)}"
    if verdict == "clear":
        return f"{use}: clearly {than}, and than every simpler technique."
    sure = posterior.better(simplest.technique, chosen.technique)
    return f"{use}: likely {than}, with a probability of {percentage(sure)}."


def _expect(chosen: TechniqueResult, simplest: TechniqueResult, objective: ObjectiveName) -> str:
    expected = chosen.expected
    words = f"Expect {objective} {expected.mean:.3g} on new rows (95 %: {expected.low:.3g} to {expected.high:.3g})"
    return f"{words}." if chosen is simplest else f"{words}; {label(simplest.technique)}: {simplest.expected.mean:.3g}."


def _cost(
    chosen: TechniqueResult, cost: float, rope: float, contributions: Sequence[Contribution], objective: ObjectiveName
) -> str:
    words = (
        f"With a probability of {percentage(chosen.keeps_up)} nothing that was tried is better by more than {rope:g}; "
        f"if another one is better, it is by {cost:.2g} {objective} on average."
    )
    if not contributions:
        return words
    worth = ", ".join(f"{label(each.part)} {worth_text(each.worth)}" for each in contributions)
    return f"{words} What each part is worth: {worth}."


def _contributions(
    chosen: TechniqueResult, table: Sequence[TechniqueResult], posterior: Posterior
) -> list[Contribution]:
    """What each part of the chosen is worth, where a candidate that lacks just that part was measured."""
    found = []
    for part in chosen.parts if len(chosen.parts) > 1 else ():
        rest = set(chosen.parts) - {part}
        without = next((row for row in table if set(row.parts) == rest and row.technique != "combined"), None)
        if without is not None:
            difference = posterior.of(without.technique) - posterior.of(chosen.technique)
            worth = Interval(float(difference.mean()), *interval(difference))
            better = posterior.better(without.technique, chosen.technique)
            found.append(Contribution(part, without.technique, worth, better))
    return found


def interval(draws: Iterable[float]) -> tuple[float, float]:
    """The middle 95 % of some draws."""
    import numpy as np

    low, high = np.quantile(list(draws), [0.025, 0.975])
    return float(low), float(high)


def _evidence(chosen: TechniqueResult, worse: set[str], objective: ObjectiveName, selection: Selection | None) -> str:
    mean = chosen.objective
    words = [
        f"Over {chosen.fits} fits its {objective} is {mean.mean:.4g} (95 % interval {mean.low:.4g} to {mean.high:.4g})."
    ]
    if worse:
        words.append(f"Detectably worse, after Holm's correction: {', '.join(map(label, sorted(worse)))}.")
    else:
        words.append("No difference to it is detected after Holm's correction, which is not to say that there is none.")
    return " ".join([*words, *([_selection_words(selection)] if selection else [])])


def _worth_naming(chosen: TechniqueResult, selections: Sequence[Selection]) -> Selection | None:
    """The selection of the recommended technique, or one that leaves most features out."""
    own = [selection for selection in selections if selection.technique == chosen.technique]
    few = [s for s in selections if 0 < len(s.selected) <= _FEW * len(s.shares)]
    return next(iter([*own, *few]), None)


def _selection_words(selection: Selection) -> str:
    name, selected = label(selection.technique), selection.selected
    if not selected:
        return f"{name} finds no feature that nearly all of its fits agree on."
    return (
        f"{name} selects {len(selected)} of {len(selection.shares)} features, which are among the {selection.most} of "
        f"the largest weights in at least {selection.threshold:.0%} of its fits: {', '.join(selected)}."
    )


def _missing(missing: Sequence[str]) -> list[str]:
    return [f"{label(name)} could not be compared: not all of its trainings were complete." for name in missing]


def _too_small(
    chosen: TechniqueResult,
    table: Sequence[TechniqueResult],
    posterior: Posterior,
    rope: float,
    objective: ObjectiveName,
    rows: Rows,
) -> list[str]:
    found: list[str] = []
    highest = max(interval(posterior.of(chosen.technique) - posterior.of(row.technique))[1] for row in table)
    if chosen.keeps_up < _SAME and highest > rope:
        found.append(
            f"The data is too small to be surer: another technique could be better by up to {highest:.2g} {objective} "
            f"({rows.fold} validation rows a fold), and {rope:g} would matter."
        )
    if rows.test < _SMALL_TEST_PART:
        found.append(f"The test part has {rows.test} rows only: its figures are rough.")
    return found
