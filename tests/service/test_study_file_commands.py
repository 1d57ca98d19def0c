"""`init` writes a study file that is one, whatever the columns are called; `validate` checks one and runs nothing."""

from __future__ import annotations

import csv
import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.cli.compare import describe
from service.errors import NameInUseError
from service.resuming import begin_or_resume, other_than_asked
from service.storage.store import Store
from service.views.studies import one_study_view
from studies.spec.study import StudySpec
from studies.study_file import read_document
from tests.service.commanding import run_command, study_file
from tests.service.documents import document, study

HEAD = ["id", "age", "city", "ja: nein", "#1", "nu\nll", "joined", "Ende"]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose names are hard to write in YAML, in the folder that commands run in."""
    monkeypatch.chdir(tmp_path)
    with Path("kunden müll.csv").open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(HEAD)
        for i in range(60):
            city = ["Köln", "Ulm: \x1b[31m", "#Bonn"][i % 3]
            writer.writerow([f"c{i:04}", 20 + i, city, i % 2, i % 7, i % 5, f"2020-01-{1 + i % 28:02}", "ab"[i % 2]])
    return Path("kunden müll.csv")


def test_a_written_study_file_is_valid_as_it_is_and_with_its_columns_uncommented(file: Path) -> None:
    written = run_command("init", str(file))
    assert (written.returncode, written.stdout) == (0, "study.yaml\n"), written.stderr
    assert "regsweep: the target is taken to be 'Ende'; name another with --target" in written.stderr
    text = Path("study.yaml").read_text(encoding="utf-8")
    assert read_document(Path("study.yaml"))["dataset"] == {
        "kind": "file", "path": "kunden müll.csv", "target": "Ende",
    }  # fmt: skip
    assert run_command("validate", "study.yaml").returncode == 0
    uncommented = re.sub(r"^  # (columns:|  \S.* # .*)$", r"  \1", text, flags=re.MULTILINE)
    columns = yaml.safe_load(uncommented)["dataset"]["columns"]
    kinds = ["ignore", "number", "category", "number", "number", "number", "date"]
    assert columns == dict(zip(HEAD[:-1], kinds, strict=True))
    Path("study.yaml").write_text(uncommented, encoding="utf-8")
    assert run_command("validate", "study.yaml").returncode == 0
    assert not Path("data").exists()


def test_a_study_file_is_not_written_over_unless_it_is_forced(file: Path) -> None:
    Path("study.yaml").write_text("mine")
    refused = run_command("init", str(file), "--target", "age")
    assert (refused.returncode, Path("study.yaml").read_text()) == (2, "mine")
    assert refused.stderr == "regsweep: study.yaml exists; name another with -o, or write over it with --force\n"
    assert run_command("init", str(file), "--target", "age", "--force").returncode == 0
    assert read_document(Path("study.yaml"))["dataset"]["target"] == "age"
    assert run_command("init", str(file), "--target", "nothing", "-o", "other.yaml").returncode == 2
    assert not Path("other.yaml").exists()
    refused = run_command("init", str(file), "-o", "missing/study.yaml")
    assert refused.stderr == "regsweep: there is no folder missing; make it first, or name another file with -o\n"


def test_a_valid_study_says_what_it_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    warned = document(trials=30, pruner={"name": "median", "n_startup_trials": 100})
    checked = run_command("validate", study_file(tmp_path, warned), "--compare")
    assert checked.returncode == 0, checked.stderr
    assert checked.stderr.startswith("regsweep: warning: pruner.n_startup_trials: ")
    lines = checked.stdout.splitlines()
    assert lines[0] == "This is a valid study: iris"
    assert "Search: 30 trials of at most 3 epochs by random, for val_loss" in lines
    assert any(line.startswith("Comparison: no regularization, L1, ") for line in lines)
    as_json = json.loads(run_command("validate", study_file(tmp_path, warned), "--json").stdout)
    assert (as_json["trials"], as_json["name_is_free"]) == (33, True)  # and three with other seeds
    assert not Path("data").exists()


def test_a_study_whose_name_is_taken_says_whether_run_goes_on_with_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    with closing(Store(url)) as store:
        begin_or_resume(store, study(comparison={"techniques": ["none", "l1"]}))

    def last_line(**changes: Any) -> str:
        checked = run_command("validate", study_file(tmp_path, document(**changes)), "--database-url", url)
        assert checked.returncode == 0, checked.stderr
        return checked.stdout.splitlines()[-1]

    goes_on = "A study named 'iris' exists here: `regsweep run` goes on with it"
    assert (last_line(), last_line(comparison={})) == (goes_on, goes_on)
    assert last_line(comparison={"techniques": ["none", "l2"]}) == (
        "`regsweep run` refuses it: study 'iris' has another comparison than this one, which is searching; leave "
        "`comparison` as it was, or choose another name"
    )
    assert last_line(trials=9) == (
        "`regsweep run` refuses it: another study is named 'iris' and differs: budget.trials: 4 there, 9 here; to go "
        "on with it, extend it to 9 trials, or choose another name"
    )
    assert last_line(trials=3) == f"{goes_on}; it has 4 trials, where 3 are asked for"


def test_run_of_a_file_that_asks_for_more_says_what_to_paste(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    with closing(Store(url)) as store:
        begin_or_resume(store, study(name="wein daten", trials=20))
    flags = ("--database-url", url)
    refused = run_command("run", study_file(tmp_path, document(name="wein daten", trials=30)), *flags)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1] == (
        f"regsweep: extend it: regsweep extend 'wein daten' --trials 30 --database-url {url}"
    )
    assert run_command("extend", "wein daten", "--trials", "30", *flags).returncode == 0
    with closing(Store(url)) as store:
        assert begin_or_resume(store, study(name="wein daten", trials=30)) == "wein daten"


def test_a_study_whose_most_workers_were_changed_goes_on_by_its_own_file(store: Store) -> None:
    asked = study()
    begin_or_resume(store, asked)
    assert other_than_asked(store.study("iris"), asked) == ""
    store.change("iris", max_workers=2)
    assert begin_or_resume(store, asked) == "iris"
    assert other_than_asked(store.study("iris"), asked) == "has max_workers 2, where no max_workers is asked for"
    assert describe(document(), one_study_view(store, store.study("iris")), Path()) == asked
    begin_or_resume(store, study("fixed", reproducible=True, max_workers=3))
    with pytest.raises(NameInUseError, match=r"differs: max_workers: 3 there, null here"):
        begin_or_resume(store, study("fixed", reproducible=True))


def test_a_study_that_was_extended_goes_on_by_its_own_file(store: Store) -> None:
    def asked(trials: int, seconds: float | None) -> StudySpec:
        return study(budget={"trials": trials, "epochs": 3, "timeout_seconds": seconds})

    begin_or_resume(store, asked(4, 60))
    store.change("iris", budget={"trials": 9, "timeout_seconds": 90})
    assert begin_or_resume(store, asked(4, 60)) == begin_or_resume(store, asked(9, 90)) == "iris"
    assert other_than_asked(store.study("iris"), asked(4, 60)) == (
        "has 9 trials, where 4 are asked for and 90 seconds, where 60 are asked for"
    )
    with pytest.raises(NameInUseError, match=r"differs: budget\.timeout_seconds: 90\.0 there, null here; ") as refused:
        begin_or_resume(store, asked(4, None))
    assert refused.value.extension == " --timeout-seconds inf"
    assert store.study("iris").parsed_spec.budget.trials == 9


def test_an_invalid_study_is_a_line_for_each_wrong_field(tmp_path: Path) -> None:
    wrong = document(objectives=["val_lost"], model={"kind": "mlp", "hidden_units": [0]})
    refused = run_command("validate", study_file(tmp_path, wrong))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert [line.split(":")[1].strip() for line in refused.stderr.splitlines()] == [
        "model.hidden_units.0", "objectives.0",
    ]  # fmt: skip
