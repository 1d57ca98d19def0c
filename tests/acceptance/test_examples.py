"""The examples of docs/examples run as a person runs them, in an empty folder, and leave what they say and no more."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbformat import NotebookNode, read

from tests.acceptance.processes import House
from tests.example_notebooks import EXAMPLES, NOTEBOOKS, run

pytestmark = pytest.mark.slow

ANSWER = re.compile(r"^Use .*\nExpect val_loss .*\nWith a probability of ", re.MULTILINE)
MAX_BYTES = 40_000


@pytest.fixture
def place(tmp_path: Path) -> Iterator[House]:
    """An empty folder and an empty place for temporary files; both are left as an example leaves them."""
    house = House(tmp_path / "here")
    house.folder.mkdir()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    house.environment |= {
        "REGSWEEP_WORKERS": "1",
        "TMPDIR": str(temporary),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    try:
        yield house
        assert house.pids() == []
        assert list(temporary.iterdir()) == []
    finally:
        house.close()


def said(place: House, script: str, *arguments: str) -> str:
    """Run a script to its end; return what it prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *arguments],
        env=place.environment, cwd=place.folder, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not re.search(r"\w+Warning: ", done.stderr), done.stderr
    return done.stdout


def left(place: House) -> set[str]:
    return {file.name for file in place.folder.iterdir()}


def numbers(text: str, pattern: str) -> list[float]:
    """The numbers that a pattern finds in a text, in its order."""
    return [float(found) for found in re.findall(pattern, text)]


def test_an_own_keras_model_is_compared_and_kept(place: House) -> None:
    text = said(place, "own_keras_model.py")
    assert ANSWER.search(text), text
    assert set(re.findall(r"^(\w+) +val_loss 0\.\d+ on the folds", text, re.MULTILINE)) == {"none", "l2", "dropout"}
    assert numbers(text, r"([\d.]+)% of 171 tumours")[0] > 85
    assert left(place) == {"own_keras_model.keras"}


def test_digits_are_read_and_each_rate_of_dropout_has_a_loss_of_its_own(place: House) -> None:
    text = said(place, "images.py")
    assert ANSWER.search(text), text
    assert len(set(numbers(text, r"dropout [\d.]+: val_loss ([\d.]+)"))) == 3
    assert numbers(text, r"([\d.]+)% of the 1,297 other digits")[0] > 80
    assert left(place) == {"report.html"}


def test_keras_tuner_and_the_call_that_replaces_it_are_judged_by_the_same_rows(place: House) -> None:
    text = said(place, "from_keras_tuner.py")
    accuracies = dict(re.findall(r"^(\w+) +log loss [\d.]+, accuracy ([\d.]+)%", text, re.MULTILINE))
    assert set(accuracies) == {"KerasTuner", "regsweep"}
    assert min(map(float, accuracies.values())) > 80
    assert ANSWER.search(text), text
    assert left(place) == set()


def test_optuna_and_the_call_that_replaces_it_are_judged_by_the_same_rows(place: House) -> None:
    text = said(place, "from_optuna.py")
    rows = re.findall(r"^(Optuna|regsweep), \d+ trials +([\d.]+) +([\d.]+) +(\d+)%", text, re.MULTILINE)
    (theirs, their_value, their_error, their_zeros), (ours, value, error, zeros) = rows
    assert (theirs, ours) == ("Optuna", "regsweep")
    assert max(float(their_value), float(value)) < 1  # of y's variance: what a constant leaves
    assert max(float(their_error), float(error)) < 77  # the standard deviation of y
    assert int(their_zeros) == 0 < int(zeros)
    assert left(place) == set()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium here draws")
def test_the_lesson_shows_what_its_page_says_and_its_figures_are_drawn(place: House) -> None:
    del place.environment["TMPDIR"]  # too long for Chromium's socket
    text = said(place, "../building/lesson_figures.py", "figures")  # runs the example, then draws what it left
    rows = re.findall(
        r"^(\w.*?)  +([\d.]+) +([\d.]+) +(-?[\d.]+) +(\d+)% +([\d.]+) +(\d+) +([\d.]+)$", text, re.MULTILINE
    )
    rows_of = {label: [float(number) for number in numbers] for label, *numbers in rows}
    train, val, gap, _, norm, _, penalized = rows_of.pop("none")
    assert train < 0.1  # it has learned its rows by heart
    assert val == penalized > 0.7
    for label, (_, their_val, their_gap, zeros, their_norm, epochs, their_penalized) in rows_of.items():
        assert their_val < val - 0.15, label
        assert their_gap < gap / 2, label
        assert their_norm < norm, label
        assert (zeros > 0) == ("L1" in label or "elastic" in label), label
        assert (epochs < 150) == ("early" in label), label
        assert (their_penalized > their_val) == ("λ" in label), label
    penalties = [numbers for label, numbers in rows_of.items() if "λ" in label and "dropout" not in label]
    assert max(numbers[1] for numbers in penalties) < rows_of["dropout 0.3"][1]  # and Keras' number says the contrary
    assert min(numbers[-1] for numbers in penalties) > rows_of["dropout 0.3"][-1]
    assert left(place) == {"lesson", "figures"}
    kept = {file.name for file in (EXAMPLES.parent / "images").glob("lesson_*.svg")}
    assert {file.name for file in (place.folder / "figures").iterdir()} == kept
    assert all(file.stat().st_size < 100_000 for file in (place.folder / "figures").iterdir())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_again_what_is_kept_in_it(place: House, path: Path) -> None:
    kept = read(path, as_version=4)
    ran = run(path, place.folder, place.environment)
    for before, now in zip(code_cells(kept), code_cells(ran), strict=True):
        assert kinds(now) == kinds(before), now.source
        if "exact" in before.metadata.get("tags", ()):  # which no processor's rounding changes
            assert texts(now) == texts(before)
    written = {"csv_to_predictions": {"bills.csv", "new_bills.csv", "tips.zip"}}.get(path.stem, set())
    assert left(place) == written
    if path.stem == "feature_selection":
        columns, noise, _ = texts(code_cells(ran)[-1])[0].splitlines()
        assert columns.startswith("kept: bmi")
        assert noise == "noise among it: []"


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell: NotebookNode) -> list[tuple[str, ...]]:
    """What a cell puts out, without what it says."""
    return [(output.output_type, output.get("name", ""), *sorted(output.get("data", ()))) for output in cell.outputs]


def texts(cell: NotebookNode) -> list[str]:
    return [output.get("text") or output.data["text/plain"] for output in cell.outputs]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_kept_notebook_is_small_and_says_nothing_of_the_machine_that_ran_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < MAX_BYTES
    assert "outputs" in text
    assert not re.search(r"stderr|Warning|/(home|root|tmp|work|usr)/", text)
    assert not re.search(rf"\b{re.escape(os.uname().nodename)}\b", text)


def test_the_folder_names_each_of_its_examples() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = {file.name for file in EXAMPLES.iterdir()} - {"README.md"}
    assert set(re.findall(r"^\| \[`(.+?)`\]\(\1\) \|", table, re.MULTILINE)) == files
