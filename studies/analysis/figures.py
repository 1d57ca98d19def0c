"""Collects the report's figures by title, with the note below each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from studies.analysis.candidate_figures import draw_candidates, draw_learning_curves, draw_weights
from studies.analysis.findings import Findings
from studies.analysis.importance import draw_importances
from studies.analysis.penalty_figures import draw_path, draw_zeros
from studies.analysis.search_figures import draw_against, draw_front, draw_history

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

CANDIDATES = "Techniques compared"
DROPOUT, PATIENCE = "Dropout against the objective", "Patience against the objective"
FRONT = "Pareto front"
HISTORY = "Optimization history"
IMPORTANCE = "Importance of the hyperparameters"


class _Entry(NamedTuple):
    draw: Callable[[Findings], Figure | None]
    note: str = ""  # needed to read the figure


_ENTRIES: Mapping[str, _Entry] = {
    CANDIDATES: _Entry(
        draw_candidates,
        "The line is the 95 % interval of what to expect on new rows, by the folds; the test part was used once. The "
        "recommended technique is in bold. It need not be the likeliest to be best: of techniques that are probably "
        "practically the same, the simplest is recommended.",
    ),
    "Learning curves of each technique's best": _Entry(
        draw_learning_curves,
        "Loss by epoch, without the penalty, trained once more on the study's own split. Solid: validation, dotted: "
        "training, ✕: early stopping kept these weights.",
    ),
    "Weights of each technique's best": _Entry(
        draw_weights, "Count of weights by size; hatched: those that are exactly 0."
    ),
    "Regularization path: λ against the objective": _Entry(
        draw_path,
        "A penalty's λ cannot be compared with another's, so each has a panel of its own. A point is a trial.",
    ),
    "Regularization path: λ against exact zeros": _Entry(draw_zeros),
    DROPOUT: _Entry(lambda findings: draw_against(findings, "dropout")),
    PATIENCE: _Entry(lambda findings: draw_against(findings, "patience")),
    FRONT: _Entry(draw_front),
    IMPORTANCE: _Entry(
        draw_importances,
        "By PED-ANOVA, as in the Optuna dashboard: how much each is distributed otherwise in the best tenth of the "
        "study's own trials than in all. Below 50 trials it is rough.",
    ),
    HISTORY: _Entry(draw_history),
}
#: The note of each figure that needs one, by title.
NOTES: Mapping[str, str] = {title: entry.note for title, entry in _ENTRIES.items() if entry.note}


def figures(findings: Findings) -> dict[str, Figure]:
    """Draw every figure that the findings have data for, by title."""
    drawn = {title: entry.draw(findings) for title, entry in _ENTRIES.items()}
    return {title: figure for title, figure in drawn.items() if figure is not None}
