"""Six searches of Optuna in the manner of those that people publish; a value made of the params stands for training."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from math import log10
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from optuna.trial import Trial

_DISTRIBUTIONS = Path(__file__).parent / "optuna_2_distributions.json"


def tabular_network(trial: Trial) -> float:
    """A network for a table: units, activation, dropout in steps, λ of L2, learning rate, batch size."""
    trial.suggest_int("n_units", 32, 256, step=32)
    trial.suggest_categorical("activation", ["relu", "tanh", "elu"])
    dropout = trial.suggest_float("dropout", 0.0, 0.5, step=0.05)
    l2 = trial.suggest_float("l2", 1e-6, 1e-2, log=True)
    rate = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    trial.suggest_categorical("batch_size", [16, 32, 64])
    return abs(dropout - 0.2) + abs(log10(l2) + 4) / 10 + abs(log10(rate) + 2) / 10


def layer_by_layer(trial: Trial) -> float:
    """As many layers as the trial says, each with units and dropout of its own, and one learning rate."""
    layers = trial.suggest_int("n_layers", 1, 3)
    loss = 0.1 * layers
    for layer in range(layers):
        trial.suggest_int(f"n_units_l{layer}", 8, 128, log=True)
        loss += abs(trial.suggest_float(f"dropout_l{layer}", 0.1, 0.5) - 0.3)
    return loss + abs(log10(trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)) + 3)


def kinds_of_penalty(trial: Trial) -> float:
    """A regularizer by name, with a strength where it has one, and patience."""
    kind = trial.suggest_categorical("reg_type", ["none", "l1", "l2", "l1_l2"])
    loss = {"none": 0.3, "l1": 0.1, "l2": 0.2, "l1_l2": 0.05}[str(kind)]
    if kind != "none":
        loss += abs(log10(trial.suggest_float("reg_strength", 1e-5, 1e-1, log=True)) + 3) / 10
    if kind == "l1_l2":
        loss += abs(trial.suggest_float("l1_ratio", 0.1, 0.9) - 0.5)
    return loss + trial.suggest_int("patience", 3, 15) / 100


def two_strengths(trial: Trial) -> float:
    """λ of L1 beside λ of L2, for the area under the ROC curve."""
    l1 = trial.suggest_float("l1", 1e-6, 1e-2, log=True)
    l2 = trial.suggest_float("l2", 1e-6, 1e-1, log=True)
    return 0.9 - abs(log10(l1) + 5) / 20 - abs(log10(l2) + 2) / 20 - trial.suggest_float("dropout_rate", 0, 0.5) / 10


def loss_and_epochs(trial: Trial) -> tuple[float, float]:
    """Two objectives; an optimizer by name, of which one has momentum; PyTorch's weight_decay."""
    if trial.suggest_categorical("optimizer", ["Adam", "SGD"]) == "SGD":
        trial.suggest_float("momentum", 0.0, 0.99)
    decay = trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True)
    patience = trial.suggest_int("early_stopping_patience", 2, 20)
    return abs(log10(decay) + 4) / 4, float(patience)


def run(
    objective: Callable[[Trial], float | tuple[float, ...]],
    storage: str | optuna.storages.BaseStorage | None = None,
    trials: int = 12,
) -> optuna.Study:
    """Run one of these searches."""
    least, most = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE
    directions: dict[Any, list[StudyDirection]] = {two_strengths: [most], loss_and_epochs: [least, least]}
    study = optuna.create_study(
        study_name=objective.__name__,
        directions=directions.get(objective, [least]),
        storage=storage,
        sampler=optuna.samplers.RandomSampler(seed=3),
    )
    names: dict[Any, list[str]] = {two_strengths: ["val_auc"], loss_and_epochs: ["val_loss", "epochs"]}
    if objective in names:
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            study.set_metric_names(names[objective])
    study.optimize(objective, n_trials=trials)
    return study


def distributions_of_optuna_2() -> dict[str, str]:
    """What a study of 2021 kept: a class for each kind of range."""
    document: dict[str, str] = json.loads(_DISTRIBUTIONS.read_text())
    return document
