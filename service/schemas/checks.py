"""What a study would be, before it is submitted."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from studies.spec.dataset import BuiltinDataset, SyntheticDataset, UploadedDataset
from studies.spec.study import StudySpec


class DescribedFile(UploadedDataset):
    """An uploaded dataset, or a file that is not uploaded yet, described as its profile describes it."""

    path: str | None = Field(None, description="The file's name in the study file.")


class StudyDraft(StudySpec):
    """A study to be checked."""

    dataset: Annotated[BuiltinDataset | SyntheticDataset | DescribedFile, Field(discriminator="kind")]


class Estimate(BaseModel):
    """How long a study will take here."""

    seconds: float = Field(description="From its first trial to its end, with its comparison, if it has one.")
    duration: str = Field("", description="The seconds in words: 4 min.")
    trials_a_minute: float
    why: str = Field(description="What the estimate rests on.")


class StudyCheck(BaseModel):
    """A study that would be accepted."""

    spec: dict[str, Any] = Field(description="The StudySpec with every default.")
    yaml: str = Field(description="The same as a study file for `regsweep run`, without the defaults.")
    warnings: list[str] = Field(description="What would be accepted and do nothing, and what to look at in the data.")
    name_is_free: bool = Field(description="Whether no study has its name; true when it has none.")
    name_conflict: str | None = Field(
        None,
        description="What submitting it would say of a name that is not free: how that study differs from this one.",
    )
    trials: int = Field(description="Trials, with those of its comparison.")
    fits: int = Field(description="Trainings that these consist of, at most.")
    estimate: Estimate
