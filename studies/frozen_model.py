"""The parent of every value that is read from and written as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

#: Fields of one object that are looked at: pydantic makes an error, of some kilobytes, of each unknown one.
MAX_FIELDS = 1000
_MAX_NAMED_ITEMS = 100  # of a list in which each wrong item is named; of a longer one the first is


def _refuse_others(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise PydanticKnownError("float_type")
    return value


#: Beside the type of a number that may have a point: pydantic reads true as 1, and the text "0.5" as 0.5.
IsNumber = BeforeValidator(_refuse_others)


def check_few_fields(value: Any) -> Any:
    """Refuse an object of more than `MAX_FIELDS` fields, before each unknown one becomes an error."""
    if isinstance(value, Mapping) and len(value) > MAX_FIELDS:
        raise ValueError(f"has {len(value):,} fields; at most {MAX_FIELDS:,} are read, see GET /v1/schema")
    return value


#: Beside the type of an object that is no FrozenModel.
FEW_FIELDS = BeforeValidator(check_few_fields)


@dataclass(frozen=True, slots=True)
class AtMost:
    """Beside the type of a list or a mapping: bounds it before its items are read.

    pydantic's own `max_length` counts the items that are right, and makes an error of each that is wrong.
    """

    length: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = cast(dict[str, Any], handler(source))
        schema |= {"max_length": self.length, "fail_fast": self.length > _MAX_NAMED_ITEMS}
        return core_schema.no_info_before_validator_function(self._check, cast(CoreSchema, schema))

    def _check(self, value: Any) -> Any:
        if isinstance(value, list | tuple | Mapping) and len(value) > self.length:
            counts = {"max_length": self.length, "actual_length": len(value)}
            raise PydanticKnownError("too_long", {"field_type": "List", **counts})
        return value


class FrozenModel(BaseModel):
    """A frozen value that refuses unknown fields; of more than `MAX_FIELDS` it reads none."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,  # which JSON cannot write
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _check_few_fields(cls, value: Any) -> Any:
        return check_few_fields(value)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        written = handler(core_schema)
        schema = handler.resolve_ref_schema(written)
        # The tag by which a union knows its member is needed in JSON, also where Python has a default for it.
        tags = [name for name, field in schema.get("properties", {}).items() if "const" in field]
        if tags:
            schema["required"] = list(dict.fromkeys([*tags, *schema.get("required", [])]))
        return written
