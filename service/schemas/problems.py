"""What every refusal says, a problem of RFC 9457."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ProblemError(BaseModel):
    """One thing that is wrong in a request."""

    field: str = Field(description="The field or parameter, as `space.dropout.low`; empty where it is the whole.")
    message: str = Field(description="What would be right.")


class Problem(BaseModel):
    """Why a request was not done. A kind may add members of its own."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Always `about:blank`: the status and the title say the kind.")
    title: str = Field(description="The kind, in a few words.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="A sentence that says what is wrong, and what would be right.")
    errors: list[ProblemError] = Field(description="Each field that is wrong; empty where no field is.")
    request_id: str = Field(description="That of `X-Request-ID`, which the server's log lines of this request have.")
