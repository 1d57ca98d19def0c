"""Keeps a user's file as a dataset: reads it whole, profiles it, records it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from service.errors import InvalidDatasetError
from service.names import make_name
from service.storage.datasets import DatasetStore, Upload
from service.storage.records import DatasetRecord
from studies.datasets.profile import DatasetProfile
from studies.spec.table import TableFormat, TableOptions

#: A table may take this share of the machine's memory, for reading one takes more than twice its size.
_MEMORY_SHARE = 1 / 4
_BLOCK_BYTES = 1 << 20


def check_options(options: Mapping[str, Any]) -> TableOptions:
    """Validate what a user says of a file's columns.

    Raises InvalidSpecError with every option that is wrong.
    """
    from pydantic import ValidationError

    from studies.errors import InvalidSpecError
    from studies.study_file import field_errors

    try:
        return TableOptions.model_validate(options)
    except ValidationError as error:
        raise InvalidSpecError(field_errors(error.errors())) from error


def describe(file: Path, file_format: TableFormat, options: TableOptions) -> tuple[TableOptions, DatasetProfile]:
    """Read and profile a file; return its options with what was seen of it, and the profile.

    Raises InvalidDatasetError, which names the row or column that is wrong.
    """
    from studies.datasets.profile import profile
    from studies.datasets.tables import read
    from studies.errors import DatasetError, InvalidTableError
    from studies.training.machine import memory_bytes

    try:
        table = read(file, file_format, options, int(memory_bytes() * _MEMORY_SHARE))
        return table.options, profile(table)
    except InvalidTableError as error:
        raise InvalidDatasetError(error.option or "", str(error)) from error
    except DatasetError as error:
        raise InvalidDatasetError("", str(error)) from error


def keep(
    datasets: DatasetStore, file: Upload, name: str | None, file_format: TableFormat, options: TableOptions
) -> tuple[DatasetRecord, bool]:
    """Read, profile and keep a file, under a generated name if it has none; return its dataset, and whether it is new.

    Raises InvalidDatasetError, which names the row or column that is wrong.
    """
    options, profile = describe(file.path, file_format, options)
    return datasets.add(
        file, name or make_name(f"{options.target[:40]}-{file.digest[:8]}"), file_format, options, profile
    )


def local_upload(path: Path) -> Upload:
    """A file of this machine, with its digest.

    Raises OSError when it cannot be read.
    """
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return Upload(path, digest.hexdigest(), path.stat().st_size)
