"""The parent of every value that is read from and written as JSON."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,  # which JSON cannot write
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )
