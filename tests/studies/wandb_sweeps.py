"""Sweeps of W&B that tests share: ten files as people write them, and what each becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp
from pathlib import Path
from typing import Any

import pytest

from studies.errors import InvalidSpecError
from studies.imports.imported import NO_CHOICES, Choices
from studies.imports.wandb_sweep import import_sweep

SWEEPS = Path(__file__).parent / "imports" / "wandb"
DIABETES, CANCER, IRIS = ({"kind": "builtin", "name": name} for name in ("diabetes", "breast_cancer", "iris"))


@dataclass(frozen=True)
class Case:
    """What of a sweep is refused, what a user says then, and what becomes of it."""

    refused: set[str]
    expected: dict[str, Any]  # of the study, by path
    choices: Choices = NO_CHOICES
    dataset: Mapping[str, Any] = field(default_factory=lambda: CANCER)


SMALL: dict[str, Any] = {
    "method": "random",
    "metric": {"name": "val_loss", "goal": "minimize"},
    "parameters": {"dropout": {"values": [0.1, 0.2]}},
    "run_cap": 4,
}


def refused(sweep_document: Any, choices: Choices = NO_CHOICES) -> dict[str, str]:
    with pytest.raises(InvalidSpecError) as refusal:
        import_sweep(sweep_document, CANCER, choices)
    return {error.field: error.message for error in refusal.value.errors}


CASES = {
    "first_sweep": Case(
        {"optimizer"},
        {
            "name": "first-sweep",
            "space.learning_rate": {"low": 0.0001, "high": 0.1},
            "space.batch_size": [16, 32, 64],
            "space.regularizer": "none",
            "space.patience": None,
            "sampler.name": "tpe",
            "training.optimizer.name": "sgd",
            "budget.trials": 6,
        },
        Choices(values={"optimizer": "sgd"}),
    ),
    "keras_dropout": Case(
        set(),
        {
            "space.dropout": [0.15, 0.2, 0.25, 0.3, 0.4],
            "space.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
            "model": {"kind": "mlp", "activation": "relu", "hidden_units": [96]},
            "objectives": ["val_accuracy"],
            "pruner.name": "successive_halving",
            "pruner.min_resource": 3,
            "pruner.reduction_factor": 3,
            "budget": {"epochs": 27, "trials": 50},
        },
    ),
    "course_network": Case(
        {
            "epochs", "hidden_layers_count", "hidden_layer_size", "weight_decay", "optimizer", "weight_init",
            "activation", "loss",
        },
        {
            "space.lambda": [0, 0.00025, 0.025],
            "space.regularizer": "l2",
            "model": {"kind": "mlp", "activation": "relu", "hidden_units": [32, 32, 32]},
            "budget.epochs": 5,
        },
        Choices(
            frozenset({"weight_init", "loss"}),
            {"weight_decay": "l2/2"},
            {
                "epochs": 5, "hidden_layers_count": 3, "hidden_layer_size": 32, "optimizer": "adam",
                "activation": "relu",
            },
        ),
    ),
    "tabular_grid": Case(
        set(),
        {
            "space.dropout": [0.0, 0.25, 0.5],
            "space.lambda": [0, 1e-4, 1e-3],
            "sampler.name": "grid",
            "model.hidden_units": [48, 24],
            "budget": {"epochs": 12, "trials": 9},
            "seed": 7,
        },
    ),
    "torch_exponents": Case(
        {"batch_size.q", "weight_decay"},
        {
            "space.learning_rate": {"low": pytest.approx(exp(-9.21)), "high": pytest.approx(exp(-2.3)), "log": True},
            "space.lambda": {"low": pytest.approx(exp(-13.8) / 2), "high": pytest.approx(exp(-4.6) / 2), "log": True},
            "space.batch_size": {"low": 32, "high": 256, "log": True},
            "space.dropout": {"low": 0.0, "high": 0.6},
            "pruner.min_resource": 3,
            "budget": {"epochs": 27, "trials": 8},
        },
        Choices(frozenset({"batch_size.q"}), {"weight_decay": "l2/2"}),
    ),
    "nested_config": Case(
        {"training.clip_grad_norm"},
        {
            "space.dropout": {"low": 0.0, "high": 0.5},
            "space.patience": {"low": 3, "high": 8},
            "model": {"kind": "mlp", "batch_norm": True, "hidden_units": [64, 64]},
            "training.optimizer": {"name": "adamw", "weight_decay": 0.01},
        },
        Choices(frozenset({"training.clip_grad_norm"})),
    ),
    "command_flags": Case(
        {"last_layers_to_train"},
        {
            "space.regularizer": "l1",
            "space.lambda": {"low": 1e-5, "high": 0.01, "log": True},
            "space.batch_size": 64,
            "budget.epochs": 14,
            "objectives": ["val_auc"],
        },
        Choices(frozenset({"last_layers_to_train"})),
    ),
    "elastic_net": Case(
        {"random_state"},
        {
            "space.regularizer": ["none", "l1", "l2", "elastic_net"],
            "space.lambda": {"low": 1e-6, "high": 0.1, "log": True},
            "space.l1_ratio": {"low": 0.1, "high": 0.9},
            "space.patience": {"low": 3, "high": 9},
            "model.hidden_units": [64, 32],
            "seed": 2,
        },
        Choices(values={"random_state": 2}),
    ),
    "house_prices": Case(
        {"dropout", "neurons", "validation_split", "metric.name"},
        {
            "space.dropout": 0.2,
            "space.lambda": {"low": 1e-6, "high": 1e-2, "log": True},
            "model.hidden_units": [32],
            "objectives": ["val_loss"],
        },
        Choices(frozenset({"validation_split"}), {"val_rmse": "val_loss"}, {"dropout": 0.2, "neurons": 32}),
        DIABETES,
    ),
    "weighted_choices": Case(
        {"lr.probabilities", "label_smoothing", "metric.goal"},
        {
            "space.dropout": [0.1, 0.2, 0.3, 0.4, 0.5],
            "space.learning_rate": [0.3, 0.1, 0.03, 0.01],
            "training": {"optimizer": {"name": "sgd", "momentum": 0.9}, "schedule": {"name": "cosine"}},
            "pruner.reduction_factor": 2,
        },
        Choices(frozenset({"lr.probabilities", "label_smoothing", "metric.goal"})),
    ),
    "dotted_names": Case(
        {
            "model.optimizer.lr", "model.optimizer.weight_decay", "model.net.lin1_size", "model.net.lin2_size",
            "trainer.gradient_clip_val",
        },
        {
            "space.dropout": {"low": 0.0, "high": 0.6},
            "space.lambda": [0.0, 1e-5, 1e-4],
            "model.hidden_units": [128, 64],
            "training.class_weights": "balanced",
            "budget.epochs": 20,
        },
        Choices(
            frozenset({"trainer.gradient_clip_val"}),
            {"model.optimizer.weight_decay": "l2"},
            {"model.optimizer.lr": 0.01, "model.net.lin1_size": 128, "model.net.lin2_size": 64},
        ),
    ),
}  # fmt: skip
