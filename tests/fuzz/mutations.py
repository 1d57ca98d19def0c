"""Valid documents of the API, and what strangers make of them: odd values at any path, odd texts of the whole."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.studies.test_keras_config import HIDDEN, INPUT, OUTPUT, layer, sequential

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
_IRIS = {"kind": "builtin", "name": "iris"}
_RANGE = {"low": 1e-5, "high": 1e-2, "log": True}


def studies() -> list[dict[str, Any]]:
    """Valid studies that together name every field of a study."""
    keras = {"kind": "keras", "config": sequential(INPUT, HIDDEN, layer("Dropout", "drop", rate=0.2), OUTPUT)}
    return [
        *(yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(EXAMPLES.glob("*.yaml"))),
        {"dataset": _IRIS},
        {
            "name": "whole",
            "dataset": {"kind": "synthetic", "name": "clean", "rows": 100, "features": 9, "informative": 3, "seed": 4},
            "model": {"kind": "mlp", "hidden_units": [8, 8], "activation": "relu", "batch_norm": True},
            "space": {
                "scope": "per_layer",
                "layers": [{"regularizer": ["l1", "l2"], "lambda": _RANGE}, {"dropout": [0.1, 0.2], "l1_ratio": 0.5}],
                "regularizer": ["none", "elastic_net"],
                "lambda": _RANGE,
                "l1_ratio": {"low": 0.1, "high": 0.9},
                "dropout": {"low": 0.0, "high": 0.5},
                "patience": [3, 5],
                "learning_rate": _RANGE,
                "batch_size": [16, 32],
                "l1_mode": "penalty",
                "activity_regularizer": ["none", "l2"],
                "activity_lambda": 0.01,
            },
            "objectives": ["val_loss", "val_auc"],
            "sampler": {"name": "nsga2", "population_size": 8, "mutation_prob": 0.1},
            "training": {"engine": "fit", "optimizer": {"name": "adamw", "weight_decay": 0.1, "beta_1": 0.8}},
            "resampling": {"kind": "repeated_kfold", "folds": 3, "repeats": 2, "split": "random"},
            "budget": {"trials": 20, "epochs": 5, "timeout_seconds": 60.5, "max_failed_trials": 3, "max_attempts": 2},
            "priority": 3,
            "seed": 7,
        },
        {
            "name": "compared",
            "dataset": {"kind": "builtin", "name": "breast_cancer"},
            "space": {"bias_regularizer": ["l1", "l2"], "bias_lambda": _RANGE},
            "sampler": {"name": "tpe", "n_startup_trials": 5, "multivariate": True},
            "pruner": {"name": "patient", "patience": 2, "wrapped": {"name": "percentile", "percentile": 25.0}},
            "early_stopping": {"monitor": "val_auc", "min_delta": 0.01, "start_from_epoch": 2},
            "training": {
                "engine": "lanes",
                "lanes": 4,
                "seeds": "own",
                "class_weights": "balanced",
                "schedule": {"name": "exponential", "decay_rate": 0.9},
                "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True},
            },
            "comparison": {
                "techniques": ["none", "l1", "dropout"],
                "trials_per_technique": 5,
                "repeats": 2,
                "folds": 3,
                "cocktails": False,
                "deliver": "refit",
                "rope": 0.01,
            },
            "budget": {"trials": 30, "best_seeds": 2},
            "reproducible": True,
        },
        {
            "dataset": {"kind": "builtin", "name": "digits_images"},
            "model": {"kind": "cnn", "filters": [8], "kernel_size": 3, "hidden_units": [16], "activation": "gelu"},
            "sampler": {"name": "random"},
            "pruner": {"name": "hyperband", "min_resource": 1, "max_resource": 9, "reduction_factor": 3},
            "space": {"patience": None, "dropout": 0.25},
        },
        {"dataset": _IRIS, "model": keras, "sampler": "cmaes", "pruner": {"name": "threshold", "upper": 5.0}},
        {"dataset": _IRIS, "model": {**keras, "insert_dropout": True}, "warm_start": {"study": "there"}},
        {"dataset": _IRIS, "warm_start": {"enqueue": [{"dropout": 0.25, "regularizer": "l2", "lambda": 0.01}, {}]}},
        {"dataset": {"kind": "uploaded", "name": "mine", "version": 1}},
        {"dataset": _IRIS, "sampler": {"name": "qmc", "qmc_type": "halton", "scramble": True}, "pruner": "wilcoxon"},
    ]


_TEXTS = (
    "", " ", "\x00", "a\x00b", "\ud800", "x\udfffy", "\x1b[31mred\x1b[0m", "a\r\nb", "é" * 101, "x" * 100_000,
    "../../etc/passwd", "/etc/passwd", "=1+1", "{}", "{name}", "%s", "<b>", "null", "NaN", "1e400", "\u202eabc",
    "\ufffe", "\U0010ffff", "my layer", "größe", "auto", "iris", "l1", "tpe", "keras",
)  # fmt: skip
_NUMBERS = (
    0, 1, -1, 2, 64, 65_536, 10**5, 10**6, 2**31, 2**63, -(2**63), 2**64, 10**30, 10**400, -(10**400), 0.0, -0.0, 0.5,
    1e-300, 5e-324, 1e300, float("inf"), float("-inf"), float("nan"), 1.0, 3.0000001,
)  # fmt: skip


_PLAIN: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], [{}], {"": ""})


def odd_value(random: Random, deep: int = 0) -> Any:
    """A value that a field may not expect; now and then a large or a deep one."""
    kind = random.randrange(20)
    if kind < 14 or deep > 1:
        return deepcopy(random.choice((_TEXTS, _NUMBERS, _PLAIN)[kind % 3]))  # or a mutation would change it for all
    length = random.choice([100, 1_001, 20_000]) if deep == 0 else 3
    match kind:
        case 14:
            return [odd_value(random, deep + 1) for _ in range(random.choice([1, 3, 70]))]
        case 15:
            return {odd_key(random): odd_value(random, deep + 1) for _ in range(3)}
        case 16:
            return nested(random.choice([10, 100, 400, 900]), random.choice([list, dict]))
    one: Any = random.choice([1, 0.5, "l1", None, {}])
    return random.choice([[one] * length, list(range(1, length)), {f"unknown{index}": 1 for index in range(length)}])


def odd_key(random: Random) -> str:
    """A name of a field, or none."""
    return random.choice([*_TEXTS, "name", "kind", "low", "patience", "trails", "lambda", "lambda_", "config", "seed"])


def nested(depth: int, kind: type) -> Any:
    """Lists or objects that lie in each other."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value


def paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path into a document, with the empty one; what lies very deep has none of its own."""
    if len(path) > 30:
        return [path]
    inner = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    return [path, *(found for key, value in inner for found in paths(value, (*path, key)))]


def at(node: Any, path: tuple[Any, ...]) -> Any:
    """The value at a path."""
    for key in path:
        node = node[key]
    return node


def mutate(random: Random, document: Any, others: list[Any]) -> Any:
    """Change a document at none to three of its paths."""
    document = json.loads(json.dumps(document))
    for _ in range(random.choice([0, 1, 1, 1, 1, 2, 3])):
        path = random.choice(paths(document))
        if not path:
            if random.random() < 0.05:
                return odd_value(random)
            continue
        parent, key = at(document, path[:-1]), path[-1]
        other = random.choice(others)
        match random.randrange(10):
            case 0:
                del parent[key]
            case 1 if isinstance(parent, dict):
                parent[odd_key(random)] = odd_value(random)
            case 2 if isinstance(parent, dict):
                parent[odd_key(random)] = parent.pop(key)
            case 2 | 1:
                parent.append(odd_value(random))
            case 3:  # what belongs elsewhere
                parent[key] = json.loads(json.dumps(at(other, random.choice(paths(other)))))
            case 4 if isinstance(parent[key], list) and parent[key]:
                parent[key] = parent[key] * random.choice([2, 100, 3000])
            case _:
                parent[key] = odd_value(random)
    return document


def spoil_text(random: Random, text: str) -> str:
    """Damage a document as text, as a writer that is broken would."""
    at = random.randrange(len(text) + 1)
    insertion = random.choice(
        ["\x00", "\\ud800", "[" * 5000, '{"a":' * 5000, "NaN", "1e999", "9" * 5000, "\ufeff", ","]
    )
    return random.choice([text[:at], text[:at] + insertion + text[at:], insertion + text, text + insertion, insertion])
