"""Writes the sentences of a recommendation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from studies.analysis.labels import label, params_text, percentage, worth_text
from studies.analysis.results import Contribution, Recommendation, Selection, TechniqueResult, Verdict
from studies.objectives import ObjectiveName


def answer(recommendation: Recommendation) -> str:
    """The answer in a few words: "L1, likely"."""
    return f"{label(recommendation.technique)}, {recommendation.verdict}"


def use(chosen: TechniqueResult, simplest: TechniqueResult, verdict: Verdict, probability_better: float) -> str:
    """Say which candidate to use, with its params; `probability_better`: that it is better than the simplest one."""
    params = params_text(chosen.technique, chosen.params)
    advice = f"Use {label(chosen.technique)}" + (params and f" ({params})")
    if verdict == "practically the same":
        return f"{advice}: the techniques are practically the same on this data, and it is the simplest."
    if chosen is simplest:
        good = "clearly better than every other technique" if verdict == "clear" else "likely as good as any other"
        return f"{advice}: {good}, and the simplest."
    better = f"better than {label(simplest.technique)}"
    if verdict == "clear":
        return f"{advice}: clearly {better}, and than every simpler technique."
    return f"{advice}: likely {better}, with a probability of {percentage(probability_better)}."


def expect(chosen: TechniqueResult, simplest: TechniqueResult, objective: ObjectiveName) -> str:
    """Say what to expect on new rows, of the chosen candidate and of the simplest."""
    expected = chosen.expected
    words = f"Expect {objective} {expected.mean:.3g} on new rows (95 %: {expected.low:.3g} to {expected.high:.3g})"
    return f"{words}." if chosen is simplest else f"{words}; {label(simplest.technique)}: {simplest.expected.mean:.3g}."


def certainty(
    chosen: TechniqueResult, cost: float, rope: float, contributions: Sequence[Contribution], objective: ObjectiveName
) -> str:
    """Say how sure the choice is, what it costs if it is wrong, and the worth of each part."""
    if_wrong = f"; if another one is better, it is by {cost:.2g} {objective} on average" if cost else ""
    probability = percentage(chosen.keeps_up)
    words = f"With a probability of {probability} nothing that was tried is better by more than {rope:g}{if_wrong}."
    if not contributions:
        return words
    worth = ", ".join(f"{label(each.part)} {worth_text(each.worth)}" for each in contributions)
    return f"{words} What each part is worth: {worth}."


def evidence(
    chosen: TechniqueResult, worse: Iterable[str], objective: ObjectiveName, selection: Selection | None
) -> str:
    """Say what the folds show of the chosen candidate, which others are detectably worse, and the features selected."""
    folds, names = chosen.objective, ", ".join(map(label, sorted(worse)))
    interval = f"95 % interval {folds.low:.4g} to {folds.high:.4g}"
    sentences = [
        f"Over {chosen.fits} fits its {objective} is {folds.mean:.4g} ({interval}).",
        f"Detectably worse, after Holm's correction: {names}."
        if names
        else "No difference to it is detected after Holm's correction, which is not to say that there is none.",
    ]
    if selection is not None:
        sentences.append(_selected(selection))
    return " ".join(sentences)


def _selected(selection: Selection) -> str:
    name, selected = label(selection.technique), selection.selected
    if not selected:
        return f"{name} finds no feature that nearly all of its fits agree on."
    return (
        f"{name} selects {len(selected)} of {len(selection.shares)} features, which are among the {selection.most} "
        f"with the largest weights in at least {selection.threshold:.0%} of its fits: {', '.join(selected)}."
    )


def not_compared(candidate: str) -> str:
    """Warn that a candidate has too few complete trainings."""
    return f"{label(candidate)} could not be compared: not all of its trainings were complete."


def too_small_to_be_surer(possible: float, rope: float, objective: ObjectiveName, fold_rows: int) -> str:
    """Warn that another candidate could be better by more than matters."""
    return (
        f"The data is too small to be surer: another technique could be better by up to {possible:.2g} {objective} "
        f"({fold_rows} validation rows a fold), and {rope:g} would matter."
    )


def rough_test_part(rows: int) -> str:
    """Warn that the test part is small."""
    return f"The test part has {rows} rows only: its figures are rough."
