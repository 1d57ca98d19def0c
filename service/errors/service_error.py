"""The parent of all errors of the service, and of those that name one field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from studies.errors import FieldError

MAX_LISTED = 6  # fields in which two studies differ, or query parameters that are unknown


class ServiceError(Exception):
    """Parent of all errors of `service`; users see its text."""

    status = 500
    title = "Internal error"
    fields: tuple[FieldError, ...] = ()  # that are wrong in a request

    @classmethod
    def told(cls, text: str, status: int, fields: Sequence[FieldError] = ()) -> Self:
        """The error that a server told a client, with the server's sentence in place of one that is made here."""
        error = cls.__new__(cls, text)  # which keeps the text, as `Exception` does, and makes no other
        error.status, error.fields = status, tuple(fields)
        return error


class OneFieldError(ServiceError):
    """What was sent is wrong in one field, which is empty where it is wrong as a whole."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.fields = (FieldError(field, message.removeprefix(f"{field}: ")),)

    @property
    def field(self) -> str:
        """The field's name."""
        return self.fields[0].field if self.fields else ""

    @property
    def reason(self) -> str:
        """The message without the field that it may begin with."""
        return self.fields[0].message if self.fields else str(self)
