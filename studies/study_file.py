"""Read a StudySpec from a document (JSON, YAML), or say of each invalid field what would be right."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from studies import model_file
from studies.document_bounds import check_document
from studies.errors import FieldError, InvalidSpecError
from studies.field_errors import field_errors
from studies.search import checks, idle_parameters, optuna_options
from studies.spec.dataset import UploadedDataset
from studies.spec.study import StudySpec

_MERGE = "tag:yaml.org,2002:merge"
_MAX_MERGED, _MAX_KEYS = 10, 10_000
_MAX_BYTES = 20_000_000  # of a study file; a Keras model in it has at most 2,000,000 characters


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

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        # Merges of merges double what is read with every line.
        for key, value in node.value:
            if key.tag == _MERGE and isinstance(value, yaml.SequenceNode) and len(value.value) > _MAX_MERGED:
                message = f"merges more than {_MAX_MERGED} mappings in line {key.start_mark.line + 1}; write them out"
                raise InvalidSpecError([FieldError("", message)])
        super().flatten_mapping(node)
        if len(node.value) > _MAX_KEYS:
            message = f"has more than {_MAX_KEYS:,} fields in line {node.start_mark.line + 1}, with those it merges"
            raise InvalidSpecError([FieldError("", message)])


#: Numbers of YAML 1.2 and of JSON, as 1e-5, that YAML 1.1 takes for texts; for `add_implicit_resolver`.
EXPONENTS = (
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)
_UniqueKeyLoader.add_implicit_resolver(*EXPONENTS)


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON from its pairs, for `json.loads`, which takes the last of two equal keys.

    Raises InvalidSpecError when a key stands twice, or there are more than a study could have.
    """
    if len(pairs) > _MAX_KEYS:
        raise InvalidSpecError([FieldError("", f"has an object of more than {_MAX_KEYS:,} fields")])
    document = dict(pairs)
    if len(document) == len(pairs):
        return document
    counts = Counter(key for key, _ in pairs)
    errors = [FieldError(key, "stands twice; keep one of them") for key, count in counts.items() if count > 1]
    raise InvalidSpecError(errors)


def read_document(path: Path, model: Path | None = None) -> dict[str, Any]:
    """Read a YAML file without validating it; the model of a .json or .keras file takes the place of its own.

    Raises InvalidSpecError when the file is missing, not YAML, or not a study.
    """
    content = read_yaml(path)
    if not isinstance(content, Mapping):
        kind = type(content).__name__
        raise InvalidSpecError([FieldError("", f"{path} holds a {kind}, not a study; start with `dataset:`")])
    if model is None:
        return dict(content)
    return {**content, "model": model_file.replace_model(content.get("model"), model)}


def read_yaml(path: Path) -> Any:
    """Read a file of YAML or JSON, with the numbers of YAML 1.2.

    Raises InvalidSpecError when the file is missing, not YAML, or a key of it stands twice.
    """
    try:
        return parse_yaml(_read_text(path))
    except OSError as error:
        raise InvalidSpecError([FieldError("", f"cannot read {path}: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise InvalidSpecError([FieldError("", f"{path} is not UTF-8 text; a study file is YAML")]) from error
    except RecursionError as error:
        raise InvalidSpecError([FieldError("", f"{path} is not YAML: nested too deep")]) from error
    except (yaml.YAMLError, ValueError) as error:  # PyYAML lets impossible dates and numbers through
        raise InvalidSpecError([FieldError("", f"{path} is not YAML: {_one_line(error)}")]) from error


def parse_yaml(text: str) -> Any:
    """Read a text of YAML or JSON, with the numbers of YAML 1.2."""
    return yaml.load(text, _UniqueKeyLoader)  # noqa: S506  # a SafeLoader


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise InvalidSpecError([FieldError("", f"{path} has more than {_MAX_BYTES:,} bytes; a study file is short")])
    return data.decode()


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
    check_document(document)
    context: dict[str, Any] = {}
    if uploaded is not None:
        document, context = _fill_in(document, uploaded)
    try:
        spec = StudySpec.model_validate(document, context=context)
    except ValidationError as error:
        raise InvalidSpecError(field_errors(error.errors(), StudySpec)) from None
    checks.check_magnitudes(spec)
    checks.check_model(spec)
    idle_parameters.check_asked(spec)
    spec = idle_parameters.without_idle_rates(spec)
    checks.check_search(spec)
    return spec


def _fill_in(document: Mapping[str, Any], uploaded: Uploaded) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Fill in what is known of an uploaded dataset; return its columns as well, as validation takes them."""
    dataset = document.get("dataset")
    if not isinstance(dataset, Mapping) or dataset.get("kind") != "uploaded":
        return document, {}
    name, version = dataset.get("name"), dataset.get("version")
    if not isinstance(name, str):
        return document, {}  # its validation says that the name is missing
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
    return {**document, "dataset": {**known.model_dump(mode="json"), **own}}, {"columns": known.columns}


def _no_dataset(name: str, version: object, uploaded: Uploaded) -> FieldError:
    newest = uploaded(name, None)
    if newest is None:
        return FieldError("dataset.name", f"there is no dataset '{name}'; upload it first")
    return FieldError(
        "dataset.version", f"the dataset '{name}' has no version {version}; {newest.version} is the newest"
    )


def schema() -> dict[str, Any]:
    """The JSON schema of a study, with the options of every sampler and pruner."""
    return StudySpec.model_json_schema() | optuna_options.option_schemas()
