"""The pages for those who come from another program: every block runs in its order, with a budget of seconds."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
import yaml

from tests.acceptance.processes import House
from tests.service.commanding import run_command

pytestmark = [pytest.mark.slow, pytest.mark.acceptance]
DOCS = Path(__file__).parents[2] / "docs"
SCRIPT = re.compile(r"# (\w+\.py)\n")  # a block that is a file of its own, and is run before what follows
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["from_wandb", "from_scikit_learn", "from_optuna", "from_keras_tuner"])
def test_every_block_of_a_page_runs_as_it_stands_there(page: str, house: House, tmp_path: Path) -> None:
    house.environment["REGSWEEP_WORKERS"] = "1"
    blocks = BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8"))
    script: list[str] = []
    for (kind, text), following in zip(blocks, [*(kind for kind, _ in blocks[1:]), ""], strict=True):
        match kind:
            case "yaml":
                _write_or_compare(tmp_path, text)
            case "sh":
                said = [_run(house, line, tmp_path, refused=following == "text") for line in text.splitlines()]
            case "text":
                assert text == "".join(said)
            case "python" if (name := SCRIPT.match(text)) is not None:
                _run_script(house, tmp_path, name[1], text)
            case "python":
                script.append(text)
            case "json":
                (tmp_path / "space.json").write_text(text, encoding="utf-8")
            case _:
                pytest.fail(f"a block of {kind} is neither run nor compared")
    if script:
        _run_script(house, tmp_path, "script.py", "\n".join(script))


def _run_script(house: House, folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text.replace("epochs=30", "epochs=3"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", name],
        env=house.environment, cwd=folder, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _write_or_compare(folder: Path, text: str) -> None:
    """Write the file that a block's first line names; or, once a command has written it, compare what both say."""
    file = folder / text.splitlines()[0].removeprefix("# ")
    if file.exists():
        assert yaml.safe_load(text) == yaml.safe_load(file.read_text(encoding="utf-8"))
    else:
        file.write_text(text, encoding="utf-8")


def _run(house: House, line: str, folder: Path, *, refused: bool) -> str:
    command, *arguments = shlex.split(line)
    assert command == "regsweep"
    if arguments[0] == "run":
        arguments[1] = _bounded(folder / arguments[1])
        done = house.run(*arguments, folder=folder)
        status, said = done.returncode, done.stderr
    else:  # in this process, which saves most of the time of one that trains nothing
        with chdir(folder):
            here = run_command(*arguments, **{k: v for k, v in house.environment.items() if k.startswith("REGSWEEP_")})
        status, said = here.returncode, here.stderr
    assert status == (2 if refused else 0), said
    return said


def _bounded(study: Path) -> str:
    """A copy of a study file with a budget of seconds: whether it trains is the question here, not how well."""
    text, count = re.subn(
        r"^budget: .*$", "budget: {trials: 4, epochs: 3}", study.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert count == 1
    study.with_name("bounded.yaml").write_text(text, encoding="utf-8")
    return "bounded.yaml"
