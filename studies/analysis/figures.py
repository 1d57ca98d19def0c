"""Collects the report's figures by title, and what stands below each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from studies.analysis.candidate_figures import candidates, learning_curves, weights
from studies.analysis.findings import Findings
from studies.analysis.importance import importances
from studies.analysis.search_figures import against, front, history, path, zeros

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

CANDIDATES = "Techniques compared"
IMPORTANCE = "Importance of the hyperparameters"
_MAKERS: Mapping[str, Callable[[Findings], Figure | None]] = {
    CANDIDATES: candidates,
    "Learning curves of each technique's best": learning_curves,
    "Weights of each technique's best": weights,
    "Regularization path: λ against the objective": path,
    "Regularization path: λ against exact zeros": zeros,
    "Dropout against the objective": lambda found: against(found, "dropout"),
    "Patience against the objective": lambda found: against(found, "patience"),
    "Pareto front": front,
    IMPORTANCE: importances,
    "Optimization history": history,
}
#: What a reader needs to know to read a figure.
NOTES: Mapping[str, str] = {
    CANDIDATES: "The line is where 95 % of what is to be expected on new rows lies, by the folds; the test part was "
    "used once. In bold the recommended technique, which need not be the likeliest to be best: of those that are "
    "probably practically the same the simplest is taken.",
    "Learning curves of each technique's best": "Loss by epoch, without the penalty, trained once more on the "
    "study's own split. Solid: validation, dotted: training, ✕: early stopping kept these weights.",
    "Weights of each technique's best": "Count of weights by size; hatched: those that are exactly 0.",
    "Regularization path: λ against the objective": "A penalty's λ cannot be compared with another's, so each has a "
    "panel of its own. A point is a trial.",
    IMPORTANCE: "By PED-ANOVA, as the Optuna dashboard has it: how otherwise each was chosen in the best tenth of the "
    "study's own trials than in all. Below 50 trials it is rough.",
}


def figures(found: Findings) -> dict[str, Figure]:
    """Every figure that what was found has something to show in, by title."""
    made = {title: maker(found) for title, maker in _MAKERS.items()}
    return {title: figure for title, figure in made.items() if figure is not None}
