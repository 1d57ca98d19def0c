"""Settings in files, so that no secret need stand in the environment."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from pydantic_settings import SettingsError

_WRAPPING_VARIABLE = "REGSWEEP_SECRET_KEY"


def read_files(names: Iterable[str]) -> dict[str, str]:
    """Read the settings whose variable with _FILE names a file, so that no secret need stand in the environment."""
    files = {name: os.environ.get(f"{variable_of(name)}_FILE") for name in names}
    return {name: _read_file(variable_of(name), Path(file)) for name, file in files.items() if file is not None}


def _read_file(variable: str, file: Path) -> str:
    if variable in os.environ:
        raise SettingsError(f"{variable} and {variable}_FILE are both set; set one of them")
    try:
        # The group may, as of files that Kubernetes mounts for a user who is not root.
        if variable == _WRAPPING_VARIABLE and stat.S_IMODE(file.stat().st_mode) & stat.S_IRWXO:
            raise SettingsError(f"{variable}_FILE: others may read {file}; chmod 600 {file}")
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{variable}_FILE: cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{variable}_FILE: {file} is not UTF-8: {error}") from error


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return f"REGSWEEP_{name.upper()}"
