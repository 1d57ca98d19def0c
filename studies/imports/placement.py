"""A study while hyperparameters of another program are put into it, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from studies.imports.imported import LeftOut, Theirs
from studies.imports.offered_value import offered_value
from studies.imports.options import fixing, leaving_out
from studies.spec.parameter import MAX_CHOICES

#: What has whole values only.
_WHOLE = frozenset({"patience", "batch_size"})
#: A number of each, for a refusal to show how one is written.
_EXAMPLES = {"dropout": 0.25, "patience": 10, "batch_size": 32}


@dataclass(slots=True)
class Placement:
    """The fields of a study by their paths, whose they are, and what has no place in a study."""

    fields: dict[str, Any] = field(default_factory=dict)  # space.dropout -> its value
    sources: dict[str, str] = field(default_factory=dict)  # space.dropout -> their name
    meanings: dict[str, str] = field(default_factory=dict)  # their name -> dropout, l2, layer1_dropout, …
    refused: list[LeftOut] = field(default_factory=list)
    notes: list[LeftOut] = field(default_factory=list)

    def put(self, path: str, value: Any, theirs: Theirs) -> None:
        """Put a value into a field of the study."""
        self.fields[path] = value
        self.sources[path] = theirs.name

    def refuse(self, theirs: Theirs | str, reason: str, option: str = "") -> None:
        """Keep why a hyperparameter has no place in a study, and the option of the command that would help."""
        self.refused.append(LeftOut(theirs if isinstance(theirs, str) else theirs.name, reason, option))

    def note(self, theirs: Theirs | str, said: str) -> None:
        """Keep what a user should know of a part that was taken."""
        self.notes.append(LeftOut(theirs if isinstance(theirs, str) else theirs.name, said))

    def put_searched(self, ours: str, theirs: Theirs) -> None:
        """Put a parameter of the space."""
        if ours == "learning_rate" and isinstance(theirs.values, Mapping) and theirs.values["low"] <= 0:
            reason = "begins at 0, and a learning rate is above it; write another min into the file, or leave it out"
            self.refuse(theirs, reason, leaving_out(theirs.name))
            return
        self.put(f"space.{ours}", self.notation(ours, theirs), theirs)

    def notation(self, ours: str, theirs: Theirs) -> Any:
        """The values of a parameter as the space writes them."""
        values = theirs.values
        if isinstance(values, Mapping):
            return _range_of(ours, values)
        if isinstance(values, list):
            self.refuse(
                theirs,
                f"is a list, and {ours} is one number for all layers; take one",
                fixing(theirs.name, values[0] if values else 0),
            )
        if any(isinstance(each, bool) for each in (values if isinstance(values, tuple) else (values,))):
            self.refuse(
                theirs,
                f"is true or false, and {ours} is a number; take the one that your code has where it is true, as in",
                fixing(theirs.name, _EXAMPLES.get(ours, 0.001)),
            )
        if not isinstance(values, tuple):
            return _whole(values) if ours in _WHOLE else values
        once = without_repeats(values)
        if len(once) < len(values):
            self.note(theirs, "lists a value twice; here each choice stands once")
        listed = [_whole(value) for value in once] if ours in _WHOLE else once
        return listed if len(listed) > 1 else listed[0]

    def single(self, ours: str, theirs: Theirs) -> Any:
        """The one value of a hyperparameter that a study does not search; None, and a refusal, where there are more."""
        values = theirs.values
        if not isinstance(values, Mapping | tuple):
            return values
        if isinstance(values, tuple) and len(once := without_repeats(values)) == 1:
            return once[0]
        option = fixing(theirs.name, offered_value(ours, theirs))
        self.refuse(
            theirs,
            f"is searched there, and has one value in a study; take one with {option}, and make a study for each value "
            "that you want to compare",
            option,
        )
        return None


def without_repeats(values: tuple[Any, ...]) -> list[Any]:
    """The values without repeats, as they are ordered; 1 and true are two values."""
    kept = {repr(value): value for value in values}
    return list(kept.values())


def _range_of(ours: str, values: Mapping[str, Any]) -> Any:
    low, high, log = values["low"], values["high"], values["log"]
    if ours in _WHOLE:
        low, high = _whole(low), _whole(high)
    elif type(low) is int and type(high) is int and not log and high - low < MAX_CHOICES:
        return list(range(low, high + 1))  # whole numbers only, of what may have a point here
    else:
        low, high = float(low), float(high)
    return {"low": low, "high": high, **({"log": True} if log else {})}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
