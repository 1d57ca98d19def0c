"""`regsweep run`: no server, the same study again goes on, and Ctrl-C leaves nobody behind."""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.storage.pagination import Sort
from service.storage.records import TrialRecord
from service.storage.states import StudyState
from service.storage.store import Store
from studies.study_file import parse
from tests.acceptance.polling import eventually
from tests.acceptance.processes import House
from tests.acceptance.studies import document, file, slow

pytestmark = pytest.mark.xdist_group("lifetimes")


def _trials(house: House, name: str) -> list[TrialRecord]:
    with closing(Store(house.database_url)) as store:
        return store.trials(name, (), Sort.parse("number"), 1000, None).items


def test_a_study_runs_alone_is_shown_again_and_compared_by_the_same_command(house: House, tmp_path: Path) -> None:
    # Whatever modules lie in the user's folder, Python's and ours are imported.
    for name in ("queue.py", "studies.py", "regsweep.py", "service/__init__.py"):
        module = tmp_path / name
        module.parent.mkdir(exist_ok=True)
        module.write_text("raise RuntimeError('the module of a user')\n")
    study = file(tmp_path, document("alone", 4))
    done = house.run("run", study, "--workers", "1", folder=tmp_path)
    assert done.returncode == 0
    new = f"regsweep: a new database is made: {tmp_path / 'regsweep.db'}\n"
    assert done.stderr == (new if house.database_url.startswith("sqlite") else done.stderr)
    assert "alone is completed: 4 complete" in done.stdout
    *_, where, report, model, page, following = done.stdout.splitlines()
    assert where.startswith("Database: ")
    assert report.startswith("Report:   regsweep report alone -o alone.html")
    assert model.startswith("Model:    regsweep model alone -o alone.keras")
    assert page.startswith("Page:     http://127.0.0.1:8000/studies/alone")
    assert following.startswith(f"Next: regsweep run {study} --compare ")
    assert house.everybody() == []
    before = [(trial.number, trial.value, trial.ended_at) for trial in _trials(house, "alone")]
    assert [number for number, *_ in before] == [0, 1, 2, 3]
    again = house.run("run", study, "--workers", "1")
    assert again.returncode == 0
    assert "alone is completed: 4 complete" in again.stdout
    assert [(trial.number, trial.value, trial.ended_at) for trial in _trials(house, "alone")] == before
    other = house.run("run", file(tmp_path, document("alone", 5)))
    assert (other.returncode, len(other.stderr.splitlines())) == (2, 2), other.stderr
    assert "regsweep: extend it: regsweep extend alone --trials 5" in other.stderr
    assert "another study is named 'alone'" in other.stderr
    _compares(house, tmp_path, document("alone", 4))


def test_the_demonstration_takes_a_free_name_and_leaves_nobody_behind(house: House, tmp_path: Path) -> None:
    with closing(Store(house.database_url)) as store:
        store.create_study(parse(document("alone", 4)))
        store.set_state("alone", StudyState.STOPPED)
    done = house.run("demo", file(tmp_path, document("alone", 4)), "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "Submitted alone 2 to http://127.0.0.1:" in done.stdout
    assert "alone 2 is completed: 4 complete" in done.stdout
    assert "/v1/studies/alone%202/report" in done.stdout
    assert [trial.state for trial in _trials(house, "alone 2")] == ["COMPLETE"] * 4
    assert house.everybody() == []


def test_ctrl_c_leaves_nobody_behind_and_the_same_command_runs_the_rest(house: House, tmp_path: Path) -> None:
    study = file(tmp_path, slow("interrupted", 7))
    running = house.start("run", study, "--workers", "2")
    eventually(lambda: (tmp_path / "regsweep.db").exists() and len(house.workers()) == 2)
    eventually(lambda: any(trial.state == "COMPLETE" for trial in _trials(house, "interrupted")))
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    assert house.everybody() == []
    done = house.run("run", study, "--workers", "1")
    assert done.returncode == 0, done.stderr
    trials = _trials(house, "interrupted")
    assert [(trial.number, trial.state, trial.attempt) for trial in trials] == [(n, "COMPLETE", 1) for n in range(7)]


def _compares(house: House, tmp_path: Path, alone: dict[str, Any]) -> None:
    """Compare a study that ran by the same command, and go on with the comparison that there is."""
    asked = {"techniques": ["none", "l2"], "trials_per_technique": 2, "repeats": 2, "folds": 2}
    asked |= {"cocktails": False, "racing": False, "deliver": "split"}
    before = [(trial.number, trial.ended_at) for trial in _trials(house, "alone")]
    compared = house.run("run", file(tmp_path, alone | {"comparison": asked}), "--workers", "1")
    assert compared.returncode == 0, compared.stderr
    assert "The answer: " in compared.stdout
    assert compared.stdout.splitlines()[-1].startswith("Next: regsweep report alone -o alone.html")
    assert [(trial.number, trial.ended_at) for trial in _trials(house, "alone")] == before
    confirmed = [(trial.number, trial.ended_at) for trial in _trials(house, "alone: confirmation")]
    assert len(confirmed) == 2 * 3
    # A comparison without a word of how goes on with the one that there is, one with other words does not.
    again = house.run("run", file(tmp_path, alone), "--compare", "--workers", "1")
    assert (again.returncode, "The answer: " in again.stdout) == (0, True), again.stderr
    assert [(trial.number, trial.ended_at) for trial in _trials(house, "alone: confirmation")] == confirmed
    other = house.run("run", file(tmp_path, alone | {"comparison": asked | {"folds": 3}}))
    assert (other.returncode, len(other.stderr.splitlines())) == (2, 1), other.stderr
    assert "study 'alone' has another comparison than this one, which is completed" in other.stderr
