"""Reads the files that KerasTuner writes: a project folder, or HyperParameters as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studies.document_bounds import check_document
from studies.errors import FieldError, InvalidImportError
from studies.study_file import unique_keys

_MAX_BYTES = 20_000_000  # of a file
_MAX_TRIALS = 10_000


def read_search(source: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read a project's oracle.json with all its trials, or a config of HyperParameters, which has none.

    Raises InvalidImportError when a file is missing, or not as KerasTuner writes it.
    """
    if not source.is_dir():
        return _read(source), []
    oracle = source / "oracle.json"
    if not oracle.is_file():
        projects = sorted(str(each.parent) for each in source.glob("*/oracle.json"))
        right = f"; name one of {', '.join(projects[:5])}" if projects else ", and so no tuner saved it"
        raise _invalid(f"{source} has no oracle.json{right}")
    files = sorted(source.glob("trial_*/trial.json"))
    if len(files) > _MAX_TRIALS:
        raise _invalid(f"{source} has {len(files):,} trials; at most {_MAX_TRIALS:,} are read")
    return _read(oracle), [_read(file) for file in files]


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            text = opened.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise _invalid(f"{file} has more than {_MAX_BYTES:,} bytes; KerasTuner's files are short")
        # A trial that diverged has NaN for a score, which JSON has not.
        document = json.loads(text, object_pairs_hook=unique_keys, parse_constant=lambda _: None)
    except OSError as error:
        raise _invalid(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _invalid(f"{file} is not JSON: {error}") from error
    if not isinstance(document, Mapping):
        raise _invalid(f"{file} holds no object; write json.dumps(hp.get_config())")
    check_document(document)
    return dict(document)


def _invalid(message: str) -> InvalidImportError:
    return InvalidImportError([FieldError("source", message)])
