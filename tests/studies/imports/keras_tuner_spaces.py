"""Five searches of KerasTuner in the manner of those that people publish; a value of the params stands for training."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from math import log10
from pathlib import Path
from typing import Any

Metrics = dict[str, float]
#: An oracle.json, and the trial.json files of its project.
Project = tuple[Mapping[str, Any], list[dict[str, Any]]]


def first_steps(hp: Any) -> Metrics:
    """The first search of a tutorial: units, activation, a layer of dropout or none, the learning rate."""
    hp.Int("units", min_value=32, max_value=512, step=32)
    hp.Choice("activation", ["relu", "tanh"])
    loss = 0.4 if hp.Boolean("dropout") else 0.5
    return {"val_loss": loss + abs(log10(hp.Float("lr", 1e-4, 1e-2, sampling="log")) + 3), "val_accuracy": 0.5}


def layers_in_a_loop(hp: Any) -> Metrics:
    """As many layers as one hyperparameter says, with units, dropout and λ of L2 of their own."""
    loss = 0.0
    for layer in range(hp.Int("num_layers", 1, 2)):
        hp.Int(f"units_{layer}", 16, 64, step=16)
        loss += abs(hp.Float(f"dropout_{layer}", 0.1, 0.5, step=0.1) - 0.3)
        loss += hp.Choice(f"l2_{layer}", [1e-4, 1e-3, 1e-2])
    hp.Choice("learning_rate", [1e-2, 1e-3, 1e-4])
    return {"loss": loss, "val_loss": loss + 0.1}


def penalty_by_name(hp: Any) -> Metrics:
    """Scopes of conditions: a strength for each kind of penalty."""
    kind = hp.Choice("regularizer", ["l1", "l2", "none"])
    loss = 0.3
    for name, low in (("l1", 1e-5), ("l2", 1e-4)):
        with hp.conditional_scope("regularizer", [name]):
            strength = hp.Float(f"{name}_lambda", low, 1e-1, sampling="log")
            loss = abs(log10(strength) + 3) / 10 if kind == name else loss
    return {"val_loss": loss + abs(hp.Float("dropout", 0.0, 0.5, step=0.1) - 0.2), "loss": 0.0}


def only_with_dropout(hp: Any) -> Metrics:
    """A rate that is there with its layer only, an optimizer by name, batches by a factor, for the AUC."""
    rate = 0.0
    if hp.Boolean("use_dropout"):
        rate = hp.Float("dropout_rate", 0.1, 0.5, parent_name="use_dropout", parent_values=[True])
    hp.Choice("optimizer", ["adam", "rmsprop"])
    size = hp.Int("batch_size", 16, 128, step=2, sampling="log")
    return {"val_auc": 0.9 - abs((rate or 0.0) - 0.3) - size / 1000, "val_loss": 0.5}


def more_at_the_top(hp: Any) -> Metrics:
    """A rate drawn more often near its top, fixed values, steps by a factor."""
    hp.Fixed("epochs", 40)
    hp.Fixed("hidden_units", 24)
    rate = hp.Float("dropout", 0.05, 0.5, sampling="reverse_log")
    strength = hp.Float("kernel_l1", 1e-5, 1e-1, step=10, sampling="log")
    return {"val_mae": rate + strength}


def config_of(search: Callable[[Any], Metrics]) -> dict[str, Any]:
    """What `json.dumps(hp.get_config())` has when a model was built once."""
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    search(hp)
    document: dict[str, Any] = json.loads(json.dumps(hp.get_config()))
    return document


def project_of(
    search: Callable[[Any], Metrics], objective: str, direction: str, folder: Path, trials: int = 4
) -> Project:
    """What KerasTuner writes of a search: its oracle.json and its trial.json files."""
    import keras_tuner

    class Tuner(keras_tuner.RandomSearch):  # type: ignore[misc]  # it has no types
        def run_trial(self, trial: Any, *_: Any, **__: Any) -> Metrics:
            return search(trial.hyperparameters)

    tuner = Tuner(
        search, objective=keras_tuner.Objective(objective, direction), max_trials=trials, seed=5, directory=folder,
        project_name=search.__name__,
    )  # fmt: skip
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of threading
        tuner.search(verbose=0)
    project = folder / search.__name__
    files = sorted(project.glob("trial_*/trial.json"))
    return json.loads((project / "oracle.json").read_text()), [json.loads(file.read_text()) for file in files]
