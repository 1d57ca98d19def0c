"""The query parameters by which a request names a trained model."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, Field

from service.errors import BadRequestError
from service.trained_models import CHOICES, check_candidate

CandidateParameter = Annotated[
    Annotated[str, AfterValidator(check_candidate), Field(json_schema_extra={"enum": list(CHOICES)})] | None,
    Query(description=f"A candidate of the study's comparison, in place of a trial: {', '.join(CHOICES)}."),
]
TrialParameter = Annotated[
    int | None, Query(alias="trial", ge=0, lt=2**31, description="The trial's number; default the best trial.")
]


def check_one_named(trial: int | None, candidate: str | None) -> None:
    """Raise BadRequestError when a request names both a trial and a candidate."""
    if trial is not None and candidate is not None:
        raise BadRequestError("technique", "a trial is named as well; name one of the two")
