"""Writes the tables of a comparison: its candidates, what parts are worth, pairs, selected features."""

from __future__ import annotations

from studies.analysis.candidate_figures import ranked
from studies.analysis.labels import label, number, params_text, percentage
from studies.analysis.markup import Cell, folded, interval, note, table
from studies.analysis.results import Comparison, Recommendation, Selection, TechniqueResult

_FEATURES = 20  # in the table, the steadiest first


def candidates(comparison: Comparison) -> str:
    """A row for each candidate, those that are expected to be best first."""
    objective, metric = comparison.objective, comparison.task_metric
    head = ["candidate", "best", "keeps up", f"{objective}, expected", f"{objective}, folds", f"test {objective}"]
    head += [metric, f"test {metric}", "gap", "zeros", "epochs"]
    rows = [(_candidate(row), _kind(row, comparison)) for row in ranked(comparison)]
    explained = note(
        "Best: probability that none of the others is better on new rows. Keeps up: that none is better by more than "
        f"{comparison.rope:g}, which would matter. In small: 95 % intervals, over the folds by Nadeau and Bengio. The "
        "test part was used once. Gap: validation minus training loss. Zeros: share of weights that are exactly 0."
    )
    return f"<section><h2>In numbers</h2>{table(head, rows)}{explained}</section>"


def _kind(row: TechniqueResult, comparison: Comparison) -> str:
    return "chosen" if row.technique == comparison.recommendation.technique else ""


def _candidate(row: TechniqueResult) -> list[Cell | str]:
    lost = f"lost after {row.fits} fits" if row.raced_out else ""
    return [
        Cell(label(row.technique), "; ".join(filter(None, [params_text(row.technique, row.params), lost]))),
        percentage(row.probability_best),
        percentage(row.keeps_up),
        interval(row.expected),
        interval(row.objective),
        number(row.test_objective),
        interval(row.task_metric),
        number(row.test_task_metric),
        number(row.gap, 3),
        f"{row.zero_share:.1%}",
        f"{row.epochs:.0f}",
    ]


def contributions(answer: Recommendation, objective: str) -> str:
    """What each part of the recommended candidate is worth; nothing where none was left out."""
    if not answer.contributions:
        return ""
    rows: list[tuple[list[Cell | str], str]] = [
        ([label(c.part), interval(c.worth), percentage(c.probability), label(c.without)], "")
        for c in answer.contributions
    ]
    head = ["part", f"worth in {objective}", "probability that it helps", "compared with"]
    explained = note("How much worse the recommended technique is expected to be without the part; positive: it helps.")
    return f"<section><h2>What each part is worth</h2>{table(head, rows)}{explained}</section>"


def more(comparison: Comparison) -> str:
    """What few ask for of each candidate."""
    rows: list[tuple[list[Cell | str], str]] = [
        (
            [
                label(row.technique),
                number(row.regret, 3),
                str(row.fits),
                number(row.l2_norm),
                number(row.seconds, 2),
                number(row.params.get("learning_rate"), 3),
                number(row.params.get("batch_size")),
            ],
            _kind(row, comparison),
        )
        for row in ranked(comparison)
    ]
    head = ["candidate", "regret", "fits", "L2 norm", "seconds a trial", "learning rate", "batch size"]
    explained = note(f"Regret: by how much it is expected to be worse than the best, in {comparison.objective}.")
    return folded("More of each candidate", table(head, rows) + explained)


def pairs(comparison: Comparison) -> str:
    """The difference of each pair with its tests, the surest first."""
    rows: list[tuple[list[Cell | str], str]] = [
        (
            [
                f"{label(d.first)} – {label(d.second)}",
                Cell(f"{d.difference:+.3g}", f"{d.low:+.3g} to {d.high:+.3g}"),
                f"{d.p:.2g}",
                f"{d.p_holm:.2g}",
                percentage(d.probability),
                percentage(d.equivalent),
            ],
            "detected" if d.detected else "",
        )
        for d in sorted(comparison.differences, key=lambda d: d.p)
    ]
    head = ["pair", "difference", "p", "p, Holm", "second is better", "practically the same"]
    explained = note(
        "Positive: the first is worse; in small its 95 % interval. p: corrected resampled t-test. Practically the "
        f"same: probability that the difference is within ±{comparison.rope:g} {comparison.objective}."
    )
    return folded("Pairwise differences", table(head, rows) + explained)


def features(selection: Selection) -> str:
    """The features that a technique selects, and those that it nearly does."""
    shown = sorted(selection.shares, key=lambda name: -selection.shares[name])[:_FEATURES]
    rows: list[tuple[list[Cell | str], str]] = [
        (
            [name, f"{selection.shares[name]:.0%}", f"{selection.nonzero[name]:.0%}"],
            "chosen" if name in selection.selected else "",
        )
        for name in shown
    ]
    explained = note(
        f"Shares of the fits; selected is what is among the largest in at least {selection.threshold:.0%} of them."
    )
    title = f"Features that {label(selection.technique)} selects: {len(selection.selected)} of {len(selection.shares)}"
    return folded(title, table(["feature", f"among the {selection.most} largest", "not zero"], rows) + explained)
