"""Every error that the service raises on purpose, with its HTTP status.

ServiceError
├── UnauthenticatedError 401 a request has no key, or one that is not usable
├── ForbiddenError      403  a key's scope is too small, or a request comes from another site
├── NotFoundError       404  the study, trial, dataset or model does not exist
├── ConflictError       409  the request does not fit the current state
│   ├── NameInUseError  409  a study of this name exists
│   └── DatasetInUseError 409  a dataset is deleted while a study is about it
├── PreconditionError   412  If-Match does not name the current version
├── KeyReusedError      422  an Idempotency-Key was used for another request
├── TooLargeError       413  an upload or another body exceeds its limit
├── CutOffError         400  a client disconnected before its upload was complete
├── InvalidDatasetError 422  a file does not hold the dataset that was described
│   └── FileLimitError  413  a file takes more memory or time to read than it may
├── InvalidModelFileError 422 a file holds no Keras model that a study could have
├── ReaderDiedError     503  the program that reads files was ended
├── BusyError           503  a request waited too long for its turn
├── InvalidWebhookError 422  a webhook's URL is none that may be sent to, or its project does not exist
├── RateLimitedError    429  too many requests came in a short time
│   └── QuotaError      429  a project has as much as its quota allows
├── SecretKeyError      501  secrets cannot be wrapped, or not be read with this key
├── DiskFullError       507  an upload cannot be written to the disk
├── BadRequestError     400  a query parameter is wrong
├── NotJsonError        400  a body is not JSON
├── OtherListingError   422  a cursor is of another listing
├── UnknownParameterError 422 a query parameter that the operation does not have
├── StorageError        503  the database does not answer or its schema does not fit
│   ├── MigrationError  503  the database keeps another schema than this version's
│   ├── BackupError     503  the database cannot be copied
│   └── ArtifactError   503  a model's or a dataset's file cannot be written, read or found
├── WorkersFailedError  no worker process becomes ready
├── NoWorkerError       a study waits and no worker is alive
├── PredictorMissingError 501  a server without TensorFlow cannot predict
├── EngineMissingError  workers cannot run without TensorFlow
├── ExtraMissingError   what is asked for needs an extra that is not installed
├── AddressError        the server cannot listen on its address
├── NoKeyError          other machines can reach the server and no key exists
├── UnreachableError    a client gets no answer from its server
└── RefusedError        a server refused a client's request for a reason that has no class here
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Self

from studies.errors import FieldError, InvalidSpecError
from studies.spec.budget import seconds_text

_MAX_LISTED = 6  # fields in which two studies differ, or query parameters that are unknown
#: What a study that was accepted can get more of, and its unit.
_EXTENSIBLE = {"budget.trials": "trials", "budget.timeout_seconds": "seconds"}
_NO_LIMIT = "null"


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


class UnauthenticatedError(ServiceError):
    """A request has no key, or one that is not usable."""

    status = 401
    title = "Unauthorized"
    challenge: str | None = None

    def __init__(self, reason: str | None = None) -> None:
        """Say what is wrong with the key or login that was sent; None when none was."""
        self.reason = reason or "a key is needed"
        one = "one" if reason is None else "a key"
        super().__init__(f"{self.reason}; send {one} as 'Authorization: Bearer rgs_…', or log in at /login")
        self.challenge = 'Bearer realm="regsweep"' + (', error="invalid_token"' if reason else "")


class ForbiddenError(ServiceError):
    """A key's scope is too small (`scope` is the one needed), or a request comes from another site."""

    status = 403
    title = "Forbidden"
    challenge: str | None = None

    def __init__(self, message: str, scope: str | None = None) -> None:
        super().__init__(message)
        self.challenge = f'Bearer realm="regsweep", error="insufficient_scope", scope="{scope}"' if scope else None


class NotFoundError(ServiceError):
    """The study, trial, dataset or model does not exist."""

    status = 404
    title = "Not found"


class ConflictError(ServiceError):
    """The request does not fit the current state."""

    status = 409
    title = "Conflict"


class NameInUseError(ConflictError):
    """A study of this name exists."""

    title = "Name in use"
    extension = ""  # flags of `regsweep extend` after which the two would be the same; begin with a blank

    def __init__(self, name: str, differences: Sequence[tuple[str, str, str]] = (), *, is_seen: bool = True) -> None:
        """Name the study, and each field in which it differs: the field, its value there, its value in the new one.

        One that is not seen is another project's, or Optuna's alone, and cannot be deleted.
        """
        self.fields = tuple(FieldError(field, f"{there} there, {here} here") for field, there, here in differences)
        if not differences:
            advice = "choose another name or delete it first" if is_seen else "choose another name"
            super().__init__(f"a study named '{name}' exists; {advice}")
            return
        listed = [f"{wrong.field}: {wrong.message}" for wrong in self.fields]
        if len(listed) > _MAX_LISTED:
            listed[_MAX_LISTED - 1 :] = [f"and {len(listed) - _MAX_LISTED + 1} more"]
        differs = "; ".join(listed)
        super().__init__(f"another study is named '{name}' and differs: {differs}; {_advice(differences)}")
        self.extension = _extension(differences)


def _advice(differences: Sequence[tuple[str, str, str]]) -> str:
    """What to do about another study of the name: go on with it where only its budget differs."""
    if any(field not in _EXTENSIBLE for field, _, _ in differences):
        return "choose another name, or delete that one first"
    grows = _grows(differences)
    amounts = [
        "no time limit" if text == _NO_LIMIT else f"{seconds_text(_amount(text))} {_EXTENSIBLE[field]}"
        for field, text in ((field, here if grows else there) for field, there, here in differences)
    ]
    return f"to go on with it, {'extend it to' if grows else 'ask for'} {' and '.join(amounts)}, or choose another name"


def _extension(differences: Sequence[tuple[str, str, str]]) -> str:
    if any(field not in _EXTENSIBLE for field, _, _ in differences) or not _grows(differences):
        return ""
    flags = {"budget.trials": "--trials", "budget.timeout_seconds": "--timeout-seconds"}
    return "".join(f" {flags[field]} {seconds_text(_amount(here))}" for field, _, here in differences)


def _grows(differences: Sequence[tuple[str, str, str]]) -> bool:
    return all(_amount(here) >= _amount(there) for _, there, here in differences)


def _amount(text: str) -> float:
    return inf if text == _NO_LIMIT else float(text)


class DatasetInUseError(ConflictError):
    """A dataset is deleted while a study is about it."""

    title = "Dataset in use"

    def __init__(self, name: str, studies: Sequence[str]) -> None:
        named = ", ".join(f"'{study}'" for study in studies)
        super().__init__(f"dataset '{name}' is that of the studies {named}; delete those first")


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


class InvalidWebhookError(OneFieldError):
    """A webhook cannot be as it was asked for; `field` names what is wrong."""

    status = 422
    title = "Invalid webhook"


class RateLimitedError(ServiceError):
    """Too many requests came in a short time; `retry_after` is the seconds until one may pass again."""

    status = 429
    title = "Too many requests"
    retry_after = 1

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaError(RateLimitedError):
    """A project has as much as its quota allows; the message says what makes room."""

    title = "Quota reached"


class SecretKeyError(ServiceError):
    """Secrets cannot be wrapped: there is no key to wrap them with, or not the one that wrapped them."""

    status = 501
    title = "No secret key"


class DiskFullError(ServiceError):
    """An upload cannot be written to the disk."""

    status = 507
    title = "Cannot be stored"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the file cannot be written: {reason}")


class PreconditionError(ServiceError):
    """If-Match does not name the current version."""

    status = 412
    title = "Precondition failed"


class KeyReusedError(ServiceError):
    """An Idempotency-Key was used for another request."""

    status = 422
    title = "Key reused"

    def __init__(self, idempotency_key: str) -> None:
        super().__init__(
            f"Idempotency-Key '{idempotency_key}' came with another request before; a new request needs a new key"
        )


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
        self.fields = tuple(FieldError(name, f"unknown query parameter; {right}") for name in unknown[:_MAX_LISTED])
        super().__init__("; ".join(f"{field.field}: {field.message}" for field in self.fields))


class EngineMissingError(ServiceError):
    """Workers cannot run without TensorFlow."""

    def __init__(self) -> None:
        super().__init__("workers need TensorFlow: install regsweep[worker], or serve with --workers 0")


class ExtraMissingError(ServiceError):
    """What is asked for needs an extra of the package that is not installed."""

    def __init__(self, what: str, module: str, extra: str) -> None:
        super().__init__(f'{what} needs {module}, which is not installed: pip install "regsweep[{extra}]"')


class WorkersFailedError(ServiceError):
    """No worker process becomes ready; the text repeats the last lines of one."""

    def __init__(self, starts: int, status: str, last_lines: Sequence[str]) -> None:
        super().__init__(
            "\n".join(
                [f"no worker can be started: {starts} in a row died before they were ready, the last with {status}:"]
                + [f"  {line}" for line in last_lines]
            )
        )


class NoWorkerError(ServiceError):
    """A study waits and no worker is alive."""

    def __init__(self, study: str) -> None:
        super().__init__(
            f"'{study}' waits and no worker is running; start one with `regsweep worker` on the server's database, or "
            "`regsweep serve` with --workers, then watch the study again"
        )


class PredictorMissingError(ServiceError):
    """A server without TensorFlow cannot predict."""

    status = 501
    title = "No TensorFlow"

    def __init__(self) -> None:
        super().__init__(
            "this server has no TensorFlow to predict with; take the study's /export and run `regsweep predict` on it "
            "where regsweep[worker] is installed"
        )


class AddressError(ServiceError):
    """The server cannot listen on its address."""


class NoKeyError(ServiceError):
    """Other machines can reach the server and no key exists."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} can be reached from other machines and there is no key; make one with "
            "`regsweep keys create NAME --scope admin`, or listen on 127.0.0.1"
        )


class UnreachableError(ServiceError):
    """A client gets no answer from its server: none listens there, or the connection broke."""

    status = 503
    title = "No answer"

    def __init__(self, url: str, reason: str) -> None:
        hint = "; SSL_CERT_FILE names a certificate to trust" if "certificate verify failed" in reason else ""
        super().__init__(f"no server at {url} ({reason}{hint})")


class RefusedError(ServiceError):
    """A server refused a client's request for a reason that has no class here; `status` is the answer's."""

    title = "Refused"


class StorageError(ServiceError):
    """The database does not answer or its schema does not fit."""

    status = 503
    title = "Storage unavailable"


class MigrationError(StorageError):
    """A database has another schema than this version's and keeps it; trying again would end in the same."""


class BackupError(StorageError):
    """The database cannot be copied."""


class ArtifactError(StorageError, OSError):
    """A model's or a dataset's file cannot be written, read or found; an OSError, so that `studies` knows it too."""
