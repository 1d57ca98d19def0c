"""Everything the service raises on purpose, each with its HTTP status.

ServiceError
├── UnauthenticatedError 401 a request comes without a key, or with one that is of no use
├── ForbiddenError      403  a key may not do this, or a request comes from elsewhere
├── NotFoundError       404  no such study, trial, model
├── ConflictError       409  the request does not fit the state things are in
│   ├── NameInUseError  409  a study of this name exists
│   └── DatasetInUseError 409  a dataset is deleted while a study is about it
├── PreconditionError   412  If-Match names another version than there is
├── KeyReusedError      422  an Idempotency-Key came with another request before
├── TooLargeError       413  an upload or another body is larger than it may be
├── CutOffError         400  a client hung up before its upload was whole
├── InvalidDatasetError 422  a file that is no dataset as it was described
├── DiskFullError       507  a file cannot be written here
├── BadRequestError     400  a query parameter that makes no sense
├── StorageError        503  the database does not answer or its schema does not fit
│   └── ArtifactError   503  a model's or a dataset's file cannot be written, read or found
├── WorkersFailedError  no worker process becomes ready
├── PredictorMissingError 501  predictions are asked of a server without TensorFlow
├── BackupError         the database cannot be copied
├── EngineMissingError  workers are asked for where TensorFlow is not installed
├── AddressError        the server cannot listen where it was told to
├── NoKeyError          the server can be reached from elsewhere and nobody has a key
└── RefusedError        a client's request was refused, or there is no server
"""

from collections.abc import Sequence


class ServiceError(Exception):
    """Parent of all errors of `service`; its text is shown to the user."""

    status = 500
    title = "Internal error"


class UnauthenticatedError(ServiceError):
    """A request comes without a key, or with one that is of no use."""

    status = 401
    title = "Unauthorized"

    def __init__(self, *, given: bool) -> None:
        what = "this key is not known, was revoked, or has expired" if given else "a key is needed"
        super().__init__(f"{what}; send one as 'Authorization: Bearer rgs_…', or log in at /login")
        self.challenge = 'Bearer realm="regsweep"' + (', error="invalid_token"' if given else "")


class ForbiddenError(ServiceError):
    """A key may not do this, or a request comes from elsewhere; `scope` names the one that is needed."""

    status = 403
    title = "Forbidden"

    def __init__(self, message: str, scope: str | None = None) -> None:
        super().__init__(message)
        self.challenge = f'Bearer realm="regsweep", error="insufficient_scope", scope="{scope}"' if scope else None


class NotFoundError(ServiceError):
    """What was asked for does not exist."""

    status = 404
    title = "Not found"


class ConflictError(ServiceError):
    """The request does not fit the state things are in."""

    status = 409
    title = "Conflict"


class NameInUseError(ConflictError):
    """A study of this name exists."""

    title = "Name in use"

    def __init__(self, name: str) -> None:
        super().__init__(f"a study named '{name}' exists; choose another name or delete it first")


class DatasetInUseError(ConflictError):
    """A dataset is deleted while a study is about it."""

    title = "Dataset in use"

    def __init__(self, name: str, studies: Sequence[str]) -> None:
        named = ", ".join(f"'{study}'" for study in studies)
        super().__init__(f"dataset '{name}' is that of the studies {named}; delete those first")


class TooLargeError(ServiceError):
    """An upload or another body is larger than it may be."""

    status = 413
    title = "Too large"

    def __init__(self, what: str, most_bytes: int, setting: str) -> None:
        super().__init__(f"the {what} is larger than {most_bytes:,} bytes, which {setting} allows")


class CutOffError(ServiceError):
    """A client hung up before its upload was whole; nobody reads the answer."""

    status = 400
    title = "Cut off"


class InvalidDatasetError(ServiceError):
    """A file that is no dataset as it was described; `field` names the option that is wrong, or is empty."""

    status = 422
    title = "Invalid dataset"

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


class DiskFullError(ServiceError):
    """A file cannot be written here."""

    status = 507
    title = "Cannot be stored"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the file cannot be written: {reason}")


class PreconditionError(ServiceError):
    """If-Match names another version than there is."""

    status = 412
    title = "Precondition failed"


class KeyReusedError(ServiceError):
    """An Idempotency-Key came with another request before."""

    status = 422
    title = "Key reused"

    def __init__(self, key: str) -> None:
        super().__init__(f"Idempotency-Key '{key}' came with another request before; a new request needs a new key")


class BadRequestError(ServiceError):
    """A query parameter that makes no sense; `field` names it."""

    status = 400
    title = "Bad request"

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(f"{field}: {message}")


class EngineMissingError(ServiceError):
    """Workers are asked for where TensorFlow is not installed."""

    def __init__(self) -> None:
        super().__init__("workers need TensorFlow: install regsweep[worker], or serve with --workers 0")


class WorkersFailedError(ServiceError):
    """No worker process becomes ready; the text repeats the last lines of one."""

    def __init__(self, starts: int, status: str, last_lines: Sequence[str]) -> None:
        super().__init__(
            "\n".join(
                [f"no worker can be started: {starts} in a row died before they were ready, the last with {status}:"]
                + [f"  {line}" for line in last_lines]
            )
        )


class PredictorMissingError(ServiceError):
    """Predictions are asked of a server where TensorFlow is not installed."""

    status = 501
    title = "No TensorFlow"

    def __init__(self) -> None:
        super().__init__(
            "this server has no TensorFlow to predict with; take the study's /export and run `regsweep predict` on it "
            "where regsweep[worker] is installed"
        )


class BackupError(ServiceError):
    """The database cannot be copied."""


class AddressError(ServiceError):
    """The server cannot listen where it was told to."""


class NoKeyError(ServiceError):
    """The server can be reached from elsewhere and nobody has a key."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} can be reached from other machines and there is no key; make one with "
            "`regsweep keys create NAME --scope admin`, or listen on 127.0.0.1"
        )


class RefusedError(ServiceError):
    """A server refused a client's request, or there is none; the text says why, a line a reason."""

    def __init__(self, message: str, answered: int | None = None) -> None:
        super().__init__(message)
        self.answered = answered  # the HTTP status, None when there was no answer


class StorageError(ServiceError):
    """The database does not answer or its schema does not fit."""

    status = 503
    title = "Storage unavailable"


class ArtifactError(StorageError, OSError):
    """A model's or a dataset's file cannot be written, read or found; an OSError, so that `studies` knows it too."""
