"""Reads an object of JSON that another program wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studies.document_bounds import check_document
from studies.errors import FieldError, InvalidImportError
from studies.study_file import unique_keys

_MAX_BYTES = 20_000_000  # of a file


def invalid_source(message: str) -> InvalidImportError:
    """The error of a file that is not what is to be imported."""
    return InvalidImportError([FieldError("source", message)])


def read_object(file: Path, right: str) -> dict[str, Any]:
    """Read a file; `right` says what it should be.

    Raises InvalidImportError when it is missing, too long, not JSON, or no object.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise invalid_source(f"{file} has more than {_MAX_BYTES:,} bytes; {right}")
        # A trial that diverged has NaN for a value, which JSON has not.
        document = json.loads(text, object_pairs_hook=unique_keys, parse_constant=lambda _: None)
    except OSError as error:
        raise invalid_source(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise invalid_source(f"{file} is not JSON: {error}; {right}") from error
    if not isinstance(document, Mapping):
        raise invalid_source(f"{file} holds no object; {right}")
    check_document(document)
    return dict(document)
