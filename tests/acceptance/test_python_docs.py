"""The examples of docs/python.md run as they stand there, as one script, and README's are among them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.processes import Server

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(document: str) -> list[str]:
    return BLOCK.findall((ROOT / document).read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.acceptance
def test_the_examples_of_the_python_document_run_as_they_stand_there(server: Server, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("\n".join(examples("docs/python.md")), encoding="utf-8")
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("REGSWEEP_")}
    cache = str(Path(".pytest_cache", "regsweep").absolute())
    environment = theirs | {"REGSWEEP_SERVER_URL": server.url, "REGSWEEP_CACHE_FOLDER": cache}
    done = subprocess.run(
        [sys.executable, "-P", str(script)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert re.search(r"^Use .*\nExpect val_loss .*\nWith a probability ", said, re.MULTILINE), said
    assert "completed" in said
    assert "422 [('budget.trials', 'must be greater than or equal to 1')]" in said
    assert "404 there is no study named 'nowhere'" in said
    assert "'patients'" in said.splitlines()[-1]
    assert {file.name for file in tmp_path.iterdir()} >= {"report.html", "cancer.zip", "patients.html"}
    server.api.delete("/v1/studies/patients", params={"force": True}).raise_for_status()
    server.api.delete("/v1/datasets/patients").raise_for_status()


def test_the_examples_of_the_readme_are_those_of_the_document() -> None:
    shown = "\n".join(examples("docs/python.md"))
    for example in examples("README.md"):
        assert example in shown
