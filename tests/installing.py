"""Clean environments with what an extra of the package needs and nothing else, without a network.

Each package that is needed is linked from the environment of the tests, which the lock has filled; the wheel itself is
installed by pip. So it takes seconds, and what the package forgets to ask for is missing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from importlib.metadata import Distribution, distribution
from pathlib import Path
from sysconfig import get_path

from packaging.requirements import Requirement


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead to nothing of the tests' own."""
        theirs = {name: value for name, value in os.environ.items() if not name.startswith(("REGSWEEP_", "PYTHON"))}
        return theirs | {"PYTHONUNBUFFERED": "1", "COLUMNS": "120"}

    def command(self, name: str) -> str:
        """A command of the environment."""
        return str(self.folder / "bin" / name)

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment in a folder of its own."""
        return subprocess.run(
            [self.command(command), *arguments],
            env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip


def install(wheel: Path, extras: Sequence[str], folder: Path) -> Installed:
    """Make an environment with the wheel, and with what it needs under these extras."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = Path(get_path("purelib", "venv", {"base": str(folder)}))
    for needed in _needed(_requirements(wheel, extras)).values():
        _link(needed, site)
    python = str(folder / "bin" / "python")
    pip(python, "install", "--no-index", "--no-deps", "--no-compile", str(wheel))
    return Installed(folder)


def pip(python: str, *arguments: str) -> str:
    """Run pip for another environment; what it says."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _requirements(wheel: Path, extras: Sequence[str]) -> Iterator[Requirement]:
    """What the wheel asks for under these extras, also where one of them names another."""
    with zipfile.ZipFile(wheel) as content:
        [name] = [name for name in content.namelist() if name.endswith(".dist-info/METADATA")]
        asked = list(map(Requirement, message_from_bytes(content.read(name)).get_all("Requires-Dist") or ()))
    for requirement in _of_extras(asked, extras):
        if requirement.name == "regsweep":
            yield from _requirements(wheel, sorted(requirement.extras))
        else:
            yield requirement


def _of_extras(requirements: Iterable[Requirement], extras: Iterable[str]) -> Iterator[Requirement]:
    contexts = [{"extra": extra} for extra in ("", *extras)]
    for requirement in requirements:
        if requirement.marker is None or any(map(requirement.marker.evaluate, contexts)):
            yield requirement


def _needed(requirements: Iterable[Requirement]) -> dict[str, Distribution]:
    """Each package that is needed, also by others, as it is installed here."""
    found: dict[str, Distribution] = {}
    seen, todo = set[tuple[str, frozenset[str]]](), list(requirements)
    while todo:
        requirement = todo.pop()
        key = requirement.name, frozenset(requirement.extras)
        if key in seen:
            continue
        seen.add(key)
        installed = found[requirement.name] = distribution(requirement.name)
        todo += _of_extras(map(Requirement, installed.requires or ()), requirement.extras)
    return found


def _link(installed: Distribution, site: Path) -> None:
    """Link a package's folders and files into an environment; its commands stay away."""
    for top in {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}:
        link = site / top
        if not link.exists():
            link.symlink_to(Path(str(installed.locate_file(top))).resolve())
