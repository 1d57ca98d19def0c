"""Errors of the files that users send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from service.errors.service_error import OneFieldError, ServiceError
from studies.errors import FieldError, InvalidSpecError


class InvalidDatasetError(OneFieldError):
    """A file does not hold the dataset that was described; `field` names the wrong option, or is `file`."""

    status = 422
    title = "Invalid file"


class FileLimitError(InvalidDatasetError):
    """A file takes more memory or time to read than it may."""

    status = 413
    title = "Too much to read"

    @classmethod
    def of_memory(cls, most: int) -> Self:
        """Memory ran out."""
        return cls("file", f"reading the file takes {_memory_limit(most)}; send fewer rows or columns")

    @classmethod
    def of_answer(cls, most: int) -> Self:
        """What is to be said of the file is too long."""
        return cls("file", f"what is to be said of the file is more than {most / 1e6:.0f} MB; send fewer columns")

    @classmethod
    def of_time(cls, seconds: int) -> Self:
        """Time ran out."""
        return cls(
            "file",
            f"reading the file takes more than {seconds} seconds, which REGSWEEP_READ_SECONDS allows; send fewer rows "
            "or columns",
        )

    @classmethod
    def of_memory_or_damage(cls, most: int) -> Self:
        """The process that read the file died, and nobody knows of what."""
        return cls("file", f"reading the file ended its process: it is damaged, or takes {_memory_limit(most)}")


def _memory_limit(most: int) -> str:
    return f"more than {most / 1e9:.1f} GB of memory, which REGSWEEP_READ_MEMORY_SHARE allows"


class InvalidModelFileError(ServiceError):
    """A file holds no Keras model that a study could have."""

    status = 422
    title = "Invalid model file"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.fields = tuple(errors)


class ReaderDiedError(ServiceError):
    """The program that reads files ended, or was ended, which says nothing about the file."""

    status = 503
    title = "Not read"

    def __init__(self) -> None:
        super().__init__("what reads files was ended from outside; send the file again")


class InvalidOptionsError(InvalidSpecError):
    """What is said of a file's columns, or of what is to be done with it, is wrong; names every field."""

    title = "Invalid options"


class DiskFullError(ServiceError):
    """An upload cannot be written to the disk."""

    status = 507
    title = "Cannot be stored"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the file cannot be written: {reason}")
