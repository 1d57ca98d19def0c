"""Errors of what a request asks for, or of how it does."""

from __future__ import annotations

from collections.abc import Sequence

from service.errors.service_error import MAX_LISTED, OneFieldError, ServiceError
from studies.errors import FieldError


class NotFoundError(ServiceError):
    """The study, trial, dataset or model does not exist."""

    status = 404
    title = "Not found"


class TooLargeError(ServiceError):
    """An upload or another body exceeds its limit."""

    status = 413
    title = "Too large"

    def __init__(self, part: str, max_bytes: int, setting: str) -> None:
        super().__init__(f"the {part} is larger than {max_bytes:,} bytes, which {setting} allows")


class BusyError(ServiceError):
    """The server has as much at once as it can hold; the same request may pass later."""

    status = 503
    title = "Busy"


class CutOffError(ServiceError):
    """A client disconnected before its upload was complete; nobody reads the answer."""

    status = 400
    title = "Cut off"


class InvalidWebhookError(OneFieldError):
    """A webhook cannot be as it was asked for; `field` names what is wrong."""

    status = 422
    title = "Invalid webhook"


class BadRequestError(OneFieldError):
    """A query parameter is wrong; `field` names it."""

    status = 400
    title = "Bad request"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, f"{field}: {message}")


class NotJsonError(ServiceError):
    """A body is not JSON."""

    status = 400
    title = "Not JSON"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the body is not JSON: {reason}")
        self.fields = (FieldError("", f"not JSON: {reason}"),)


class OtherListingError(OneFieldError):
    """A cursor is of another listing: of other rows, or in another order."""

    status = 422
    title = "Cursor of another listing"

    def __init__(self) -> None:
        super().__init__(
            "cursor",
            "cursor: of another listing; repeat path, sort and state of its page, or begin without a cursor",
        )


class UnknownParameterError(ServiceError):
    """A request has query parameters that its operation does not have."""

    status = 422
    title = "Invalid request"

    def __init__(self, unknown: Sequence[str], known: Sequence[str]) -> None:
        right = f"choose from {', '.join(known)}" if known else "there are none here"
        self.fields = tuple(FieldError(name, f"unknown query parameter; {right}") for name in unknown[:MAX_LISTED])
        super().__init__("; ".join(f"{field.field}: {field.message}" for field in self.fields))
