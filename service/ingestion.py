"""Reads and profiles a user's file, before it is kept as a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.errors import InvalidDatasetError, InvalidOptionsError
from service.names import make_name
from studies.datasets.profile import DatasetProfile, InputsProfile
from studies.datasets.table import NO_TARGET
from studies.spec.table import TableFormat, TableOptions

if TYPE_CHECKING:
    from service.storage.datasets import Upload
    from studies.datasets.table import Table

#: A table may take this share of the machine's memory, for reading one takes more than twice its size.
_MEMORY_SHARE = 1 / 4
_BLOCK_BYTES = 1 << 20


def check_options(options: Mapping[str, Any]) -> TableOptions:
    """Validate what a user says of a file's columns.

    Raises InvalidOptionsError with every option that is wrong.
    """
    from studies.document_bounds import check_document

    check_document(options)
    return _validate(options)


def _validate(options: Mapping[str, Any]) -> TableOptions:
    from pydantic import ValidationError

    from studies.field_errors import field_errors

    try:
        return TableOptions.model_validate(options)
    except ValidationError as error:
        raise InvalidOptionsError(field_errors(error.errors(), TableOptions)) from error


def describe(
    file: Path, file_format: TableFormat, options: TableOptions, max_bytes: int | None = None
) -> tuple[TableOptions, DatasetProfile]:
    """Read and profile a file; return its options with what was seen of it, and the profile.

    Raises InvalidDatasetError, which names the row or column that is wrong, when it is no dataset, or would exceed
    `max_bytes` as 32-bit numbers: a quarter of the machine's memory unless it is given.
    """
    from studies.datasets.profile import profile

    with _naming_option():
        table = _read(file, file_format, options, max_bytes)
        return table.options, profile(table)


def _read(file: Path, file_format: TableFormat, options: TableOptions, max_bytes: int | None) -> Table:
    from studies.datasets.tables import read
    from studies.training.machine import memory_bytes

    with _naming_option():
        return read(file, file_format, options, max_bytes or int(memory_bytes() * _MEMORY_SHARE))


@contextmanager
def _naming_option() -> Iterator[None]:
    """Turn errors of reading into InvalidDatasetError, which names the option that is wrong."""
    from studies.errors import DatasetError, InvalidTableError

    try:
        yield
    except InvalidTableError as error:
        raise InvalidDatasetError(error.option or "file", str(error)) from error
    except DatasetError as error:
        raise InvalidDatasetError("file", str(error)) from error


def check_input_options(options: Mapping[str, Any]) -> TableOptions:
    """Validate what a user says of a file's columns before it is said which is predicted; see `check_options`."""
    from studies.document_bounds import check_document

    check_document(options)
    return _validate({**options, "target": NO_TARGET})  # which holds NUL, as no column's name does


def describe_inputs(
    file: Path, file_format: TableFormat, options: TableOptions, max_bytes: int | None = None
) -> tuple[TableOptions, InputsProfile]:
    """Read and profile a file without a target; see `describe`."""
    from studies.datasets.profile import profile_inputs

    with _naming_option():
        table = _read(file, file_format, options, max_bytes)
        return table.options, profile_inputs(table)


def preview(
    file: Path, file_format: TableFormat, rows: int, encoding: str | None, sheet: str | None, max_bytes: int
) -> dict[str, Any]:
    """Read the first rows of a file, see `studies.datasets.preview`.

    Raises InvalidDatasetError when it cannot be read, or would exceed `max_bytes`.
    """
    from studies.datasets import preview

    with _naming_option():
        return preview.preview(file, file_format, rows, encoding, sheet, max_bytes)


def make_dataset_name(target: str | None, digest: str) -> str:
    """The name of a dataset that was given none: of its target and its file."""
    return make_name((target or "file")[:40], f"-{digest[:8]}")


def local_upload(path: Path) -> Upload:
    """A file of this machine, with its digest.

    Raises OSError when it cannot be read.
    """
    from service.storage.datasets import Upload

    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return Upload(path, digest.hexdigest(), path.stat().st_size)
