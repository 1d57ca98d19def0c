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
├── ConverterMissingError 501  a server without TensorFlow or ONNX cannot convert a model
├── EngineMissingError  workers cannot run without TensorFlow
├── ExtraMissingError   what is asked for needs an extra that is not installed
├── AddressError        the server cannot listen on its address
├── NoKeyError          other machines can reach the server and no key exists
├── UnreachableError    a client gets no answer from its server
├── TrackerError         a tracker is away, or refuses what is logged
│   └── TrialRefusedError   it refuses one trial, and would again
└── RefusedError        a server refused a client's request for a reason that has no class here
"""

from __future__ import annotations

from service.errors.access import ForbiddenError, NoKeyError, QuotaError, RateLimitedError, UnauthenticatedError
from service.errors.conflicts import ConflictError, DatasetInUseError, KeyReusedError, NameInUseError, PreconditionError
from service.errors.files import (
    DiskFullError,
    FileLimitError,
    InvalidDatasetError,
    InvalidModelFileError,
    InvalidOptionsError,
    ReaderDiedError,
)
from service.errors.programs import (
    AddressError,
    ConverterMissingError,
    EngineMissingError,
    ExtraMissingError,
    NoWorkerError,
    PredictorMissingError,
    RefusedError,
    TrackerError,
    TrialRefusedError,
    UnreachableError,
    WorkersFailedError,
)
from service.errors.requests import (
    BadRequestError,
    BusyError,
    CutOffError,
    InvalidWebhookError,
    NotFoundError,
    NotJsonError,
    OtherListingError,
    TooLargeError,
    UnknownParameterError,
)
from service.errors.service_error import OneFieldError, ServiceError
from service.errors.storage import ArtifactError, BackupError, MigrationError, SecretKeyError, StorageError

__all__ = [
    "AddressError",
    "ArtifactError",
    "BackupError",
    "BadRequestError",
    "BusyError",
    "ConflictError",
    "ConverterMissingError",
    "CutOffError",
    "DatasetInUseError",
    "DiskFullError",
    "EngineMissingError",
    "ExtraMissingError",
    "FileLimitError",
    "ForbiddenError",
    "InvalidDatasetError",
    "InvalidModelFileError",
    "InvalidOptionsError",
    "InvalidWebhookError",
    "KeyReusedError",
    "MigrationError",
    "NameInUseError",
    "NoKeyError",
    "NoWorkerError",
    "NotFoundError",
    "NotJsonError",
    "OneFieldError",
    "OtherListingError",
    "PreconditionError",
    "PredictorMissingError",
    "QuotaError",
    "RateLimitedError",
    "ReaderDiedError",
    "RefusedError",
    "SecretKeyError",
    "ServiceError",
    "StorageError",
    "TooLargeError",
    "TrackerError",
    "TrialRefusedError",
    "UnauthenticatedError",
    "UnknownParameterError",
    "UnreachableError",
    "WorkersFailedError",
]
