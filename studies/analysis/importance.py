"""Estimates which hyperparameters mattered in the study's own search, as the Optuna dashboard does.

PED-ANOVA (Watanabe et al., IJCAI 2023) compares the distribution of the best tenth of the trials with that of all.
It counts trials on a grid, so a thousand take milliseconds, where the trees of fANOVA take many seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from studies.analysis.drawing import blank
from studies.analysis.findings import Findings
from studies.analysis.labels import OWN_SEARCH_COLOR, param_label
from studies.analysis.searches import complete, first_value

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_ROUGH_BELOW = 50  # trials; chance decides a tenth of fewer
_MIN_TRIALS = 8  # importances of fewer say nothing
_MAX_TRIALS = 5_000  # that are evaluated, evenly spaced among more


def draw_importances(findings: Findings) -> Figure | None:
    """Draw the importance of each hyperparameter; None where there are too few trials to tell."""
    from plotly.graph_objects import Bar

    shares = estimate_importances(findings)
    if not shares:
        return None
    trials = len(complete(findings.trials))
    rough = f"<br>rough: of {trials} trials only" if trials < _ROUGH_BELOW else ""
    ascending = sorted(shares.items(), key=lambda item: item[1])
    names = [param_label(name) for name, _ in ascending]
    figure = blank(f"importance{rough}", height=110 + 32 * len(ascending))
    text = {"texttemplate": "%{x:.0%}", "textposition": "outside", "cliponaxis": False}
    bars = Bar(x=[share for _, share in ascending], y=names, orientation="h", marker_color=OWN_SEARCH_COLOR, **text)
    figure.add_trace(bars)
    figure.update_xaxes(tickformat=".0%", range=[0, 1.15 * ascending[-1][1]], nticks=5)
    figure.update_yaxes(showgrid=False)
    return figure


def estimate_importances(findings: Findings) -> Mapping[str, float]:
    """Estimate importances by parameter, which sum to 1; empty where trials are too few or all equally good."""
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState, create_trial

    trials = complete(findings.trials)
    distributions = findings.spec.space.distributions()
    if len(trials) < _MIN_TRIALS or not distributions or len({first_value(trial) for trial in trials}) < 2:
        return {}
    # Optuna logs every new study, also this one, which only carries trials to the evaluator.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=findings.spec.directions[0])
    for trial in trials[:: math.ceil(len(trials) / _MAX_TRIALS)]:
        params = {name: trial.suggested[name] for name in distributions if name in trial.suggested}
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                params=params,
                distributions={name: distributions[name] for name in params},
                values=[first_value(trial)],
            )
        )
    return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
