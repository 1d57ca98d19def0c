"""Reference pages from the code: each field of a study, each operation of the REST API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from studies.study_file import schema

DOCS = Path(__file__).parents[1]
_BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "length ≥ {}",
    "maxLength": "length ≤ {}",
    "minItems": "entries ≥ {}",
    "maxItems": "entries ≤ {}",
}


def study_fields() -> str:
    """Make the page of a study's fields from its JSON schema, and of Optuna's options."""
    whole = schema()
    parts = [
        "# Every field of a study",
        "Made from the JSON schema that `GET /v1/schema` answers. [Studies](../studies.md) explains the fields.",
        "## The study",
        _fields(whole),
    ]
    for name, part in whole["$defs"].items():
        parts += [f"### {name}", _text(part.get("description", "")), _fields(part)]
    for kind in ("sampler", "pruner"):
        parts.append(f"## Options of {kind}s")
        for name, options in whole[f"x-{kind}s"].items():
            parts += [f"### {kind}: {name}", _fields(options) or "None."]
    return "\n\n".join(part for part in parts if part) + "\n"


def operations() -> str:
    """Make the page of every operation from the OpenAPI document of the repository."""
    document = json.loads((DOCS / "openapi.json").read_text(encoding="utf-8"))
    studys = set(schema()["$defs"]) | {"StudySpec"}
    parts = [
        "# Every operation of the REST API",
        "Made from [openapi.json](../openapi.json), which `/docs` of a server shows too. "
        "[REST API](../api.md) tells what operations have in common.",
    ]
    for tag in document["tags"]:
        parts += [f"## {tag['name'].capitalize()}", _text(tag["description"])]
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if operation["tags"][0] == tag["name"]:
                    parts += _operation(f"{method.upper()} {path}", operation, studys)
    parts.append("## What requests and answers hold")
    for name, part in document["components"]["schemas"].items():
        if name not in studys:
            listed = " · ".join(f"`{value}`" for value in part.get("enum", ()))
            parts += [f"### {name}", _text(part.get("description", "")), listed, _fields(part, studys)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _operation(heading: str, operation: dict[str, Any], studys: Set[str]) -> Iterator[str]:
    yield f"### `{heading}`"
    yield operation["description"]
    rows = [
        [f"`{each['name']}`", each["in"], _type(each["schema"], studys), _text(each.get("description", ""))]
        for each in operation.get("parameters", ())
    ]
    yield _table(["parameter", "in", "type", "meaning"], rows)
    if "requestBody" in operation:
        yield f"Body: {_contents(operation['requestBody'], studys)}"
    answers = []
    for status, answer in operation["responses"].items():
        reason = answer["$ref"].rsplit("/", 1)[1] if "$ref" in answer else _contents(answer, studys)
        answers.append(f"{status} {reason}".strip())
    yield f"Answers: {'; '.join(answers)}"


def _contents(body: dict[str, Any], studys: Set[str]) -> str:
    contents = body.get("content", {})
    return ", ".join(
        f"`{kind}` {_type(content.get('schema', {}), studys)}".strip() for kind, content in contents.items()
    )


def _fields(part: dict[str, Any], studys: Set[str] = frozenset()) -> str:
    required = set(part.get("required", ()))
    rows = []
    for name, field in part.get("properties", {}).items():
        default = "required" if name in required else f"`{json.dumps(field['default'])}`" if "default" in field else ""
        meaning = _text(field.get("description", ""))
        rows.append([f"`{name}`", _type(field, studys), default, meaning])
    return _table(["field", "type", "default", "meaning"], rows)


def _type(field: dict[str, Any], studys: Set[str] = frozenset()) -> str:
    """Say in a few words what a value may be."""
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[1]
        page = "study_fields.md" if name in studys else ""
        return f"[{name}]({page}#{'the-study' if name == 'StudySpec' else name.lower()})"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in field:
            return " or ".join(dict.fromkeys(_type(each, studys) for each in field[several]))
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    kind = field.get("type", "any")
    if kind == "array":
        kind = f"list of {_type(field.get('items', {}), studys)}"
    bounds = [text.format(f"{field[key]:,}") for key, text in _BOUNDS.items() if key in field]
    return ", ".join([str(kind), *bounds])


def _table(head: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(text: str) -> str:
    """Escape what Markdown or HTML would read in a plain sentence; code in backticks stays."""
    parts = " ".join(text.split()).split("`")
    shown = [
        f"`{part}`"
        if number % 2
        else part.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_").replace("[", "\\[")
        for number, part in enumerate(parts)
    ]
    return "".join(shown)
