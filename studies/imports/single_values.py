"""Puts what a study has one value of: architecture, optimizer, schedule, seed, epochs, folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studies.frozen_model import FrozenModel
from studies.imports.imported import Theirs
from studies.imports.names import layer_of
from studies.imports.offered_value import NAMED, name_of, offered_value
from studies.imports.options import fixing, leaving_out, mapping
from studies.imports.placement import Placement, without_repeats
from studies.spec.optimizer import AdamSpec, AdamWSpec, RmspropSpec, SgdSpec

_SPECS: dict[str, type[FrozenModel]] = {"adam": AdamSpec, "adamw": AdamWSpec, "sgd": SgdSpec, "rmsprop": RmspropSpec}
_OPTIONS = ("momentum", "nesterov", "beta_1", "beta_2", "epsilon", "rho")
_UNITS, _MOST_LAYERS = 64, 16


def place_single_values(known: Mapping[str, Theirs], units: Sequence[Theirs], placement: Placement) -> None:
    """Put each hyperparameter that a study does not search; refuse those of several values."""
    _place_architecture(known, units, placement)
    _place_optimizer(known, placement)
    for name, path in (("epochs", "budget.epochs"), ("min_delta", "early_stopping.min_delta")):
        if name in known and (value := placement.single(name, known[name])) is not None:
            placement.put(path, value, known[name])
    if "schedule" in known:
        _place_named("training.schedule.name", "schedule", known["schedule"], placement)
    if "folds" in known and (folds := placement.single("folds", known["folds"])) is not None:
        placement.put("resampling.kind", "kfold", known["folds"])
        placement.put("resampling.folds", folds, known["folds"])
    if "class_weights" in known:
        _place_named("training.class_weights", "class_weights", known["class_weights"], placement)
    if "seed" in known:
        _place_seed(known["seed"], placement)


def _place_seed(theirs: Theirs, placement: Placement) -> None:
    values = theirs.values
    if isinstance(values, Mapping) or (isinstance(values, tuple) and len(without_repeats(values)) > 1):
        placement.refuse(
            theirs,
            "several seeds repeat the same params, and a study repeats those of its best trial by itself "
            "(budget.best_seeds), or all with resampling.kind: repeated_kfold",
            fixing(theirs.name, 0),
        )
    else:
        placement.put("seed", placement.single("seed", theirs), theirs)


def _place_named(path: str, meaning: str, theirs: Theirs, placement: Placement) -> str | None:
    """Put a choice that has a name; return it."""
    names, value = NAMED[meaning], placement.single(meaning, theirs)
    if value is None and theirs.values is not None:
        return None
    ours = names.get(name_of(value))
    if ours is None:
        right = ", ".join(dict.fromkeys(names.values()))
        first = fixing(theirs.name, next(iter(names.values())))
        placement.refuse(theirs, f"{value!r:.60} does not exist here, but {right}; take one", first)
    else:
        placement.put(path, ours, theirs)
    return ours


def _place_architecture(known: Mapping[str, Theirs], units: Sequence[Theirs], placement: Placement) -> None:
    if "activation" in known:
        _place_named("model.activation", "activation", known["activation"], placement)
    if "batch_norm" in known and (value := placement.single("batch_norm", known["batch_norm"])) is not None:
        placement.put("model.batch_norm", bool(value) if value in (0, 1) else value, known["batch_norm"])
    units = sorted(units, key=lambda each: (layer_of(each.name) or 0, each.name))
    layers = placement.single("hidden_layers", known["hidden_layers"]) if "hidden_layers" in known else None
    units = _of_layers_there(units, layers, known.get("hidden_layers"), placement)
    sizes = [placement.single("hidden_units", each) for each in units]
    if None in sizes:
        return
    theirs = units[0] if units else known.get("hidden_layers")
    if theirs is None:
        return
    if isinstance(layers, list | tuple) and not sizes:
        sizes, layers = [list(layers)], None  # `hidden_layers: {value: [128, 64]}` are units
    if isinstance(layers, int) and layers > _MOST_LAYERS:
        placement.refuse(
            known["hidden_layers"],
            f"{layers} layers are many; where they are units",
            mapping(known["hidden_layers"].name, "hidden_units"),
        )
    elif (hidden := _hidden_units(sizes, layers, theirs, placement)) is not None:
        placement.put("model.hidden_units", hidden, theirs)


def _of_layers_there(
    units: Sequence[Theirs], layers: Any, counted: Theirs | None, placement: Placement
) -> Sequence[Theirs]:
    """The units of the layers that there are; those of further layers are said, and not taken."""
    count = counted.best if layers is None and counted is not None else layers
    if type(count) is not int or len(units) < 2 or count < 1:
        return units
    if count > len(units) and layers is not None and counted is not None:
        reason = f"{count} layers, and units of {len(units)}"
        placement.refuse(counted, reason, fixing(counted.name, len(units)))
    for each in units[count:]:
        placement.note(each, f"is of a layer more than the {count} that there are; not taken")
    return units[:count]


def _hidden_units(sizes: list[Any], layers: Any, theirs: Theirs, placement: Placement) -> list[Any] | None:
    if len(sizes) == 1 and isinstance(sizes[0], list | tuple):
        return list(sizes[0])
    if not sizes and layers is None:
        return None
    if isinstance(layers, int) and len(sizes) < 2:
        if not sizes:
            placement.note(theirs, f"how many units a layer has is not in the file: {_UNITS}")
        return (sizes or [_UNITS]) * max(layers, 0)
    if len(sizes) == 1 and layer_of(theirs.name) is None:
        placement.note(theirs, "how many hidden layers there are is not in the file: one")
    return sizes


def _place_optimizer(known: Mapping[str, Theirs], placement: Placement) -> None:
    name: str | None = "adam"
    offered: str | None = name
    if "optimizer" in known:
        name = _place_named("training.optimizer.name", "optimizer", known["optimizer"], placement)
        offered = name or NAMED["optimizer"].get(name_of(offered_value("optimizer", known["optimizer"])))
    for option in (option for option in _OPTIONS if option in known):
        _place_option(offered, option, known[option], placement)
    if "weight_decay" in known:
        _place_weight_decay(name, known["weight_decay"], placement)


def _place_option(optimizer: str | None, option: str, theirs: Theirs, placement: Placement) -> None:
    if optimizer is None:
        return
    if option not in _SPECS[optimizer].model_fields:
        reason = f"the optimizer is {optimizer}, which has no {option}; leave it out"
        placement.refuse(theirs, reason, leaving_out(theirs.name))
    elif (value := placement.single(option, theirs)) is not None:
        placement.fields.setdefault("training.optimizer.name", optimizer)
        placement.put(f"training.optimizer.{option}", value, theirs)


def _place_weight_decay(optimizer: str | None, theirs: Theirs, placement: Placement) -> None:
    if theirs.values in (0, None):
        return  # no decay
    if optimizer == "adamw":
        if (value := placement.single("weight_decay", theirs)) is not None:
            placement.put("training.optimizer.weight_decay", value, theirs)
        return
    placement.refuse(
        theirs,
        "is no L2 penalty in every program: AdamW and Keras' optimizers shrink the weights themselves, apart from the "
        f"loss. If yours adds it to the gradient, as PyTorch's SGD and Adam do, --map {theirs.name}=l2/2 (½·λ·Σw²); if "
        f"it is the λ of Keras' L2, --map {theirs.name}=l2; one value is AdamW's own with --fix optimizer=adamw",
        mapping(theirs.name, "l2/2"),
    )
