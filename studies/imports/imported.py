"""What an import makes of another program's search: a study, what was left out of it, and trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part of another program's search that has no meaning here."""

    name: str  # as the other program writes it; nested names are joined by a dot
    reason: str  # one sentence without its full stop: why, and what would be right
    option: str = ""  # of the command, with which the rest becomes a study; empty where none does


@dataclass(frozen=True, slots=True)
class ImportedTrial:
    """A trial of another program, in this study's params."""

    params: dict[str, Any]
    value: float | None
    state: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A study made of another program's search."""

    study: dict[str, Any]
    left_out: tuple[LeftOut, ...] = ()
    trials: tuple[ImportedTrial, ...] = ()
    notes: tuple[LeftOut, ...] = ()  # parts that were taken with another meaning, or only say how a program is started


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user says about the parts of a search that have no meaning here."""

    leave_out: frozenset[str] = frozenset()
    meanings: Mapping[str, str] = field(default_factory=dict)  # their name -> a hyperparameter here: --map
    values: Mapping[str, Any] = field(default_factory=dict)  # their name -> its one value: --fix


NO_CHOICES = Choices()


@dataclass(frozen=True, slots=True)
class Theirs:
    """A hyperparameter of another program, with its values in the notations of a study.

    `values` is a dict with low, high and log for a range, a tuple of choices, or one fixed value.
    """

    name: str
    values: Any
    best: Any = None  # its value in the best trial, where there are trials
