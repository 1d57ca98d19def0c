"""Refuses hyperparameters whose names say nothing here, and offers what each may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from studies.imports.imported import Theirs
from studies.imports.likely import likely_meanings
from studies.imports.names import KNOWN_REASONS, LAUNCHING, SINGLE, endings
from studies.imports.offered_value import name_of, offered_value
from studies.imports.options import fixing, leaving_out, mapping
from studies.imports.placement import Placement

_OPTIMIZERS = frozenset({"adam", "adamw", "sgd", "rmsprop", "adagrad", "adadelta", "adamax", "nadam"})
#: What each layer may have of its own: several names may mean it.
_OF_EACH_LAYER = frozenset({"l1", "l2", "l2/2", "dropout"})


def refuse_unknown(unknown: Sequence[Theirs], known: Mapping[str, Theirs], placement: Placement) -> None:
    """Refuse each with its reason; note those that change nothing.

    What one of them may be is offered once, for a study has one of each.
    """
    taken = set(known)
    for theirs in unknown:
        reason = next((KNOWN_REASONS[name] for name in endings(theirs.name) if name in KNOWN_REASONS), None)
        if reason is not None:
            placement.refuse(theirs, reason, leaving_out(theirs.name))
        elif theirs.values is False or theirs.values == (False,):
            placement.note(theirs, "is off there, and is not read")
        elif not isinstance(theirs.values, Mapping | tuple) and not LAUNCHING.isdisjoint(endings(theirs.name)):
            placement.note(theirs, "says how a program is started, shown or given its data, and is not read")
        else:
            _offer(theirs, taken, _optimizer(known), placement)


def _offer(theirs: Theirs, taken: set[str], optimizer: str, placement: Placement) -> None:
    without = leaving_out(theirs.name)
    others = _OPTIMIZERS.intersection(endings(theirs.name)[0].split("_")) - {optimizer}
    if optimizer and others:
        placement.refuse(theirs, f"seems to be of {min(others)}, and a study has one optimizer; leave it out", without)
        return
    likely = [ours for ours in likely_meanings(theirs.name) if ours not in taken]
    if not likely:
        placement.refuse(theirs, "no hyperparameter here has this name, nor one like it; leave it out", without)
        return
    taken |= {likely[0]} - _OF_EACH_LAYER
    maps = [mapping(theirs.name, ours) for ours in likely]
    option = maps[0]
    if likely[0] in SINGLE and isinstance(theirs.values, Mapping | tuple):
        option = f"{option} {fixing(theirs.name, offered_value(likely[0], theirs))}"
    reason = f"no hyperparameter here has this name; say which it is ({' or '.join(maps)}), or leave it out ({without})"
    placement.refuse(theirs, reason if option in reason else f"{reason}. As a study has it:", option)


def _optimizer(known: Mapping[str, Theirs]) -> str:
    """The optimizer that a refusal offers, or that stands in the file; empty where none does."""
    return "" if "optimizer" not in known else name_of(offered_value("optimizer", known["optimizer"]))
