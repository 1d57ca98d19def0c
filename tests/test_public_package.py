"""`regsweep` hands on names, and importing it costs next to nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import regsweep

LOADED = "import sys; old = set(sys.modules); {code}; print(*{{name.split('.')[0] for name in set(sys.modules) - old}})"


def loaded_by(code: str) -> set[str]:
    """The top-level packages that a fresh Python loads for a line of code."""
    command = [sys.executable, "-c", LOADED.format(code=code)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("name", regsweep.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(regsweep, name) is not None


def test_the_version_is_that_of_the_package() -> None:
    assert regsweep.__version__ == version("regsweep")


def test_no_other_name_is_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Store'"):
        _ = regsweep.Store


def test_importing_it_loads_nothing_else() -> None:
    assert loaded_by("import regsweep") - sys.stdlib_module_names == {"regsweep"}


def test_a_study_and_a_client_load_neither_tensorflow_nor_optuna() -> None:
    code = "from regsweep import Client, InvalidSpecError, StudySpec, read"
    assert loaded_by(code).isdisjoint({"tensorflow", "keras", "optuna", "sklearn", "scipy", "fastapi"})
