"""Projects: what studies, datasets and keys belong to."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from studies.frozen_model import FrozenModel
from studies.spec.name import NAME_RULE, Name

Limit = Annotated[int, Field(ge=0, le=2**53, strict=True)]
Count = Annotated[int, Field(ge=0, lt=2**31, strict=True)]


class ProjectQuotas(FrozenModel):
    """A project's own quotas; what is null, or left out of a new project, is the server's."""

    active_studies: Count | None = Field(
        None, description="Most studies that have not ended, or whose comparison has not."
    )
    waiting_trials: Count | None = Field(None, description="Most trials that wait for a worker.")
    stored_bytes: Limit | None = Field(None, description="Most bytes of datasets and models.")


class NewProject(ProjectQuotas):
    """A project to make."""

    name: Name = Field(description=NAME_RULE)


class QuotaView(BaseModel):
    """A quota, and how much of it is used."""

    limit: int | None = Field(description="Null for no limit.")
    own: bool = Field(description="Whether it is the project's own; else it is the server's.")
    used: int


class ProjectView(BaseModel):
    """A project."""

    name: str
    studies: int
    datasets: int
    active_studies: QuotaView = Field(description="Studies that have not ended, or whose comparison has not.")
    waiting_trials: QuotaView = Field(description="Trials that wait for a worker.")
    stored_bytes: QuotaView = Field(description="Bytes of datasets, each file once, and of models.")
    created_by: str | None = Field(description="Name of the key; null where none was needed.")
    created_at: datetime
