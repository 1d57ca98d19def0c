"""No body takes true for a number, 0 for false, or a text for either: the OpenAPI document says so of every field."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from service.api import routes
from studies.spec.study import StudySpec

_ANY_TYPE = {
    # Params: which type each must be, the study's space says.
    "/v1/studies/{name}/trials params values_schema",
    # What the server knows of an uploaded dataset, and writes itself.
    "a study dataset uploaded known",
    "a study dataset uploaded known items_schema",
}


def _bodies() -> Iterator[tuple[str, Any]]:
    yield "a study", StudySpec
    for module in pkgutil.iter_modules(routes.__path__, f"{routes.__name__}."):
        for router in vars(importlib.import_module(module.name)).values():
            for route in router.routes if isinstance(router, APIRouter) else ():
                if isinstance(route, APIRoute):
                    for body in route.dependant.body_params:
                        yield route.path, body.field_info.annotation


def _lax(schema: Any, path: str, definitions: dict[str, Any], seen: set[str]) -> Iterator[str]:
    """The paths of all whole numbers and booleans in pydantic's schema that take other types too."""
    if isinstance(schema, list | tuple):
        for item in schema:
            yield from _lax(item, path, definitions, seen)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "definition-ref" and schema["schema_ref"] not in seen:
        seen.add(schema["schema_ref"])
        yield from _lax(definitions[schema["schema_ref"]], path, definitions, seen)
    if schema.get("type") in ("int", "bool") and not schema.get("strict"):
        yield path
    for key, value in schema.items():
        if key not in ("metadata", "serialization"):
            shown = path if key in ("schema", "fields", "choices", "steps", "type") else f"{path} {key}"
            yield from _lax(value, shown, definitions, seen)


@pytest.mark.parametrize(("name", "body"), list(_bodies()))
def test_a_body_takes_no_other_type_for_a_whole_number_or_a_boolean(name: str, body: Any) -> None:
    schema = TypeAdapter(body).core_schema
    definitions = {item["ref"]: item for item in schema.get("definitions", ())}
    found = set(_lax({**schema, "definitions": None}, name, definitions, set())) - _ANY_TYPE
    assert not found
