"""Writes a study's document as a study file, as a person would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from studies.spec.dataset import UploadedDataset
from studies.spec.study import StudySpec
from studies.study_file import EXPONENTS


class _Dumper(yaml.SafeDumper):
    """Quotes the texts that a study file has for numbers."""


_Dumper.add_implicit_resolver(*EXPONENTS)


def write_yaml(document: Mapping[str, Any], spec: StudySpec, file: str | None = None) -> str:
    """Write the study file of a document that was read as `spec`: what the document says, and no defaults.

    The dataset is the uploaded one by its name or, where `file` is given, that file beside the study file.
    """
    fields = {**document, "dataset": _dataset(document["dataset"], spec, file)}
    if isinstance(model := document.get("model"), Mapping):
        fields["model"] = {name: value for name, value in model.items() if name != "positions"}  # filled in again
        if isinstance(config := model.get("config"), str):
            fields["model"]["config"] = json.loads(config)
    in_order = {name: fields[name] for name in type(spec).model_fields if fields.get(name) is not None}
    # What holds plain values alone stands in one line.
    return yaml.dump(in_order, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)


def _dataset(dataset: Mapping[str, Any], spec: StudySpec, file: str | None) -> dict[str, Any]:
    if not isinstance(spec.dataset, UploadedDataset):
        return dict(dataset)
    if file is None or spec.dataset.options is None:
        return {name: dataset[name] for name in ("kind", "name", "version") if dataset.get(name) is not None}
    options = spec.dataset.options.model_dump(mode="json", exclude_defaults=True)
    return {"kind": "file", "path": file, "name": spec.dataset.name, **options}
