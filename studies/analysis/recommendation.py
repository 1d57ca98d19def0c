"""The answer in words: the simplest technique that is not distinguishable from the best, and the evidence for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from studies.analysis.results import CERTAIN, Difference, Recommendation, Rows, Selection, TechniqueResult, Verdict
from studies.analysis.techniques import SIMPLEST_FIRST
from studies.objectives import ObjectiveName
from studies.spec import Technique

NAMES: dict[Technique, str] = {
    "none": "no regularization",
    "l1": "L1",
    "l2": "L2",
    "elastic_net": "elastic net",
    "dropout": "dropout",
    "early_stopping": "early stopping",
    "combined": "all combined",
}
_SMALL_TEST_PART = 50  # rows
_FEW = 0.5  # of the features; fewer selected ones are worth naming


def recommend(
    objective: ObjectiveName,
    table: Sequence[TechniqueResult],
    best: TechniqueResult,
    differences: Sequence[Difference],
    rope: float,
    rows: Rows,
    selections: Sequence[Selection],
    missing: Sequence[Technique],
) -> Recommendation:
    """The recommendation; `best` is the row with the best mean, `missing` could not be compared."""
    against = {_other(d, best): d for d in differences if best.technique in (d.first, d.second)}
    # Worse than any other, not only than the best mean, which may vary more from fold to fold.
    worse = {difference.loser for difference in differences if difference.distinguishes()}
    candidates = [row for row in table if row.technique not in worse]
    chosen = min(candidates, key=lambda row: SIMPLEST_FIRST.index(row.technique))
    verdict = _verdict(worse, differences)
    selection = _worth_naming(chosen, selections)
    words = [
        _verdict_words(verdict, chosen, worse, objective, rope),
        _evidence(chosen, best, against, objective, rope),
        *([_selection_words(selection)] if selection else []),
    ]
    return Recommendation(
        technique=chosen.technique,
        params=chosen.params,
        verdict=verdict,
        text=" ".join(words),
        warnings=[*_missing(missing), *_too_small(worse, against, rope, objective, rows)],
        selected_features=None if selection is None else selection.selected,
    )


def _other(difference: Difference, best: TechniqueResult) -> Technique:
    return difference.second if difference.first == best.technique else difference.first


def _verdict(worse: Set[Technique], differences: Sequence[Difference]) -> Verdict:
    if worse:
        return "better"
    detected = any(difference.detected for difference in differences)
    return "no difference that matters" if detected else "no detectable difference"


def _verdict_words(
    verdict: Verdict, chosen: TechniqueResult, worse: Set[Technique], objective: ObjectiveName, rope: float
) -> str:
    name = NAMES[chosen.technique]
    if verdict == "no detectable difference":
        return f"There is no detectable difference between the techniques on this data: use the simplest, {name}."
    if verdict == "no difference that matters":
        small = f"The differences that are detected are within ±{rope:g} of {objective}, which does not matter"
        return f"{small}: use the simplest, {name}."
    beaten = ", ".join(NAMES[technique] for technique in SIMPLEST_FIRST if technique in worse)
    use = f"Use {name}{_parameters(chosen)}: the simplest technique that no other is detectably better than"
    return f"{use}. Detectably worse: {beaten}."


def _parameters(row: TechniqueResult) -> str:
    shown = {
        name.replace("lambda", "λ"): value
        for name, value in row.params.items()
        if value is not None and name.rpartition("_")[2] in ("lambda", "ratio", "dropout", "patience") and value != 0
    }
    return f" ({', '.join(f'{name} {_number(value)}' for name, value in shown.items())})" if shown else ""


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _evidence(
    chosen: TechniqueResult,
    best: TechniqueResult,
    against: Mapping[Technique, Difference],
    objective: ObjectiveName,
    rope: float,
) -> str:
    mean = chosen.objective
    words = (
        f"Over {chosen.fits} fits its {objective} is {mean.mean:.4g} (95 % interval {mean.low:.4g} to {mean.high:.4g})"
    )
    if chosen is best:
        return f"{words}, the best mean."
    d = against[chosen.technique]
    better = d.second_better if d.first == chosen.technique else d.first_better
    return (
        f"{words}; the best mean, {best.objective.mean:.4g}, is that of {NAMES[best.technique]}: corrected resampled "
        f"t-test p = {d.p_holm:.2g} after Holm; it is better by more than {rope:g} with a probability of {better:.0%}, "
        f"practically the same with {d.equivalent:.0%}."
    )


def _worth_naming(chosen: TechniqueResult, selections: Sequence[Selection]) -> Selection | None:
    """The selection of the recommended technique, or one that leaves most features out."""
    own = [selection for selection in selections if selection.technique == chosen.technique]
    few = [s for s in selections if 0 < len(s.selected) <= _FEW * len(s.shares)]
    return next(iter([*own, *few]), None)


def _selection_words(selection: Selection) -> str:
    name, selected = NAMES[selection.technique], selection.selected
    if not selected:
        return f"{name} finds no feature that nearly all of its fits agree on."
    return (
        f"{name} selects {len(selected)} of {len(selection.shares)} features, which are among the {selection.most} of "
        f"the largest weights in at least {selection.threshold:.0%} of its fits: {', '.join(selected)}."
    )


def _missing(missing: Sequence[Technique]) -> list[str]:
    return [
        f"{NAMES[technique]} could not be compared: not all of its trainings were complete." for technique in missing
    ]


def _too_small(
    worse: Set[Technique],
    against: Mapping[Technique, Difference],
    rope: float,
    objective: ObjectiveName,
    rows: Rows,
) -> list[str]:
    found: list[str] = []
    open_ones = [d for t, d in against.items() if t not in worse and d.equivalent < CERTAIN]
    if open_ones:
        hidden = max(max(abs(d.low), abs(d.high)) for d in open_ones)
        found.append(
            f"The data is too small to tell some techniques apart: differences of up to {hidden:.2g} in {objective} "
            f"could hide behind the spread of the folds ({rows.fold} validation rows each), and {rope:g} would matter."
        )
    if rows.test < _SMALL_TEST_PART:
        found.append(f"The test part has {rows.test} rows only: its figures are rough.")
    return found
