"""What every body holds to: no other type for whole numbers and booleans, and few errors, whatever is sent.

No body takes true for a number, 0 for false, or a text for either: the OpenAPI document says so of every field.
pydantic makes an error, of some kilobytes, of each item and each field that is wrong: of 190,000 items 400 MB.
"""

from __future__ import annotations

import importlib
import pkgutil
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from service.api import dashboard_bodies, routes
from studies.errors import InvalidSpecError
from studies.frozen_model import AtMost, FrozenModel, check_few_fields
from studies.spec.study import StudySpec
from studies.study_file import parse

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


def _growing(schema: Any, path: str, definitions: dict[str, Any], seen: set[str | int]) -> Iterator[str]:
    """The paths of all lists, mappings and objects in pydantic's schema that nothing bounds before they are read."""
    if isinstance(schema, list | tuple):
        for item in schema:
            yield from _growing(item, path, definitions, seen)
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    if kind == "definition-ref" and schema["schema_ref"] not in seen:
        seen.add(schema["schema_ref"])
        yield from _growing(definitions[schema["schema_ref"]], path, definitions, seen)
    if kind == "function-before" and isinstance(getattr(schema["function"]["function"], "__self__", None), AtMost):
        seen.add(id(schema["schema"]))
    if kind == "function-before" and schema["function"]["function"] is check_few_fields:
        inner = schema["schema"]
        seen.add(id(definitions[inner["schema_ref"]] if inner["type"] == "definition-ref" else inner))
    is_bounded = schema.get("fail_fast") or id(schema) in seen
    if kind in ("tuple", "list", "set", "frozenset", "generator") and not is_bounded:
        yield path
    if kind == "dict" and not is_bounded and schema["values_schema"]["type"] != "any":
        yield path
    if kind == "dataclass" and not is_bounded:
        yield path
    if kind == "model" and not issubclass(schema["cls"], FrozenModel):
        yield path
    for key, value in schema.items():
        if key not in ("metadata", "serialization"):
            shown = path if key in ("schema", "fields", "choices", "steps", "type") else f"{path} {key}"
            yield from _growing(value, shown, definitions, seen)


#: Strict as a whole, so that they are not looked at for that.
_OF_DASHBOARD = [(f"dashboard {body.__name__}", body) for body in dashboard_bodies.DashboardBody.__subclasses__()]


@pytest.mark.parametrize(("name", "body"), [*_bodies(), *_OF_DASHBOARD])
def test_no_body_makes_an_error_of_each_of_many_items(name: str, body: Any) -> None:
    schema = TypeAdapter(body).core_schema
    definitions = {item["ref"]: item for item in schema.get("definitions", ())}
    assert not set(_growing({**schema, "definitions": None}, name, definitions, set()))


_STUDY = {"dataset": {"kind": "builtin", "name": "iris"}}
_MANY = [f"r{index}" for index in range(190_000)]
_UPLOADED = {"kind": "uploaded", "name": "a", "digest": "0" * 64, "format": "csv"}


@pytest.mark.parametrize(
    "part",
    [
        {"space": {"regularizer": _MANY}},
        {"objectives": _MANY},
        {"comparison": {"techniques": _MANY}},
        {"space": {"layers": [{"regularizer": ["zz"] * 4, "lambda": ["x"] * 300} for _ in range(500)]}},
        dict.fromkeys(_MANY, 1),
        {"warm_start": dict.fromkeys(_MANY, 1)},
        {"dataset": {**_UPLOADED, "options": {"target": "y", "columns": {name: {"x": 1} for name in _MANY[:60_000]}}}},
        {"dataset": {**_UPLOADED, "known": dict.fromkeys(_MANY, 1)}},
    ],
    ids=["regularizer", "objectives", "techniques", "layers", "fields", "inner fields", "columns", "facts"],
)
def test_a_study_of_very_many_faults_takes_no_memory_to_refuse(part: dict[str, Any]) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InvalidSpecError):
            parse({**_STUDY, **part})
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("name", "body"), list(_bodies()))
def test_a_body_takes_no_other_type_for_a_whole_number_or_a_boolean(name: str, body: Any) -> None:
    schema = TypeAdapter(body).core_schema
    definitions = {item["ref"]: item for item in schema.get("definitions", ())}
    found = set(_lax({**schema, "definitions": None}, name, definitions, set())) - _ANY_TYPE
    assert not found
