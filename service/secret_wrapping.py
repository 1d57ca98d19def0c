"""Wraps secrets that the database keeps, with a key that is not in the database nor in its backups."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from service.errors import SecretKeyError
from service.settings import Settings

_FILE = "secret.key"
_GROUP_AND_OTHERS = 0o077


class Wrapper:
    """Wraps texts with the first of its keys, and unwraps what any of them has wrapped."""

    def __init__(self, keys: str) -> None:
        """Take keys of Fernet's, separated by commas.

        Raises SecretKeyError when one is none.
        """
        try:
            self._keys = MultiFernet([Fernet(key.strip()) for key in keys.split(",")])
        except ValueError:  # whose text is no use, and might be part of a key
            raise SecretKeyError(
                "REGSWEEP_SECRET_KEY: must hold 32 bytes in URL-safe base64, or several such keys separated by commas; "
                "`openssl rand -base64 32 | tr +/ -_` prints one"
            ) from None

    def wrap(self, text: str) -> str:
        """Wrap a text."""
        return self._keys.encrypt(text.encode()).decode()

    def unwrap(self, text: str) -> str:
        """Unwrap what `wrap` has returned.

        Raises SecretKeyError when none of the keys has wrapped it.
        """
        try:
            return self._keys.decrypt(text).decode()
        except InvalidToken:
            raise _wrapped_otherwise() from None

    def rewrap(self, text: str) -> str:
        """Wrap with the first of the keys what any of them has wrapped.

        Raises SecretKeyError when none of the keys has wrapped it.
        """
        try:
            return self._keys.rotate(text).decode()
        except InvalidToken:
            raise _wrapped_otherwise() from None


def _wrapped_otherwise() -> SecretKeyError:
    return SecretKeyError(
        "a secret in the database was wrapped with another key; add that key to REGSWEEP_SECRET_KEY behind the "
        f"present one, or put back the {_FILE} that stood beside the database"
    )


def open_wrapper(settings: Settings) -> Wrapper:
    """Make the wrapper with the key of the settings, else of the file beside the SQLite database, which is made once.

    Raises SecretKeyError when there is none, or when others may read the file.
    """
    if settings.secret_key is not None:
        return Wrapper(settings.secret_key.get_secret_value())
    database = settings.sqlite_file
    if database is None:
        raise SecretKeyError(
            "REGSWEEP_SECRET_KEY: must be set where the database is not an SQLite file, to a key as "
            "`openssl rand -base64 32 | tr +/ -_` prints it, or REGSWEEP_SECRET_KEY_FILE to a file with one"
        )
    file = database.with_name(_FILE)
    try:
        if not file.exists():
            _create(file)
        if stat.S_IMODE(file.stat().st_mode) & _GROUP_AND_OTHERS:
            raise SecretKeyError(f"others may read {file}, which wraps the secrets in the database; chmod 600 {file}")
        return Wrapper(file.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise SecretKeyError(f"the key in {file} cannot be read or made: {error}") from error


def _create(file: Path) -> None:
    """Write a new key; where another process does the same, the first one's stays."""
    partial = file.with_name(f"{file.name}.{uuid4().hex}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as opened:
            opened.write(Fernet.generate_key())
            opened.flush()
            os.fsync(opened.fileno())
        with suppress(FileExistsError):
            file.hardlink_to(partial)
    finally:
        partial.unlink(missing_ok=True)
