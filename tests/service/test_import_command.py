"""`regsweep import` writes a study file that `validate` takes, or says why not and writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.service.commanding import Completed, run_command, study_file

SWEEP: dict[str, Any] = {
    "program": "train.py",
    "method": "random",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "parameters": {"dropout": {"min": 0.1, "max": 0.4}, "heads": {"value": 4}, "optim": {"values": ["adam", "sgd"]}},
    "run_cap": 3,
}
SAID = ("--leave-out", "heads", "--fix", "optim=sgd")
ROWS = [f"{n % 7},{n % 5},{'yes' if n % 3 else 'no'}" for n in range(60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "churn.csv").write_text("\n".join(["age,calls,churned", *ROWS]))
    study_file(tmp_path, SWEEP, "sweep.yaml")
    return tmp_path


def imported(folder: Path, *arguments: str, dataset: str | None = "breast_cancer") -> Completed:
    data = () if dataset is None else ("--dataset", dataset)
    sweep, output = str(folder / "sweep.yaml"), str(folder / "study.yaml")
    return run_command("import", "wandb", sweep, "-o", output, *data, *arguments)


def test_a_sweep_becomes_a_study_file_that_says_what_was_left_out_and_taken_otherwise(folder: Path) -> None:
    done = imported(folder, *SAID)
    assert done.returncode == 0, done.stderr
    text = (folder / "study.yaml").read_text()
    for line in ("left out: heads", "program: say how", "regularizer, patience: not in the file, so off"):
        assert f"regsweep: {line}" in done.stderr
        assert f"# {line}" in text
    study = yaml.safe_load(text)
    assert study["space"] == {"dropout": {"low": 0.1, "high": 0.4}, "regularizer": "none", "patience": None}
    assert (study["training"], study["budget"]) == ({"optimizer": {"name": "sgd"}}, {"trials": 3})
    assert run_command("validate", str(folder / "study.yaml")).returncode == 0


def test_a_file_is_the_data_and_its_target_is_guessed_or_named(folder: Path) -> None:
    done = imported(folder, *SAID, "--target", "churned", dataset=str(folder / "churn.csv"))
    assert done.returncode == 0, done.stderr
    study = yaml.safe_load((folder / "study.yaml").read_text())
    assert study["dataset"] == {
        "kind": "file",
        "path": "churn.csv",
        "name": "churn",
        "target": "churned",
    }
    assert run_command("validate", str(folder / "study.yaml")).returncode == 0


def test_a_refusal_names_each_part_and_the_ways_out_and_writes_nothing(folder: Path) -> None:
    done = imported(folder)
    assert done.returncode == 2
    first, second, ways, offered = done.stderr.splitlines()
    assert first.startswith("regsweep: heads: no hyperparameter here has this name")
    assert second.startswith("regsweep: optim: is searched there")
    assert all(option in ways for option in ("--leave-out", "--map", "--fix"))
    assert offered == "regsweep: For instance, add to the command: --leave-out heads --fix optim=adam"
    assert not (folder / "study.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "dataset", "said"),
    [
        ((), None, "--dataset: is missing; give a file of yours (with --target), or one of breast_cancer,"),
        ((), "nothing.csv", "there is no file nothing.csv"),
        (("--map", "heads"), "iris", "--map heads: write NAME=…"),
        (("--leave-out", "tails"), "iris", "--leave-out tails: there is no tails"),
        (("--fix", "optim=[a"), "iris", "--fix optim: "),
        ((*SAID, "--map", "dropout=epochs"), "iris", "regsweep: dropout: is searched there"),
        (SAID, "diabetes", "regsweep: metric: as objectives: val_accuracy is not defined for a regression task"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, arguments: tuple[str, ...], dataset: str | None, said: str) -> None:
    done = imported(folder, *arguments, dataset=dataset)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (folder / "study.yaml").exists()


@pytest.mark.parametrize(
    ("content", "said"), [("- a list", "not a sweep"), ("a: [", "is not YAML"), ("a: 1\na: 2", "stands twice")]
)
def test_what_is_no_sweep_is_refused(folder: Path, content: str, said: str) -> None:
    (folder / "sweep.yaml").write_text(content)
    done = imported(folder)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_file_that_exists_is_written_over_only_by_force(folder: Path) -> None:
    (folder / "study.yaml").write_text("mine")
    assert "write over it with --force" in imported(folder, *SAID).stderr
    assert (folder / "study.yaml").read_text() == "mine"
    assert imported(folder, *SAID, "--force").returncode == 0
