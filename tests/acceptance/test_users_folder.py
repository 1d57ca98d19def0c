"""Whatever modules lie in the user's folder, Python's and ours are imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.processes import House
from tests.acceptance.studies import document, file

pytestmark = pytest.mark.xdist_group("lifetimes")


def test_modules_of_the_same_names_in_the_folder_of_a_run_are_left_alone(house: House, tmp_path: Path) -> None:
    for name in ("queue.py", "studies.py", "regsweep.py", "service/__init__.py"):
        module = tmp_path / name
        module.parent.mkdir(exist_ok=True)
        module.write_text("raise RuntimeError('the module of a user')\n")
    done = house.run("run", file(tmp_path, document("mine", 1)), "--workers", "1", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mine is completed: 1 complete" in done.stdout
