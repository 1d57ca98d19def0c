"""Prints a comparison to a terminal: the answer first, then the candidates it rests on."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from service.schemas.comparisons import ComparisonView
from studies.analysis.labels import bounds_text, label, number, percentage, worth_text
from studies.analysis.results import Comparison, TechniqueResult


def show_comparison(console: Console, comparison: ComparisonView) -> None:
    """Print the answer of a comparison, the table of candidates, what each part is worth, and warnings."""
    result = comparison.result
    if result is None:
        console.print(f"The comparison of techniques is {comparison.state} and has no result.", highlight=False)
        for ended in filter(lambda part: part.reason, comparison.parts):
            name = "Its confirmation" if ended.technique is None else f"The search of {label(ended.technique)}"
            console.print(f"{name} is {ended.state}: {ended.reason}", highlight=False, markup=False)
        return
    answer = result.recommendation
    console.print(f"The answer: [bold]{label(answer.technique)}[/bold], {answer.verdict}", highlight=False)
    for line in answer.lines:
        console.print(line, style="bold", highlight=False, markup=False)
    console.print(_table(result))
    for part in answer.contributions:
        worth = f"{worth_text(part.worth)}, helps with a probability of {percentage(part.probability)}"
        console.print(f"{label(part.part)} is worth {worth}", highlight=False, markup=False)
    for line in (answer.evidence, *answer.warnings):
        console.print(line, highlight=False, markup=False)


def _table(result: Comparison) -> Table:
    # Narrow enough for a terminal of 80 columns: only names, which are long, take a second line.
    table = Table(
        title=f"Techniques by {result.objective}", title_justify="left", box=box.SIMPLE_HEAD, padding=0, pad_edge=False
    )
    table.add_column("technique", min_width=14, ratio=1)
    for column in ("expected", "95 %", "best", "test", "gap", "zeros", "epochs"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in result.ranked:
        recommended = row.technique == result.recommendation.technique
        table.add_row(*_cells(row), style="bold" if recommended else None)
    return table


def _cells(row: TechniqueResult) -> list[str]:
    return [
        label(row.technique) + (" (lost early)" if row.raced_out else ""),
        number(row.expected.mean),
        bounds_text(row.expected),
        percentage(row.probability_best),
        number(row.test_objective, 3),
        number(row.gap, 2),
        f"{row.zero_share:.0%}",
        f"{row.epochs:.0f}",
    ]
