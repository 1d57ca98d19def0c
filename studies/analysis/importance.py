"""Estimates which hyperparameters mattered in the study's own search, just as the Optuna dashboard does.

PED-ANOVA (Watanabe et al., IJCAI 2023) asks how otherwise the best tenth of the trials is distributed than all of them.
It counts trials on a grid, so a thousand take milliseconds, where the trees of fANOVA take many seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from studies.analysis.drawing import blank
from studies.analysis.findings import Findings
from studies.analysis.labels import OWN_SEARCH_COLOR, param_label
from studies.analysis.search_figures import complete, value

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FEW = 50  # trials below which the best tenth is so few that chance decides
_TOO_FEW = 8  # trials of which importances say nothing
_MOST = 5_000  # trials that are looked at, evenly chosen among more


def importances(found: Findings) -> Figure | None:
    """The importance of each hyperparameter; None where there are too few trials to tell."""
    from plotly.graph_objects import Bar

    shares = estimate(found)
    if not shares:
        return None
    trials = len(complete(found.trials))
    rough = f"<br>rough: of {trials} trials only" if trials < FEW else ""
    shown = sorted(shares.items(), key=lambda item: item[1])
    names = [param_label(name) for name, _ in shown]
    figure = blank(f"importance{rough}", height=110 + 32 * len(shown))
    text = {"texttemplate": "%{x:.0%}", "textposition": "outside", "cliponaxis": False}
    bars = Bar(x=[share for _, share in shown], y=names, orientation="h", marker_color=OWN_SEARCH_COLOR, **text)
    figure.add_trace(bars)
    figure.update_xaxes(tickformat=".0%", range=[0, 1.15 * shown[-1][1]], nticks=5)
    figure.update_yaxes(showgrid=False)
    return figure


def estimate(found: Findings) -> Mapping[str, float]:
    """The importances, which sum to 1; none where trials are too few or all equally good."""
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState, create_trial

    trials = complete(found.trials)
    distributions = found.spec.space.distributions()
    if len(trials) < _TOO_FEW or not distributions or len({value(trial) for trial in trials}) < 2:
        return {}
    # Optuna prints every study that is made, also one that only carries trials to its evaluator.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=found.spec.directions[0])
    for trial in trials[:: math.ceil(len(trials) / _MOST)]:
        params = {name: trial.suggested[name] for name in distributions if name in trial.suggested}
        its = {name: distributions[name] for name in params}
        study.add_trial(
            create_trial(state=TrialState.COMPLETE, params=params, distributions=its, values=[value(trial)])
        )
    return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
