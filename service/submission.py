"""Checks a study's document before it is accepted, and names a study that came without a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from service import limits
from service.names import make_name
from service.settings import Settings
from studies.errors import FieldError, InvalidSpecError
from studies.field_errors import field_errors
from studies.frozen_model import AtMost
from studies.keras_config.input_columns import InputColumn
from studies.spec.dataset import UploadedDataset
from studies.spec.study import StudySpec
from studies.spec.table import MAX_NAMED
from studies.study_file import Uploaded, parse


def check(document: Mapping[str, Any], settings: Settings | None, uploaded: Uploaded | None = None) -> StudySpec:
    """Parse a study's document and hold it to the limits, if any; `uploaded` fills in the dataset that it names.

    Raises InvalidSpecError with every field that is wrong.
    """
    from studies.analysis import techniques

    spec = parse(document, uploaded)
    if settings is not None:
        limits.check(spec, settings)
    if spec.comparison is not None:
        techniques.resolve(spec, spec.comparison)
    return spec


_COLUMNS: TypeAdapter[tuple[InputColumn, ...]] = TypeAdapter(Annotated[tuple[InputColumn, ...], AtMost(MAX_NAMED)])


def read_described(dataset: Mapping[str, Any], columns: Any = ()) -> UploadedDataset:
    """Read the description of an uploaded dataset that no database has to know, and its columns.

    Raises InvalidSpecError with every field that is wrong.
    """
    try:
        return UploadedDataset.model_validate(dataset).with_columns(_COLUMNS.validate_python(columns))
    except ValidationError as error:
        wrong = field_errors(error.errors(), UploadedDataset)
        raise InvalidSpecError(
            [FieldError(f"dataset.{each.field}".rstrip("."), each.message) for each in wrong]
        ) from error


def with_name(spec: StudySpec, digits: str) -> StudySpec:
    """The study under its own name or, when it has none, under one made of its dataset, its model and `digits`."""
    if spec.name:
        return spec
    return spec.named(make_name(spec.dataset.name, f"-{spec.model.kind}-{digits[:6]}"))
