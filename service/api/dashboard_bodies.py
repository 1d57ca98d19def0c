"""What the dashboard's writes may say. It checks little of it itself, and fails at what it does not expect."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from studies.frozen_model import AtMost, FrozenModel

_MAX_TEXT = 512  # characters of a name or of an attribute's, in Optuna's tables
_MAX_DIRECTIONS = 100
_MAX_CANDIDATES = 10_000


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


_Name = Annotated[str, Field(min_length=1, max_length=_MAX_TEXT)]
_Direction = Annotated[Literal["minimize", "maximize"], BeforeValidator(_lower)]
_Number = Annotated[int, Field(ge=0)]


class DashboardBody(FrozenModel):
    """A body of a write of the dashboard; what it does not read may stand beside it."""

    model_config = ConfigDict(extra="ignore", strict=True)


class NewStudy(DashboardBody):
    """A study is made."""

    study_name: _Name
    directions: Annotated[list[_Direction], Field(min_length=1), AtMost(_MAX_DIRECTIONS)]


class NewName(DashboardBody):
    """A study is renamed."""

    study_name: _Name


class Deletion(DashboardBody):
    """A study is deleted."""

    remove_associated_artifacts: bool = True


class Note(DashboardBody):
    """A note is written; its version is one more than that of the note before."""

    version: _Number
    body: str


class Preference(DashboardBody):
    """Of some trials, by their numbers, the one that was clicked is the worst."""

    mode: Literal["ChooseWorst"]
    candidates: Annotated[list[_Number], AtMost(_MAX_CANDIDATES)]
    clicked: _Number


class FeedbackComponent(DashboardBody):
    """What of a trial is shown to those who choose."""

    output_type: Literal["note", "artifact"]
    artifact_key: Annotated[str, Field(max_length=_MAX_TEXT)] | None = None


class Told(DashboardBody):
    """A trial has ended."""

    state: Annotated[Literal["complete", "fail"], BeforeValidator(_lower)]
    values: Annotated[list[float], AtMost(_MAX_DIRECTIONS)] | None = None


class UserAttributes(DashboardBody):
    """A trial's attributes."""

    user_attrs: dict[Annotated[str, Field(max_length=_MAX_TEXT)], Any] = Field(min_length=1)
