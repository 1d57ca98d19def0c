"""The package as it is handed out: built, installed alone, and run from there."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.installing import install, pip

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PACKAGES = ("regsweep", "service", "studies")
WITHOUT_EXTRAS = """
import importlib.util as found, regsweep
assert regsweep.Client and regsweep.StudySpec and regsweep.read
print(*(name for name in ("tensorflow", "keras", "optuna", "fastapi", "sqlalchemy") if found.find_spec(name)))
"""


def _hatchling(folder: Path, target: str, output: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(output)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [built] = output.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _hatchling(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist alone, as pip builds it where there is no wheel."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as content:
        content.extractall(folder, filter="data")
    [source] = folder.iterdir()
    return _hatchling(source, "wheel", tmp_path_factory.mktemp("wheel"))


def _own_files() -> set[str]:
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*") if file.is_file())
    return {file.relative_to(ROOT).as_posix() for file in files if "__pycache__" not in file.parts}


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        names = {name for name in content.namelist() if ".dist-info/" not in name}
    assert names == _own_files()
    for needed in (
        "regsweep/py.typed", "service/py.typed", "studies/py.typed", "service/pages/templates/base.html",
        "service/pages/static/icon.svg", "service/storage/migrations/env.py", "studies/analysis/report.css",
        "service/cli/examples/breast_cancer.yaml",
    ):  # fmt: skip
        assert needed in names


def test_the_sdist_holds_the_documents_and_no_tests(sdist: Path) -> None:
    with tarfile.open(sdist) as content:
        names = {name.partition("/")[2] for name in content.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "docs/python.md"} <= names
    assert _own_files() <= names
    assert {name.partition("/")[0] for name in names}.isdisjoint({"tests", "benchmarks", "docker", ".venv"})


def test_the_package_alone_is_the_client_and_the_command_line(wheel: Path, tmp_path: Path) -> None:
    light = install(wheel, ["client"], tmp_path / "light")
    assert pip(light.command("python"), "check") == "No broken requirements found.\n"
    version = wheel.name.split("-")[1]
    assert light.run("regsweep", "--version").stdout == f"{version}\n"
    assert "Usage: regsweep" in light.run("regsweep", "--help").stdout
    imported = light.run("python", "-c", WITHOUT_EXTRAS)
    assert (imported.returncode, imported.stdout) == (0, "\n"), imported.stderr
    (tmp_path / "model.zip").touch()
    for command in (["demo"], ["convert", str(tmp_path / "model.zip")]):
        refused = light.run("regsweep", *command)
        assert refused.returncode == 2
        assert refused.stderr.endswith('which is not installed: pip install "regsweep[worker]"\n')


def test_the_server_of_the_package_shows_the_example_that_is_in_it(wheel: Path, tmp_path: Path) -> None:
    served = install(wheel, ["server"], tmp_path / "served")
    assert pip(served.command("python"), "check") == "No broken requirements found.\n"
    command = [served.command("regsweep"), "demo", "--workers", "0"]
    with subprocess.Popen(
        command, env=served.environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        assert demo.stdout is not None
        try:
            said = next(line for line in demo.stdout if line.startswith("Submitted"))
            submitted = re.fullmatch(r"Submitted breast-cancer to (http://127\.0\.0\.1:\d+)\n", said)
            assert submitted is not None, said
            page = httpx.get(f"{submitted[1]}/studies/breast-cancer")
            assert page.status_code == 200
            script = re.search(r'src="(/assets/[^"]+\.js)"', page.text)
            assert script is not None
            assert httpx.get(submitted[1] + script[1]).status_code == 200
        finally:
            demo.send_signal(signal.SIGINT)
            demo.stdout.read()
    assert demo.returncode == 130
