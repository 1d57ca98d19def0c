"""The report's figures, by Plotly: the same in the report and in the Optuna dashboard."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies import pareto
from studies.analysis.labels import label
from studies.analysis.results import Findings, Trial
from studies.objectives import OBJECTIVES

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

#: Okabe and Ito's colours, which people with colour blindness tell apart.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_HEIGHT = 380  # pixels


def figures(found: Findings) -> dict[str, Figure]:
    """Every figure that what was found has something to show in, by title."""
    makers: dict[str, Callable[[Findings], Figure | None]] = {
        "Techniques compared": techniques,
        "Learning curves of each technique's best": learning_curves,
        "Weights of each technique's best": weight_histograms,
        "Regularization path: λ against the objective": path,
        "Regularization path: λ against exact zeros": zeros,
        "Dropout against the objective": lambda f: against(f, "dropout"),
        "Patience against the objective": lambda f: against(f, "patience"),
        "Pareto front": front,
        "Importance of the hyperparameters": importances,
        "Optimization history": history,
    }
    made = {title: maker(found) for title, maker in makers.items()}
    return {title: figure for title, figure in made.items() if figure is not None}


def _figure(x: str, y: str, *, log_x: bool = False) -> Figure:
    from plotly.graph_objects import Figure

    figure = Figure()
    figure.update_layout(
        template="plotly_white",
        height=_HEIGHT,
        margin={"l": 60, "r": 16, "t": 16, "b": 50},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        font={"size": 13},
    )
    figure.update_xaxes(title=x, type="log" if log_x else None, automargin=True)
    figure.update_yaxes(title=y, automargin=True)
    return figure


def _points(name: str, x: Sequence[Any], y: Sequence[Any], color: str, **options: Any) -> Any:
    from plotly.graph_objects import Scatter

    marker = {"color": color, "size": 7, "opacity": 0.75}
    return Scatter(**({"name": name, "x": x, "y": y, "mode": "markers", "marker": marker} | options))


def techniques(found: Findings) -> Figure | None:
    """Each technique's mean over the folds with its confidence interval, and its value on the test part."""
    if found.comparison is None:
        return None
    rows = list(reversed(found.comparison.techniques))
    names = [label(row.technique) for row in rows]
    figure = _figure(found.comparison.objective, "")
    above = [row.objective.high - row.objective.mean for row in rows]
    error = {"type": "data", "array": above, "color": _COLORS[0]}
    means = [row.objective.mean for row in rows]
    figure.add_trace(_points("mean over the folds, 95 % interval", means, names, _COLORS[0], error_x=error))
    figure.add_trace(_points("test part, once", [row.test_objective for row in rows], names, _COLORS[1]))
    return figure


def learning_curves(found: Findings) -> Figure | None:
    """Training and validation loss of each technique's best on the study's own split, to where training ended."""
    if not found.samples:
        return None
    figure = _figure("epoch", "loss, without the penalty")
    for color, (technique, sample) in zip(_COLORS, found.samples.items(), strict=False):
        epochs, name = sample.curve["epoch"], label(technique)
        line = {"mode": "lines", "legendgroup": name}
        train = _points(name, epochs, sample.curve["loss"], color, line={"color": color, "dash": "dot"}, **line)
        train.showlegend = False
        figure.add_trace(train)
        figure.add_trace(_points(name, epochs, sample.curve["val_loss"], color, line={"color": color}, **line))
        if sample.stopped_early:
            kept = sample.best_epoch - 1
            marker = {"color": color, "size": 12, "symbol": "x"}
            at = [epochs[kept]], [sample.curve["val_loss"][kept]]
            mark = _points(f"{name}: weights kept", *at, color, marker=marker, legendgroup=name)
            mark.showlegend = False
            figure.add_trace(mark)
    # A technique that overfits would flatten all others.
    figure.update_yaxes(type="log")
    figure.add_annotation(
        text="solid: validation, dotted: training, ✕: early stopping kept these weights",
        showarrow=False,
        xref="paper",
        yref="paper",
        x=1,
        y=1,
        xanchor="right",
        font={"size": 11},
    )
    return figure


def weight_histograms(found: Findings) -> Figure | None:
    """How large each technique's weights are; exact zeros stand in a spike of their own."""
    from plotly.graph_objects import Bar
    from plotly.subplots import make_subplots

    if not found.samples:
        return None
    columns = 2
    rows = math.ceil(len(found.samples) / columns)
    titles = [
        f"{label(technique)}: {_zero_share(sample.histogram):.0%} zeros" for technique, sample in found.samples.items()
    ]
    figure = make_subplots(rows=rows, cols=columns, subplot_titles=titles, vertical_spacing=0.3 / rows)
    for index, (color, sample) in enumerate(zip(_COLORS, found.samples.values(), strict=False)):
        counts, largest = sample.histogram["counts"], sample.histogram["largest"]
        width = 2 * largest / len(counts)
        centers = [-largest + (i + 0.5) * width for i in range(len(counts))]
        place = {"row": index // columns + 1, "col": index % columns + 1}
        figure.add_trace(Bar(x=centers, y=counts, width=width, marker_color=color, name="not zero"), **place)
        spike = Bar(x=[0], y=[sample.histogram["zeros"]], width=width, marker_color="#888888", name="exactly 0")
        figure.add_trace(spike, **place)
    figure.update_layout(
        template="plotly_white",
        height=220 * rows,
        showlegend=False,
        barmode="overlay",
        margin={"l": 50, "r": 16, "t": 30, "b": 30},
    )
    figure.update_annotations(font_size=12)
    figure.update_yaxes(type="log", automargin=True)
    return figure


def _zero_share(histogram: Mapping[str, Any]) -> float:
    return float(histogram["zeros"] / (histogram["zeros"] + sum(histogram["counts"])))


def _searches(found: Findings) -> dict[str, Sequence[Trial]]:
    """The complete trials to show, by what searched them."""
    all_of = {label(technique): trials for technique, trials in found.searched.items()}
    shown = {"the study's own search": found.trials, **all_of}
    complete = {name: [t for t in trials if t.state == "COMPLETE" and t.values] for name, trials in shown.items()}
    return {name: trials for name, trials in complete.items() if trials}


def _value(trial: Trial) -> float:
    return (trial.values or [math.nan])[0]


def _strength(trial: Trial) -> float | None:
    """λ of the first layer that has a penalty."""
    strengths = [value for name, value in trial.params.items() if _of_kernels(name, "lambda") and value]
    return strengths[0] if strengths else None


def _of_kernels(name: str, parameter: str) -> bool:
    """Whether a param's name is this parameter's, for all layers or for one."""
    return re.fullmatch(rf"(layer\d+_)?{parameter}", name) is not None


def _scatter(found: Findings, x: Callable[[Trial], Any], y: Callable[[Trial], Any], figure: Figure) -> Figure | None:
    for color, (name, trials) in zip(_COLORS * 2, _searches(found).items(), strict=False):
        points = [(x(trial), y(trial), trial.number) for trial in trials if x(trial) is not None]
        # A search in which the parameter is fixed says nothing of it.
        if len({point[0] for point in points}) > 1:
            columns = [list(column) for column in zip(*sorted(points, key=lambda p: p[0]), strict=True)]
            figure.add_trace(_points(name, columns[0], columns[1], color, text=[f"trial {n}" for n in columns[2]]))
    if all(value is not None and value > 0 for trace in figure.data for value in trace.y):
        figure.update_yaxes(type="log")
    return figure if figure.data else None


def path(found: Findings) -> Figure | None:
    """λ against the objective."""
    return _scatter(found, _strength, _value, _figure("λ", found.spec.objectives[0], log_x=True))


def zeros(found: Findings) -> Figure | None:
    """λ against the share of weights that are exactly zero."""
    figure = _figure("λ", "share of weights that are exactly 0", log_x=True)
    return _scatter(found, _strength, lambda trial: trial.weights.get("zero_share"), figure)


def against(found: Findings, parameter: str) -> Figure | None:
    """A parameter against the objective."""

    def value(trial: Trial) -> Any:
        given = (value for name, value in trial.params.items() if _of_kernels(name, parameter))
        return next((value for value in given if value is not None), None)

    return _scatter(found, value, _value, _figure(parameter, found.spec.objectives[0]))


def front(found: Findings) -> Figure | None:
    """The first two objectives of every trial, and those that nothing beats in both."""
    if len(found.spec.objectives) < 2:
        return None
    complete = [trial for trial in found.trials if trial.state == "COMPLETE" and trial.values]
    values = [(trial.values or [])[:2] for trial in complete]
    if not values:
        return None
    best = pareto.front(values, found.spec.directions[:2])
    figure = _figure(*found.spec.objectives[:2])
    rest = [value for i, value in enumerate(values) if i not in best]
    figure.add_trace(_points("trials", [v[0] for v in rest], [v[1] for v in rest], "#999999"))
    chosen = sorted(list(values[i]) for i in best)
    line = {"mode": "lines+markers", "line": {"color": _COLORS[1], "shape": "hv"}}
    figure.add_trace(_points("Pareto front", [v[0] for v in chosen], [v[1] for v in chosen], _COLORS[1], **line))
    return figure


def importances(found: Findings) -> Figure | None:
    """How much of the objective's variation over the study's own search each hyperparameter explains (fANOVA)."""
    from plotly.graph_objects import Bar

    complete = [trial for trial in found.trials if trial.state == "COMPLETE" and trial.values]
    if len(complete) < _FEW_TRIALS:
        return None
    found_importances = _importances(found, complete)
    if not found_importances:
        return None
    shown = sorted(found_importances.items(), key=lambda item: item[1])
    figure = _figure("share of the variation", "")
    figure.add_trace(
        Bar(
            x=[value for _, value in shown],
            y=[name.replace("lambda", "λ") for name, _ in shown],
            orientation="h",
            marker_color=_COLORS[0],
        )
    )
    return figure


_FEW_TRIALS = 8  # of which importances say nothing


def _importances(found: Findings, complete: Sequence[Trial]) -> dict[str, float]:
    import optuna
    from optuna.trial import TrialState, create_trial

    # Optuna prints every study that is made, also one that only carries trials to its evaluator.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = found.spec.space.distributions()
    study = optuna.create_study(direction=found.spec.directions[0])
    if not distributions or len({_value(trial) for trial in complete}) < 2:
        return {}
    for trial in complete:
        # What has no effect in a trial is null there; fANOVA needs a value, and the least is next to no effect.
        given = {name: trial.params.get(name) for name in distributions}
        params = {name: _least(distributions[name]) if given[name] is None else given[name] for name in given}
        values = [_value(trial)]
        study.add_trial(
            create_trial(state=TrialState.COMPLETE, params=params, distributions=distributions, values=values)
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _least(distribution: Any) -> Any:
    choices = getattr(distribution, "choices", None)
    return distribution.low if choices is None else None if None in choices else choices[0]


def history(found: Findings) -> Figure | None:
    """The objective of the study's own trials as they came, and the best so far."""
    complete = [trial for trial in found.trials if trial.state == "COMPLETE" and trial.values]
    if not complete:
        return None
    objective = found.spec.objectives[0]
    pick = min if OBJECTIVES[objective].direction == "minimize" else max
    numbers, values = [trial.number for trial in complete], [_value(trial) for trial in complete]
    best = [pick(values[: i + 1]) for i in range(len(values))]
    figure = _figure("trial", objective)
    figure.add_trace(_points("trials", numbers, values, _COLORS[5]))
    figure.add_trace(_points("best so far", numbers, best, _COLORS[1], mode="lines", line={"color": _COLORS[1]}))
    return figure
