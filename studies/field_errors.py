"""Converts pydantic's errors: plain field names, and messages that say what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from itertools import accumulate
from typing import Any

from studies.errors import MAX_ERRORS, FieldError, count_more, shorten
from studies.spec.parameter import NOTATIONS

#: Names of union members, which pydantic puts into the location of an error.
_TAGS = NOTATIONS | {"builtin", "synthetic", "uploaded", "mlp", "cnn", "keras", "adam", "adamw", "sgd", "rmsprop"}

_LIKE = 0.65  # of 1; at the usual 0.6 "patience" is like "space"
_MAX_SHOWN, _MAX_PART = 60, 80  # characters of a value, and of a field's name, that a message repeats
_MAX_LISTED = 12  # fields that a message lists
_OBJECT, _NUMBER, _WHOLE = "must be a JSON object (a mapping in YAML)", "must be a number", "must be a whole number"
#: What would be right, by the type of pydantic's error.
_PLAIN = {
    "missing": "this field is required",
    "model_type": _OBJECT, "model_attributes_type": _OBJECT, "dict_type": _OBJECT, "mapping_type": _OBJECT,
    "dataclass_type": _OBJECT,
    "float_type": _NUMBER, "float_parsing": _NUMBER, "finite_number": "must be a finite number",
    "int_type": _WHOLE, "int_parsing": _WHOLE, "int_from_float": _WHOLE, "int_parsing_size": _WHOLE,
    "bool_type": "must be true or false", "bool_parsing": "must be true or false",
    "string_type": "must be a text", "none_required": "must be null",
    "string_unicode": "holds half a character (a lone surrogate of UTF-16); write the whole character",
    "invalid_key": "its name must be a text; put it in quotes",
}  # fmt: skip


def field_errors(errors: Iterable[Mapping[str, Any]], model: Any = None) -> list[FieldError]:
    """Convert pydantic's errors of a `model`, whose fields are suggested in place of unknown ones.

    Of many only the first are converted, and the last says how many more there are.
    """
    errors = list(errors)
    # A list whose items are invalid is also reported as too short.
    outer = {part for error in errors for part in list(accumulate(map(_one, error["loc"])))[:-1]}
    told = [error for error in errors if not (error["type"] == "too_short" and tuple(error["loc"]) in outer)]
    more = len(told) - MAX_ERRORS
    return [*(_field_error(error, model) for error in told[:MAX_ERRORS]), *([count_more(more)] if more > 0 else [])]


def _one(part: str | int) -> tuple[str | int, ...]:
    return (part,)


def shown(value: Any) -> str:
    """A value as a message repeats it: its first and last characters."""
    return shorten(str(value), _MAX_SHOWN)


def _field_error(error: Mapping[str, Any], model: Any) -> FieldError:
    field = _field(error["loc"], unknown=error["type"] == "extra_forbidden")
    message = _PLAIN.get(error["type"]) or _in_our_words(str(error["msg"]))
    match error["type"]:
        case "extra_forbidden":
            message = "unknown field" + _instead(str(error["loc"][-1]), fields_beside(model, error["loc"]))
        case "union_tag_not_found":
            message = f"needs {error['ctx']['discriminator']}, which says what it is"
        case "union_tag_invalid":
            ctx = error["ctx"]
            if str(ctx["discriminator"]) == "notation_of()":
                return FieldError(field, "give one value or a list of choices")
            field = ".".join(filter(None, [field, str(ctx["discriminator"]).strip("'")]))
            message = f"unknown kind '{shown(ctx['tag'])}'; choose from {ctx['expected_tags']}"
        case "value_error":
            # A check over several fields names its field at the start of its message.
            named, colon, rest = message.partition(": ")
            if colon and " " not in named:
                field, message = ".".join(filter(None, [field, named])), rest
        case "too_short":
            message = f"must list at least {error['ctx']['min_length']}"
        case "too_long":
            message = f"must list at most {error['ctx']['max_length']:,}"
        case "tuple_type":
            message = "must be a list, such as [" + (shown(error["input"]) if error["input"] else "…") + "]"
        case "literal_error":
            message = f"'{shown(error['input'])}' is not known; {message.replace('must be', 'choose from', 1)}"
    return FieldError(field, message)


def _in_our_words(message: str) -> str:
    """Turn "Input should be less than 1" into "must be less than 1"."""
    for subject in ("Input should ", "String should ", "Value error, "):
        if message.startswith(subject):
            return message.replace(subject, "must " if "should" in subject else "", 1)
    return message


def _instead(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name[:_MAX_SHOWN], known, n=1, cutoff=_LIKE)
    if near:
        return f"; did you mean {near[0]}?"
    if 0 < len(known) <= _MAX_LISTED:
        return f"; choose from {', '.join(known)}"
    return "; see GET /v1/schema"


def _field(loc: Sequence[str | int], *, unknown: bool = False) -> str:
    # A tag follows its field; of all fields only an unknown one, at the end, may have a tag's name.
    end = len(loc) - 1 if unknown else len(loc)
    return ".".join(shorten(str(part), _MAX_PART) for i, part in enumerate(loc) if part not in _TAGS or i >= end)


def fields_beside(model: Any, loc: Sequence[str | int]) -> tuple[str, ...]:
    """The fields that a model, or what lies in it, knows where an error stands."""
    if model is None:
        return ()
    schema = _schema(model)
    nodes = list(_alternatives(schema, schema))
    for part in loc[:-1]:
        inner = [each for node in nodes for each in _step(node, part)]
        if inner:
            nodes = [each for node in inner for each in _alternatives(node, schema)]
        elif tagged := [node for node in nodes if _has_tag(node, part)]:
            nodes = tagged
    return tuple(dict.fromkeys(name for node in nodes for name in node.get("properties", {})))


@lru_cache(32)
def _schema(model: Any) -> Mapping[str, Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(model).json_schema()


def _alternatives(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schemas that a node stands for: what it refers to, and each member of a union."""
    if "$ref" in node:
        yield from _alternatives(schema["$defs"][node["$ref"].rpartition("/")[2]], schema)
        return
    members = [member for union in ("anyOf", "oneOf", "allOf") for member in node.get(union, ())]
    if not members:
        yield node
    for member in members:
        yield from _alternatives(member, schema)


def _step(node: Mapping[str, Any], part: str | int) -> list[Mapping[str, Any]]:
    if isinstance(part, int):
        return [node["items"]] if isinstance(node.get("items"), Mapping) else []
    known, others = node.get("properties", {}), node.get("additionalProperties")
    if part in known:
        return [known[part]]
    return [others] if isinstance(others, Mapping) else []


def _has_tag(node: Mapping[str, Any], part: str | int) -> bool:
    return any(field.get("const") == part for field in node.get("properties", {}).values())
