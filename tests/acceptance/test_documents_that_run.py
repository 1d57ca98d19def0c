"""The commands and scripts of the documents do what stands there: of each page in an empty folder, one after the other.

README.md's that need a server are sent to one; docs/operation.md's backup is made of what README.md's study left.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import keras
import pytest
from sklearn.datasets import load_breast_cancer

from tests.acceptance.processes import House, Server
from tests.site.blocks import Block, blocks, every_block

pytestmark = pytest.mark.slow

PAGES = sorted({block.document for block in every_block() if block.runs_here and block.language in {"python", "sh"}})
HERE = Path(__file__).name


def bash(commands: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Run commands to their end, `regsweep` and `python` being those of this Python; return what they print."""
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        env={**environment, "PATH": path}, cwd=folder, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{commands}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run_as_they_stand_there(page: str, house: House) -> None:
    environment = _as_a_user(house)
    folder = house.folder / "here"
    folder.mkdir()
    commands, script = (_joined(page, language) for language in ("sh", "python"))
    if script:
        (house.folder / "script.py").write_text(script, encoding="utf-8")
        commands += f"\npython -P {house.folder / 'script.py'}\n"
    printed = bash(commands, folder, environment)
    for block in blocks(page):  # output of words and numbers that no processor's rounding changes
        if block.language == "text" and page == "docs/lambda.md":
            assert block.text in printed


def _as_a_user(house: House) -> dict[str, str]:
    """The environment of somebody who has set nothing, but for one worker, which starts sooner than two."""
    theirs = {name: value for name, value in house.environment.items() if not name.endswith(("_URL", "_SECONDS"))}
    return theirs | {"REGSWEEP_WORKERS": "1"}


def _joined(page: str, language: str) -> str:
    return "\n".join(block.text for block in blocks(page) if block.runs_here and block.language == language)


def test_the_commands_of_the_readme_run_here_and_its_backup_is_restored(house: House) -> None:
    environment = _as_a_user(house)
    study = next(block.text for block in blocks("README.md") if block.language == "yaml")
    (house.folder / "study.yaml").write_text(study.replace("trials: 60, epochs: 60", "trials: 4, epochs: 3"))
    first, *_ = _followed("README.md")
    assert "tumours" in bash(first.text, house.folder, environment)
    backup, restore = (block.text for block in _followed("docs/operation.md"))
    without_key = re.sub(r"^cp -p data.before/secret.key.*\n", "", restore, flags=re.MULTILINE)  # no webhook needed one
    bash(backup + without_key, house.folder, environment)
    assert "tumours" in bash("regsweep studies", house.folder, environment)


def test_the_commands_of_the_readme_run_on_a_server(house: House, server: Server) -> None:
    environment = house.environment | {"REGSWEEP_SERVER_URL": server.url}
    (house.folder / "study.yaml").write_text(
        "dataset: {kind: builtin, name: iris}\nmodel: {kind: mlp, hidden_units: [4]}\nbudget: {trials: 3, epochs: 2}\n"
    )
    table = load_breast_cancer(as_frame=True).frame.iloc[:200, -6:].rename(columns={"target": "churned"})
    table.to_csv(house.folder / "churn.csv", index_label="id")
    table.drop(columns="churned").iloc[:5].to_csv(house.folder / "new_rows.csv", index_label="id")
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1, "sigmoid")])
    (house.folder / "model.json").write_text(model.to_json())
    for block in _followed("README.md")[1:]:
        bash(_sent_to(server, block.text), house.folder, environment)
        for name in ("iris", "churn"):
            server.api.delete(f"/v1/studies/{name}", params={"force": True})
        server.api.delete("/v1/datasets/churn")
    assert (house.folder / "predictions.csv").read_text().count("\n") == 6
    assert list(house.folder.glob("iris*.keras"))


def _followed(document: str) -> list[Block]:
    return [block for block in blocks(document) if block.mark == f"run by tests/acceptance/{HERE}"]


def _sent_to(server: Server, commands: str) -> str:
    """Commands for the server of the tests, which refused requests end; a study is waited for where curl submits it."""
    commands = commands.replace("localhost:8000", server.url).replace("curl -", "curl --fail-with-body -")
    commands = commands.replace('trials": 20, "epochs": 30', 'trials": 3, "epochs": 2')
    commands = commands.replace("trials: 20, epochs: 30", "trials: 3, epochs: 2")
    commands = re.sub(r"^regsweep serve .*\n", "", commands, flags=re.MULTILINE)
    commands = re.sub(
        r"^regsweep submit study.yaml.*\nregsweep watch NAME",
        "regsweep watch $(regsweep submit study.yaml)",
        commands,
        flags=re.MULTILINE,
    )
    return re.sub(
        r"^(curl .*/v1/studies -H .*\n.*\"name\": \"(\w+)\".*)$", r"\1\nregsweep watch \2", commands, flags=re.MULTILINE
    )
