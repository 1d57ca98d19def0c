"""Puts what another program has a value of for each layer, as `dropout_1` and `l2_0`, into a study's layers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studies.hyperparameters import layer_prefixes
from studies.imports.imported import Theirs
from studies.imports.names import endings, meaning_of
from studies.imports.options import leaving_out
from studies.imports.penalty import place_penalty
from studies.imports.placement import Placement

#: What a layer of a study may have of its own, and the strengths that become its λ.
_OF_LAYER = frozenset({"dropout", "regularizer", "lambda", "l1", "l2", "l2/2", "l1_ratio"})
_WORD = r"(?:l|h|layer|fc|dense|hidden|block)?"
_AFTER = re.compile(rf"(?P<stem>.+?)_?{_WORD}_?(?P<number>\d\d?)")
_BEFORE = re.compile(rf"{_WORD}_?(?P<number>\d\d?)_(?P<stem>.+)")
_UNITS = 64


@dataclass(frozen=True, slots=True)
class OfLayer:
    """A hyperparameter of one layer."""

    ours: str  # dropout
    number: int  # as the other program counts
    theirs: Theirs


def read_layer(theirs: Theirs) -> OfLayer | None:
    """A hyperparameter of one layer, by its name; None where it is none."""
    name = endings(theirs.name)[-1]
    for form in (_AFTER, _BEFORE):
        match = form.fullmatch(name)
        ours = None if match is None else meaning_of(match["stem"], theirs.values)
        if match is not None and ours in _OF_LAYER:
            return OfLayer(str(ours), int(match["number"]), theirs)
    return None


def mapped_layers(parameters: Sequence[Theirs], meanings: Mapping[str, str]) -> list[OfLayer]:
    """Those of single layers that a user says one meaning of: `weight_decay_0` and `weight_decay_1` are each l2."""
    by_stem: dict[tuple[str, str], list[OfLayer]] = {}
    for theirs in parameters:
        ours, name = meanings.get(theirs.name), endings(theirs.name)[-1]
        match = _AFTER.fullmatch(name) or _BEFORE.fullmatch(name)
        if match is not None and ours is not None and ours in _OF_LAYER:
            of_stem = by_stem.setdefault((match["stem"], ours), [])
            of_stem.append(OfLayer(ours, int(match["number"]), theirs))
    return [each for same in by_stem.values() if len(same) > 1 for each in same]


def place_layers(parameters: Sequence[OfLayer], known: Mapping[str, Theirs], placement: Placement) -> None:
    """Put hyperparameters of single layers: `scope: per_layer`, and as many layers as they have numbers."""
    numbers = sorted({each.number for each in parameters})
    if not numbers:
        return
    first = numbers[0]
    if first > 1 or numbers != list(range(first, first + len(numbers))):
        for each in parameters:
            placement.refuse(
                each.theirs,
                "is of one layer, and layers are counted from 0 or 1 without a gap",
                leaving_out(each.theirs.name),
            )
        return
    names = ", ".join(each.theirs.name for each in parameters)
    hidden = _hidden_units(len(numbers), names, known, placement)
    layers = [_layer(index, [each for each in parameters if each.number == first + index], placement)
              for index in range(min(len(hidden), len(numbers)))]  # fmt: skip
    placement.fields |= {"space.scope": "per_layer", "space.layers": layers + [{}] * (len(hidden) - len(layers))}
    for each in parameters:
        index = each.number - first
        if index < len(layers):
            prefix = layer_prefixes(len(hidden))[index]
            placement.meanings[each.theirs.name] = prefix + each.ours
        elif "hidden_layers" in known:
            placement.note(each.theirs, f"is of a layer more than the {len(hidden)} that there are; not taken")
        else:
            reason = f"is of layer {index + 1}, and the model has {len(hidden)}; leave it out"
            placement.refuse(each.theirs, reason, leaving_out(each.theirs.name))
    shared = [name for name in ("lambda", "dropout") if f"space.{name}" in placement.fields]
    if shared:
        placement.note(" and ".join(shared), "a layer that has none of its own has a value of its own in each trial")
    for name, off in (("regularizer", "none"), ("dropout", 0)):
        if any(name in layer for layer in layers):  # of layers that have none of their own
            placement.fields.setdefault(f"space.{name}", off)


def _hidden_units(count: int, names: str, known: Mapping[str, Theirs], placement: Placement) -> Sequence[Any]:
    hidden = placement.fields.get("model.hidden_units")
    if isinstance(hidden, list):
        return hidden
    units = [_UNITS] * count
    placement.put("model.hidden_units", units, known.get("hidden_layers") or Theirs(names, None))
    placement.note(names, f"{count} hidden layers, of {_UNITS} units, for the units are not known: change model")
    return units


def _layer(index: int, parameters: Sequence[OfLayer], placement: Placement) -> dict[str, Any]:
    """A layer's part of the space."""
    of_layer: dict[str, Theirs] = {}
    for each in parameters:
        if each.ours in of_layer:
            other = of_layer[each.ours].name
            placement.refuse(
                each.theirs,
                f"stands for {each.ours} of a layer, as {other} does; leave one of them out",
                leaving_out(each.theirs.name),
            )
        of_layer.setdefault(each.ours, each.theirs)
    part = Placement()
    place_penalty(of_layer, part)
    if "dropout" in of_layer:
        part.put_searched("dropout", of_layer["dropout"])
    placement.refused += part.refused
    placement.notes += part.notes
    for path, name in part.sources.items():
        placement.sources[f"space.layers.{index}.{path.removeprefix('space.')}"] = name
    return {path.removeprefix("space."): value for path, value in part.fields.items()}
