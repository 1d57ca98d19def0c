"""The parent of every value that is read from and written as JSON."""

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError


def _refuse_others(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise PydanticKnownError("float_type")
    return value


#: Beside the type of a number that may have a point: pydantic reads true as 1, and the text "0.5" as 0.5.
IsNumber = BeforeValidator(_refuse_others)


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

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        written = handler(core_schema)
        schema = handler.resolve_ref_schema(written)
        # The tag by which a union knows its member is needed in JSON, also where Python has a default for it.
        tags = [name for name, field in schema.get("properties", {}).items() if "const" in field]
        if tags:
            schema["required"] = list(dict.fromkeys([*tags, *schema.get("required", [])]))
        return written
