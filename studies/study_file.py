"""Read a StudySpec from a document (JSON, YAML), or say of each invalid field what would be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from studies import model_file
from studies.errors import FieldError, InvalidSpecError
from studies.search import checks, idle_parameters, optuna_options
from studies.spec.dataset import UploadedDataset
from studies.spec.parameter import NOTATIONS
from studies.spec.study import StudySpec

#: Names of union members, which pydantic puts into the location of an error.
_TAGS = NOTATIONS | {"builtin", "synthetic", "uploaded", "mlp", "cnn", "keras", "adam", "adamw", "sgd", "rmsprop"}

_OBJECT, _NUMBER, _WHOLE = "must be a JSON object (a mapping in YAML)", "must be a number", "must be a whole number"
#: What would be right, by the type of pydantic's error.
_PLAIN = {
    "missing": "this field is required",
    "model_type": _OBJECT, "model_attributes_type": _OBJECT, "dict_type": _OBJECT,
    "float_type": _NUMBER, "float_parsing": _NUMBER,
    "int_type": _WHOLE, "int_parsing": _WHOLE, "int_from_float": _WHOLE,
}  # fmt: skip


class _UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which takes the last of two equal keys, silently; this one refuses them."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Before `<<` is resolved: a key may well stand beside the one that is merged in.
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.value in lines:
                message = f"stands twice, in line {lines[key.value]} and in line {line}; keep one of them"
                raise InvalidSpecError([FieldError(key.value, message)])
            if isinstance(key, yaml.ScalarNode):
                lines[key.value] = line
        return node


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON from its pairs, for `json.loads`, which takes the last of two equal keys.

    Raises InvalidSpecError when a key stands twice.
    """
    counts = Counter(key for key, _ in pairs)
    errors = [FieldError(key, "stands twice; keep one of them") for key, count in counts.items() if count > 1]
    if errors:
        raise InvalidSpecError(errors)
    return dict(pairs)


def read_document(path: Path, model: Path | None = None) -> dict[str, Any]:
    """Read a YAML file without validating it; the model of a .json or .keras file takes the place of its own.

    Raises InvalidSpecError when the file is missing, not YAML, or not a study.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeyLoader)  # noqa: S506  # a SafeLoader
    except OSError as error:
        raise InvalidSpecError([FieldError("", f"cannot read {path}: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise InvalidSpecError([FieldError("", f"{path} is not UTF-8 text; a study file is YAML")]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # PyYAML lets impossible dates and numbers through
        raise InvalidSpecError([FieldError("", f"{path} is not YAML: {_one_line(error)}")]) from error
    if not isinstance(content, Mapping):
        kind = type(content).__name__
        raise InvalidSpecError([FieldError("", f"{path} holds a {kind}, not a study; start with `dataset:`")])
    if model is None:
        return dict(content)
    return {**content, "model": model_file.replace_model(content.get("model"), model)}


def read(path: Path, model: Path | None = None) -> StudySpec:
    """Read the study of a YAML file, see `read_document` and `parse`."""
    return parse(read_document(path, model))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


#: Looks an uploaded dataset up by its name and version (None: the newest), described as in a study; None when there is
#: none.
Uploaded = Callable[[str, int | None], UploadedDataset | None]


def parse(document: Mapping[str, Any], uploaded: Uploaded | None = None) -> StudySpec:
    """Parse and check the study that a document describes; `uploaded` fills in an uploaded dataset by its name.

    Raises InvalidSpecError, which names every invalid field.
    """
    if uploaded is not None:
        document = _fill_in(document, uploaded)
    try:
        spec = StudySpec.model_validate(document)
    except ValidationError as error:
        raise InvalidSpecError(field_errors(error.errors())) from None
    checks.check_magnitudes(spec)
    idle_parameters.check_asked(spec)
    spec = idle_parameters.without_idle_rates(spec)
    checks.check_search(spec)
    return spec


def _fill_in(document: Mapping[str, Any], uploaded: Uploaded) -> Mapping[str, Any]:
    dataset = document.get("dataset")
    if not isinstance(dataset, Mapping) or dataset.get("kind") != "uploaded":
        return document
    name, version = dataset.get("name"), dataset.get("version")
    if not isinstance(name, str):
        return document  # its validation says that the name is missing
    known = uploaded(name, version if type(version) is int else None)
    if known is None:
        raise InvalidSpecError([_no_dataset(name, version, uploaded)])
    # A study that is sent again uses the same file or none.
    if dataset.get("digest") is not None and dataset["digest"] != known.digest:
        message = f"the dataset '{name}' is another file now; leave the digest out to take that one, or name a version"
        raise InvalidSpecError([FieldError("dataset.digest", message)])
    own = {field: value for field, value in dataset.items() if field not in UploadedDataset.model_fields}
    if version is not None:
        own["version"] = version  # its validation says what is wrong with one that is no number
    return {**document, "dataset": {**known.model_dump(mode="json"), **own}}


def _no_dataset(name: str, version: object, uploaded: Uploaded) -> FieldError:
    newest = uploaded(name, None)
    if newest is None:
        return FieldError("dataset.name", f"there is no dataset '{name}'; upload it first")
    return FieldError(
        "dataset.version", f"the dataset '{name}' has no version {version}; {newest.version} is the newest"
    )


def field_errors(errors: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """Convert pydantic's errors: plain field names, and messages that say what would be right."""
    errors = list(errors)
    locations = [tuple(error["loc"]) for error in errors]
    return [
        _field_error(error)
        for error, location in zip(errors, locations, strict=True)
        # A list whose items are invalid is also reported as too short.
        if not (error["type"] == "too_short" and any(_is_inside(other, location) for other in locations))
    ]


def _is_inside(location: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return location != other and location[: len(other)] == other


def _field_error(error: Mapping[str, Any]) -> FieldError:
    field = _field(error["loc"], unknown=error["type"] == "extra_forbidden")
    message = _PLAIN.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    match error["type"]:
        case "extra_forbidden":
            near = get_close_matches(str(error["loc"][-1]), _field_names(), n=1)
            message = "unknown field" + (f"; did you mean {near[0]}?" if near else "; see GET /v1/schema")
        case "union_tag_not_found":
            message = f"needs {error['ctx']['discriminator']}, which says what it is"
        case "union_tag_invalid":
            ctx = error["ctx"]
            if str(ctx["discriminator"]) == "notation_of()":
                return FieldError(field, "give one value or a list of choices")
            field = ".".join(filter(None, [field, str(ctx["discriminator"]).strip("'")]))
            message = f"unknown kind '{ctx['tag']}'; choose from {ctx['expected_tags']}"
        case "value_error":
            # A check over several fields names its field at the start of its message.
            named, colon, rest = message.partition(": ")
            if colon and " " not in named:
                field, message = ".".join(filter(None, [field, named])), rest
        case "too_short":
            message = f"must list at least {error['ctx']['min_length']}"
        case "tuple_type":
            message = "must be a list, such as [" + (str(error["input"]) if error["input"] else "…") + "]"
        case "literal_error":
            message = f"'{error['input']}' is not known; {message[0].lower()}{message[1:]}"
    return FieldError(field, message)


def _field(loc: Sequence[str | int], *, unknown: bool = False) -> str:
    # A tag follows its field; of all fields only an unknown one, at the end, may have a tag's name.
    end = len(loc) - 1 if unknown else len(loc)
    return ".".join(str(part) for i, part in enumerate(loc) if part not in _TAGS or i >= end)


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
    """The JSON schema of a study, with the options of every sampler and pruner."""
    return StudySpec.model_json_schema() | optuna_options.option_schemas()
