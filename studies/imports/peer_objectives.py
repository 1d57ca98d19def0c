"""Puts the objectives of another program that say their direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studies.imports.imported import Choices
from studies.imports.metrics import measure_of, objective_of
from studies.imports.options import mapping
from studies.imports.placement import Placement
from studies.objectives import OBJECTIVES, Direction, ObjectiveName


@dataclass(frozen=True, slots=True)
class PeerObjective:
    """What another program optimises."""

    name: str  # as it says, or what stands for one without a name, for --map
    direction: Direction
    is_named: bool = True


def place_objectives(objectives: Sequence[PeerObjective], choices: Choices, placement: Placement) -> None:
    """Put each objective by its name; one without a name that is minimised is taken for val_loss."""
    ours = [name for each in objectives if (name := _objective(each, choices, placement)) is not None]
    if ours:
        placement.fields["objectives"] = ours
        placement.sources["objectives"] = ", ".join(each.name for each in objectives)


def _objective(theirs: PeerObjective, choices: Choices, placement: Placement) -> ObjectiveName | None:
    if theirs.name in choices.leave_out:
        return None
    mapped = choices.meanings.get(theirs.name)
    ours, reason = _meaning(theirs) if mapped is None else _mapped(mapped)
    if ours is None:
        placement.refuse(theirs.name, reason, mapping(theirs.name, _directed(theirs)[0]))
        return None
    direction = OBJECTIVES[ours].direction
    if direction != theirs.direction:
        right = _directed(theirs)
        reason = f"is to {theirs.direction}, and {ours} to {direction}; it may be {', '.join(right)}"
        placement.refuse(theirs.name, reason, mapping(theirs.name, right[0]))
        return None
    if not theirs.is_named and mapped is None:
        placement.note(theirs.name, f"has no name and is minimised: val_loss here; --map {theirs.name}=… says another")
    if ours == "val_loss":
        placement.note(theirs.name, "val_loss is the loss without the penalty here; Keras adds the penalty to it")
    return ours


def _mapped(name: str) -> tuple[ObjectiveName | None, str]:
    ours = next((each for each in OBJECTIVES if each == name), None)
    return ours, f"there is no objective {name} here; there are {', '.join(OBJECTIVES)}"


def _meaning(theirs: PeerObjective) -> tuple[ObjectiveName | None, str]:
    if theirs.is_named:
        ours = next((each for each in OBJECTIVES if each == theirs.name), None)
        return objective_of(theirs.name) if ours is None else (ours, "")
    if theirs.direction == "minimize":
        return "val_loss", ""
    return None, f"has no name and is maximised; say which of {', '.join(_directed(theirs))} it is, as in"


def _directed(theirs: PeerObjective) -> list[ObjectiveName]:
    """The objectives of its direction, that which measures what its name says first."""
    right = [name for name, each in OBJECTIVES.items() if each.direction == theirs.direction]
    return sorted(right, key=lambda name: name != measure_of(theirs.name))
