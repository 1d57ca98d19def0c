"""From a document (JSON, YAML) to a StudySpec, or to errors that name each field and say what would be right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from studies import model_file
from studies.errors import FieldError, InvalidSpecError
from studies.search import checks, optuna_options
from studies.spec.dataset import UploadedDataset
from studies.spec.parameter import PARAMETER_FORMS
from studies.spec.study import StudySpec

#: Names of union members that pydantic puts into an error's place.
_TAGS = PARAMETER_FORMS | {"builtin", "synthetic", "uploaded", "mlp", "cnn", "keras", "adam", "adamw", "sgd", "rmsprop"}


def document(path: Path, model: Path | None = None) -> dict[str, Any]:
    """What a YAML file says, not validated, with the model of a .json or .keras file in place of its own if given.

    InvalidSpecError when it is not there, not YAML, or not a study.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSpecError([FieldError("", f"cannot read {path}: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise InvalidSpecError([FieldError("", f"{path} is not UTF-8 text; a study file is YAML")]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # PyYAML lets impossible dates and numbers through
        raise InvalidSpecError([FieldError("", f"{path} is not YAML: {_one_line(error)}")]) from error
    if not isinstance(found, Mapping):
        kind = type(found).__name__
        raise InvalidSpecError([FieldError("", f"{path} holds a {kind}, not a study; start with `dataset:`")])
    if model is None:
        return dict(found)
    return {**found, "model": model_file.replaced(found.get("model"), model)}


def read(path: Path, model: Path | None = None) -> StudySpec:
    """The study a YAML file describes, see `document`; InvalidSpecError says what is wrong."""
    return parse(document(path, model))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


#: From the name of an uploaded dataset to all that a study says of it; None when there is none of that name.
Uploaded = Callable[[str], UploadedDataset | None]


def parse(document: Mapping[str, Any], uploaded: Uploaded | None = None) -> StudySpec:
    """The study a document describes; InvalidSpecError names every field that is wrong.

    What a document says of an uploaded dataset beside its name is filled in by `uploaded`.
    """
    if uploaded is not None:
        document = _filled_in(document, uploaded)
    try:
        spec = StudySpec.model_validate(document)
    except ValidationError as error:
        raise InvalidSpecError(field_errors(error.errors())) from None
    checks.check(spec)
    return spec


def _filled_in(document: Mapping[str, Any], uploaded: Uploaded) -> Mapping[str, Any]:
    dataset = document.get("dataset")
    if not isinstance(dataset, Mapping) or dataset.get("kind") != "uploaded":
        return document
    name = dataset.get("name")
    found = uploaded(name) if isinstance(name, str) else None
    if isinstance(name, str) and found is None:
        raise InvalidSpecError([FieldError("dataset.name", f"there is no dataset '{name}'; upload it first")])
    if found is None:
        return document  # its validation says that a name is lacking
    # A study that is sent again is about the same file or none.
    if dataset.get("digest") not in {None, found.digest}:
        message = f"the dataset '{name}' is another file now; leave the digest out to take that one"
        raise InvalidSpecError([FieldError("dataset.digest", message)])
    own = {field: value for field, value in dataset.items() if field not in UploadedDataset.model_fields}
    return {**document, "dataset": {**found.model_dump(mode="json"), **own}}


def field_errors(errors: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """Pydantic's errors with plain field names and messages that say what would be right."""
    errors = list(errors)
    places = [tuple(e["loc"]) for e in errors]
    return [
        _field_error(e)
        for e, place in zip(errors, places, strict=True)
        # A list whose items are wrong is also reported as too short.
        if not (e["type"] == "too_short" and any(p != place and p[: len(place)] == place for p in places))
    ]


def _field_error(error: Mapping[str, Any]) -> FieldError:
    place = _field(error["loc"], unknown=error["type"] == "extra_forbidden")
    message = str(error["msg"]).removeprefix("Value error, ")
    match error["type"]:
        case "extra_forbidden":
            near = get_close_matches(str(error["loc"][-1]), _field_names(), n=1)
            message = "unknown field" + (f"; did you mean {near[0]}?" if near else "; see GET /v1/schema")
        case "missing":
            message = "this field is required"
        case "union_tag_not_found":
            message = f"needs {error['ctx']['discriminator']}, which says what it is"
        case "union_tag_invalid":
            ctx = error["ctx"]
            if str(ctx["discriminator"]) == "form_of()":
                return FieldError(place, "give one value or a list of choices")
            place = ".".join(filter(None, [place, str(ctx["discriminator"]).strip("'")]))
            message = f"unknown kind '{ctx['tag']}'; choose from {ctx['expected_tags']}"
        case "model_type" | "model_attributes_type" | "dict_type":
            message = "must be a JSON object (a mapping in YAML)"
        case "string_pattern_mismatch" if place == "name":
            message = "1 to 100 letters, digits, blanks, dots, _ or -, the first a letter or digit"
        case "value_error":
            # A check over several fields names its field at the start of its message.
            named, colon, rest = message.partition(": ")
            if colon and " " not in named:
                place, message = ".".join(filter(None, [place, named])), rest
        case "too_short":
            message = f"must list at least {error['ctx']['min_length']}"
        case "tuple_type":
            message = "must be a list, such as [" + (str(error["input"]) if error["input"] else "…") + "]"
        case "literal_error":
            message = f"'{error['input']}' is not known; {message[0].lower()}{message[1:]}"
    return FieldError(place, message)


def _field(loc: Sequence[str | int], *, unknown: bool = False) -> str:
    # A tag stands only right behind a field; `name` and the rest of the fields never share a tag's name.
    own = len(loc) - 1 if unknown else len(loc)  # an unknown field may have a tag's name
    return ".".join(str(part) for i, part in enumerate(loc) if part not in _TAGS or i >= own)


@cache
def _field_names() -> tuple[str, ...]:
    names: set[str] = set()

    def collect(part: Mapping[str, Any]) -> None:
        names.update(part.get("properties", {}))
        for inner in part.get("$defs", {}).values():
            collect(inner)

    collect(StudySpec.model_json_schema())
    return tuple(sorted(names))


def schema() -> dict[str, Any]:
    """The JSON schema of a study with the options of every sampler and pruner."""
    return StudySpec.model_json_schema() | optuna_options.option_schemas()
