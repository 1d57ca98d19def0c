"""Puts the hyperparameters of another program where they belong in a study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from studies.errors import FieldError, InvalidImportError
from studies.imports.imported import Choices, LeftOut, Theirs
from studies.imports.layer_parameters import OfLayer, mapped_layers, place_layers, read_layer
from studies.imports.names import MEANINGS, layer_of, meaning_of
from studies.imports.options import leaving_out
from studies.imports.penalty import place_penalty
from studies.imports.placement import Placement
from studies.imports.single_values import place_single_values
from studies.imports.unknown import refuse_unknown

#: What a study searches by itself and another program does not have.
OFF: Mapping[str, Any] = {"space.regularizer": "none", "space.dropout": 0, "space.patience": None}


def place(parameters: Iterable[Theirs], choices: Choices) -> Placement:
    """Put hyperparameters into a study by their names, or as the user says.

    What has no place is among `refused`; what the user leaves out is not looked at.
    """
    placement = Placement()
    parameters = list(parameters)
    known, units, of_layers = _by_meaning(parameters, choices, placement)
    for ours in ("dropout", "patience", "learning_rate", "batch_size"):
        if ours in known:
            placement.put_searched(ours, known[ours])
    place_penalty(known, placement)
    place_single_values(known, units, placement)
    place_layers(of_layers, known, placement)
    off = [path for path in OFF if path not in placement.fields]
    if off:
        names = ", ".join(path.removeprefix("space.") for path in off)
        placement.note(names, "not in the file, so off; delete such a line of the study's space to search it")
    placement.fields |= {path: OFF[path] for path in off}
    _note_choices(parameters, choices, placement)
    if any(path.startswith("model.") for path in placement.fields):
        placement.fields = {"model.kind": "mlp", **placement.fields}
    return placement


def _note_choices(parameters: Iterable[Theirs], choices: Choices, placement: Placement) -> None:
    """Say what a user takes in another way than the file has it."""
    for theirs in parameters:
        if is_left_out(theirs.name, choices):
            continue
        said = [f"is {choices.meanings[theirs.name]} here"] if theirs.name in choices.meanings else []
        said += [f"has the one value {choices.values[theirs.name]}"] if theirs.name in choices.values else []
        if said:
            placement.note(theirs, f"{' and '.join(said)}, as you said")


def check_choices(choices: Choices, names: Iterable[str]) -> None:
    """Check that a user's choices are about what there is.

    Raises InvalidImportError when a name is none of `names`, or a hyperparameter does not exist here.
    """
    there = {part for name in names for part in _with_parents(name)}
    errors = [
        FieldError(f"{option} {name}", f"there is no {name} in what is imported; there are {', '.join(sorted(there))}")
        for option, given in (
            ("--leave-out", choices.leave_out),
            ("--map", choices.meanings),
            ("--fix", choices.values),
        )
        for name in sorted(given)
        if name not in there
    ]
    errors += [
        FieldError(f"--map {name}={ours}", f"there is no hyperparameter {ours} here; there are {', '.join(MEANINGS)}")
        for name, ours in choices.meanings.items()
        if name in there and ours not in MEANINGS and not ours.startswith("val_")
    ]
    if errors:
        raise InvalidImportError(errors)


def is_left_out(name: str, choices: Choices) -> bool:
    """Return whether a user leaves a name out, or what it lies in."""
    return not choices.leave_out.isdisjoint(_with_parents(name))


def left_out(choices: Choices) -> tuple[LeftOut, ...]:
    """What a user left out."""
    return tuple(LeftOut(name, "as you said") for name in sorted(choices.leave_out))


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _by_meaning(
    parameters: Iterable[Theirs], choices: Choices, placement: Placement
) -> tuple[dict[str, Theirs], Sequence[Theirs], Sequence[OfLayer]]:
    """Each hyperparameter by what it means here; the units of layers, and what else is of single layers."""
    known: dict[str, Theirs] = {}
    units: list[Theirs] = []
    parameters = [theirs for theirs in parameters if not is_left_out(theirs.name, choices)]
    of_layers = mapped_layers(parameters, choices.meanings)
    mapped = {each.theirs.name for each in of_layers}
    unknown: list[Theirs] = []
    for theirs in parameters:
        if theirs.name in mapped:
            continue
        if theirs.name in choices.values:
            theirs = replace(theirs, values=choices.values[theirs.name])  # noqa: PLW2901
            if isinstance(theirs.values, Mapping):
                placement.refuse(theirs, "--fix takes one value, and this is a mapping")
                continue
        ours = choices.meanings.get(theirs.name) or meaning_of(theirs.name, theirs.values)
        if ours is None and (of_layer := read_layer(theirs)) is not None:
            of_layers.append(of_layer)
        elif ours is None:
            unknown.append(theirs)
        elif ours == "hidden_units" and (not units or _are_layers([*units, theirs])):
            units.append(theirs)
        elif ours in known or ours == "hidden_units":
            first = known[ours].name if ours in known else units[0].name
            placement.refuse(
                theirs,
                f"stands for {ours}, as {first} does, and a study has one; leave one of them out",
                leaving_out(theirs.name),
            )
        else:
            known[ours] = theirs
            placement.meanings[theirs.name] = ours
    refuse_unknown(unknown, known, placement)
    if len(of_layers) == 1 and of_layers[0].ours not in known:
        [only] = of_layers
        known[only.ours] = only.theirs
        placement.meanings[only.theirs.name] = only.ours
        placement.note(only.theirs, f"is the only {only.ours} of a layer, and so that of all hidden layers")
        of_layers = []
    return known, units, of_layers


def _are_layers(units: Sequence[Theirs]) -> bool:
    numbers = [layer_of(each.name) for each in units]
    return None not in numbers and len(set(numbers)) == len(numbers)
