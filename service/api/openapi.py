"""The OpenAPI document: FastAPI's, with all that an answer can be, the keys that are needed, and stable names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from service.api.authentication import COOKIE
from service.api.examples import ANSWER_EXAMPLES, PROBLEM_EXAMPLES, REQUEST_EXAMPLES
from service.api.operations import ANSWER_HEADERS, HEADERS, OPERATION_IDS, REFUSALS, TAGS
from service.api.uploads import without_null
from service.schemas.problems import Problem
from service.scopes import needed_scope

DESCRIPTION = (
    "Errors are `application/problem+json` (RFC 9457). HEAD is where GET is; OPTIONS, and a 405, tell the methods of a "
    "path in `Allow`. A connection that brings no HTTP is answered 400, and one too many 503, before any operation is "
    "known. While no key was ever made, a server on a loopback address asks its own machine for none."
)
_SCHEMAS = "#/components/schemas/"
_PROBLEM_TYPE = "application/problem+json"
#: Query parameters that name what may not be there, and those that are looked at behind the document's rules.
_NAMING, _READ_LATER = frozenset({"project", "key"}), frozenset({"cursor", "sort"})
#: What each refusal means, wherever it occurs.
_MEANINGS = {
    400: "The body is not JSON, its Content-Type does not say that it is, or a parameter is not one of its values.",
    401: "No key came with the request, or one that is not usable.",
    403: "The key's scope does not allow this, or the request comes from another site's page.",
    404: "There is no such thing.",
    409: "The request does not fit the present state.",
    412: "If-Match does not name the present version.",
    405: "The path does not take this method; `Allow` names those that it takes.",
    408: "The body did not come in time.",
    413: "The body is larger than the server's limit.",
    422: "A field or a parameter is wrong; `errors` names each.",
    429: "Too many requests, or too much at once; see Retry-After.",
    501: "This server has no TensorFlow to predict with, or no key to wrap a secret with.",
    503: "The database or the files cannot be reached now.",
    507: "The server's disk is full.",
}
_REFUSAL_HEADERS = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_BINARY = {"type": "string", "format": "binary"}
#: Bodies whose routes do not say what is in them.
_BODIES: Mapping[str, dict[str, Any]] = {
    "application/json": {"type": "object"},
    "application/octet-stream": _BINARY,
    "application/zip": _BINARY,
}


class DocumentedApp(FastAPI):
    """A FastAPI app whose document says all that its answers can be."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = _complete(super().openapi())
        return self.openapi_schema


def operation_id(route: APIRoute) -> str:
    """The stable name of a route's operation."""
    [method] = route.methods or {"GET"}
    return OPERATION_IDS.get((method, route.path_format), route.name)


@dataclass(frozen=True, slots=True)
class _Operation:
    """One operation of a document; `said` is what the document says of it, which is completed in place."""

    method: str
    path: str
    said: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.said["operationId"])

    def parameters(self, place: str) -> list[str]:
        return [each["name"] for each in self.said.get("parameters", ()) if each["in"] == place]


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    document["info"]["description"] = DESCRIPTION
    document["tags"] = [{"name": name, "description": sentence} for name, sentence in TAGS.items()]
    for operation in _operations(document):
        _complete_request(operation)
        _complete_answers(operation)
        _say_key(operation)
    components = document["components"]
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    _, problems = models_json_schema([(Problem, "serialization")], ref_template=f"{_SCHEMAS}{{model}}")
    components["schemas"] = dict(sorted((components["schemas"] | problems["$defs"]).items()))
    components["responses"] = {_name(status): _refusal(status) for status in _MEANINGS}
    components["headers"] = dict(HEADERS)
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "`regsweep keys create` makes a key."},
        "login": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "/login sets it for browsers."},
    }
    return document


def _operations(document: dict[str, Any]) -> Iterator[_Operation]:
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            yield _Operation(method.upper(), path, said)


def _complete_request(operation: _Operation) -> None:
    operation.said["summary"] = operation.id.replace("_", " ").capitalize()
    for parameter in operation.said.get("parameters", ()):
        if parameter["in"] == "header":
            name = parameter["name"]
            parameter["name"] = name.title() if name.islower() else name  # as they are written; any case is taken
        parameter["schema"] = without_null(parameter["schema"])
    for media_type, body in operation.said.get("requestBody", {}).get("content", {}).items():
        example = REQUEST_EXAMPLES.get(operation.id, {}).get(media_type)
        if example is not None:
            body["example"] = example


def _complete_answers(operation: _Operation) -> None:
    answers: dict[str, Any] = operation.said["responses"]
    answers.pop("422", None)
    for status, answer in answers.items():
        named = (*ANSWER_HEADERS.get(operation.id, {}).get(status, ()), "X-Request-ID")
        answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in named}
        example = ANSWER_EXAMPLES.get(operation.id, {}).get(status)
        for media_type, content in answer.get("content", {}).items():
            if example is not None:
                content["example"] = example
            if "itemSchema" not in content:  # of a stream of events
                content.setdefault("schema", _BODIES.get(media_type, {"type": "string"}))
    for refusal in sorted(_refusals(operation)):
        answers[str(refusal)] = {"$ref": f"#/components/responses/{_name(refusal)}"}


def _refusals(operation: _Operation) -> set[int]:
    """The statuses of an operation's refusals, by what its request has and what it does."""
    statuses = {422} | {status for status, ids in REFUSALS.items() if operation.id in ids}
    headers = {name.lower() for name in operation.parameters("header")}
    if needed_scope(operation.method, operation.path) is not None:
        statuses |= {401, 403, 429, 503}
    queries = set(operation.parameters("query"))
    if operation.parameters("path") or queries & _NAMING:
        statuses.add(404)
    if queries & _READ_LATER:
        statuses.add(400)
    if "if-match" in headers:
        statuses.add(412)
    statuses.add(413)  # of a body that is declared too large, also where none is read
    content = set(operation.said.get("requestBody", {}).get("content", {}))
    if content:
        statuses.add(408)
    if content == {"application/json"}:
        statuses.add(400)
    return statuses


def _say_key(operation: _Operation) -> None:
    scope = needed_scope(operation.method, operation.path)
    operation.said["security"] = [] if scope is None else [{"key": [scope]}, {"login": [scope]}]
    needs = "Needs no key." if scope is None else f"Needs a key of the scope `{scope}`."
    operation.said["description"] = f"{operation.said['description']}\n\n{needs}"


def _name(status: int) -> str:
    """The name of a refusal among the components."""
    return "".join(word.capitalize() for word in HTTPStatus(status).phrase.replace("-", " ").split())


def _refusal(status: int) -> dict[str, Any]:
    named = (*_REFUSAL_HEADERS.get(status, ()), "X-Request-ID")
    content: dict[str, Any] = {"schema": {"$ref": f"{_SCHEMAS}{Problem.__name__}"}}
    if status in PROBLEM_EXAMPLES:
        content["example"] = PROBLEM_EXAMPLES[status]
    return {
        "description": _MEANINGS[status],
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in named},
        "content": {_PROBLEM_TYPE: content},
    }
