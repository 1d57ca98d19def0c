"""The command line and the environment of a child process of ours."""

from __future__ import annotations

import os
import sys
from pathlib import Path

#: What Python, its libraries and the system need of the environment. Any other variable may hold a secret.
_PASSED = frozenset(
    {
        *("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "TEMP", "TMP", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"),
        *("LD_LIBRARY_PATH", "__CF_USER_TEXT_ENCODING"),  # Linux, macOS; Windows:
        *("APPDATA", "COMSPEC", "LOCALAPPDATA", "NUMBER_OF_PROCESSORS", "PATHEXT", "SYSTEMDRIVE", "SYSTEMROOT"),
        *("USERNAME", "USERPROFILE", "WINDIR"),
    }
)
_PASSED_FAMILIES = (
    *("DYLD_", "LC_", "MALLOC_", "PYTHON"),
    *("CUDA_", "KERAS_", "MKL_", "OMP_", "OPENBLAS_", "TF_", "XLA_"),
    *("COVERAGE_", "COV_CORE_"),
)


def regsweep_command(*arguments: str) -> list[str]:
    """Run `regsweep …` in a child process."""
    return module_command("service.cli.main", *arguments)


def module_command(module: str, *arguments: str) -> list[str]:
    """Run a module of ours in a child process.

    `-P` keeps the working directory off Python's path, where a user's `queue.py`, `studies.py` or `service/` would be
    imported in place of Python's and of ours.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def environment_without_secrets() -> dict[str, str]:
    """The environment of a child process that reads what strangers sent: what it needs, and nothing else."""
    return {name: value for name, value in os.environ.items() if _is_passed(name.upper())}


def _is_passed(name: str) -> bool:
    return name in _PASSED or name.startswith(_PASSED_FAMILIES)


def memory_of(process: int) -> int:
    """Bytes of memory that a process holds for itself; 0 where the system does not say, or it has ended."""
    try:
        held = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return (int(held[1]) - int(held[2])) * os.sysconf("SC_PAGE_SIZE")
