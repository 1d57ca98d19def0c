"""Writes the tables of a comparison: candidates, the worth of parts, pairs, selected features."""

from __future__ import annotations

from studies.analysis.labels import label, number, params_text, percentage
from studies.analysis.markup import Cell, fold, interval_cell, note, table
from studies.analysis.results import Comparison, Recommendation, Selection, TechniqueResult

_MAX_FEATURES = 20  # in the table, the steadiest first
Rows = list[tuple[list[Cell | str], str]]  # cells and CSS class


def candidates(comparison: Comparison) -> str:
    """Write a row for each candidate, the best by expected regret first."""
    objective, metric = comparison.objective, comparison.task_metric
    head = ["candidate", "best", "keeps up", f"{objective}, expected", f"{objective}, folds", f"test {objective}"]
    head += [metric, f"test {metric}", "gap", "zeros", "epochs"]
    rows = [(_candidate(row), _css_class(row, comparison)) for row in comparison.ranked]
    explanation = note(
        "Best: probability that none of the others is better on new rows. Keeps up: that none is better by more than "
        f"{comparison.rope:g}, which would matter. In small: 95 % intervals, over the folds by Nadeau and Bengio. The "
        "test part was used once. Gap: validation minus training loss. Zeros: share of weights that are exactly 0."
    )
    return f"<section><h2>In numbers</h2>{table(head, rows)}{explanation}</section>"


def _css_class(row: TechniqueResult, comparison: Comparison) -> str:
    return "chosen" if row.technique == comparison.recommendation.technique else ""


def _candidate(row: TechniqueResult) -> list[Cell | str]:
    lost = f"lost after {row.fits} fits" if row.raced_out else ""
    return [
        Cell(label(row.technique), "; ".join(filter(None, [params_text(row.technique, row.params), lost]))),
        percentage(row.probability_best),
        percentage(row.keeps_up),
        interval_cell(row.expected),
        interval_cell(row.objective),
        number(row.test_objective),
        interval_cell(row.task_metric),
        number(row.test_task_metric),
        number(row.gap, 3),
        f"{row.zero_share:.1%}",
        f"{row.epochs:.0f}",
    ]


def contributions(recommendation: Recommendation, objective: str) -> str:
    """Write the worth of each part of the recommended candidate; nothing where no part was left out."""
    if not recommendation.contributions:
        return ""
    rows: Rows = [
        ([label(each.part), interval_cell(each.worth), percentage(each.probability), label(each.without)], "")
        for each in recommendation.contributions
    ]
    head = ["part", f"worth in {objective}", "probability that it helps", "compared with"]
    explanation = note(
        "How much worse the recommended technique is expected to be without the part; positive: it helps."
    )
    return f"<section><h2>What each part is worth</h2>{table(head, rows)}{explanation}</section>"


def more(comparison: Comparison) -> str:
    """Write the figures of each candidate that few readers need."""
    rows: Rows = [
        (
            [
                label(row.technique),
                number(row.regret, 3),
                str(row.fits),
                number(row.l2_norm),
                number(row.training_seconds, 2),
                number(row.seconds, 2),
                number(row.params.get("learning_rate"), 3),
                number(row.params.get("batch_size")),
            ],
            _css_class(row, comparison),
        )
        for row in comparison.ranked
    ]
    head = ["candidate", "regret", "fits", "L2 norm", "seconds a training", "seconds a trial"]
    head += ["learning rate", "batch size"]
    explanation = note(
        f"Regret: by how much it is expected to be worse than the best, in {comparison.objective}. Seconds a training: "
        "of one fold, without compiling, its share where several are trained at once. Seconds a trial: wall time of a "
        "trial of its search, with compiling and all folds, beside other trials."
    )
    return fold("More of each candidate", table(head, rows) + explanation)


def pairs(comparison: Comparison) -> str:
    """Write the difference of each pair with its tests, by p-value."""
    rows: Rows = [
        (
            [
                f"{label(pair.first)} – {label(pair.second)}",
                Cell(f"{pair.difference:+.3g}", f"{pair.low:+.3g} to {pair.high:+.3g}"),
                "equal" if pair.better is None else label(pair.better),
                f"{pair.p:.2g}",
                f"{pair.p_holm:.2g}",
                percentage(pair.probability),
                percentage(pair.equivalent),
            ],
            "detected" if pair.detected else "",
        )
        for pair in sorted(comparison.differences, key=lambda pair: pair.p)
    ]
    head = ["pair", "difference", "better", "p", "p, Holm", "second is better", "practically the same"]
    explanation = note(
        f"Difference: the first's {comparison.objective} minus the second's, of which {_wanted(comparison)} is better; "
        "in small its 95 % interval. p: corrected resampled t-test. Practically the "
        f"same: probability that the difference is within ±{comparison.rope:g} {comparison.objective}."
    )
    return fold("Pairwise differences", table(head, rows) + explanation)


def _wanted(comparison: Comparison) -> str:
    return "less" if comparison.direction == "minimize" else "more"


def features(selection: Selection) -> str:
    """Write the features that a technique selects, and the next steadiest."""
    steadiest = sorted(selection.shares, key=lambda name: -selection.shares[name])[:_MAX_FEATURES]
    rows: Rows = [
        (
            [name, f"{selection.shares[name]:.0%}", f"{selection.nonzero[name]:.0%}"],
            "chosen" if name in selection.selected else "",
        )
        for name in steadiest
    ]
    explanation = note(
        "Shares of the fits; a feature is selected if it is among the largest in at least "
        f"{selection.threshold:.0%} of them."
    )
    title = f"Features that {label(selection.technique)} selects: {len(selection.selected)} of {len(selection.shares)}"
    return fold(title, table(["feature", f"among the {selection.most} largest", "not zero"], rows) + explanation)
