"""A study as Python has it -> the document that is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from service.client.keras_models import is_keras_model, model_document
from service.schemas.datasets import DatasetVersion
from studies.spec.study import StudySpec


def study_document(spec: StudySpec | Mapping[str, Any]) -> dict[str, Any]:
    """A study as JSON: parts may be of the spec's classes, the dataset an upload's view, the model a keras.Model."""
    if isinstance(spec, StudySpec):
        return spec.model_dump(mode="json")
    return {field: _value(value) for field, value in spec.items()}


def _value(value: Any) -> Any:
    if isinstance(value, DatasetVersion):
        return {"kind": "uploaded", "name": value.name, "version": value.version}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return model_document(value) if is_keras_model(value) else value
