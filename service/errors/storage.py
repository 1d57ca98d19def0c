"""Errors of the database, of the artifacts' files, and of the secrets that are kept."""

from __future__ import annotations

from service.errors.service_error import ServiceError


class SecretKeyError(ServiceError):
    """Secrets cannot be wrapped: there is no key to wrap them with, or not the one that wrapped them."""

    status = 501
    title = "No secret key"


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
