"""What the command line shows of a study fits 80 columns, says the answer first, and ends with the next step."""

from __future__ import annotations

import io
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import stdev
from typing import Any

import httpx
import pytest
from rich.console import Console

from service.cli.following import follow
from service.cli.listings import show_studies
from service.cli.looking import Look
from service.cli.next_step import next_step, next_step_here, whereabouts
from service.cli.source import Source, database_flags, server_flag
from service.cli.terminal import show_study
from service.cli.terminal_comparison import show_comparison
from service.local import LocalStudies
from service.schemas.comparisons import ComparisonView
from service.schemas.studies import StudyView
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.store import Store
from studies.analysis.labels import duration, label, number
from tests.service.commanding import regsweep
from tests.service.comparing import ASKED, serving_compared, sweep_as_worker
from tests.service.documents import document

COCKTAIL = "elastic_net+dropout+early_stopping"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyView, ComparisonView]:
    """A study and its comparison as the API shows them at their end."""
    with serving_compared(tmp_path_factory.mktemp("shown")) as api:
        study, comparison = (api.get(f"/v1/studies/iris{path}").json() for path in ("", "/comparison"))
    return StudyView.model_validate(study), ComparisonView.model_validate(comparison)


def test_a_best_trial_of_several_trainings_shows_how_far_they_differ(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    api.post("/v1/studies", json=document(trials=2, resampling={"kind": "kfold", "folds": 3})).raise_for_status()
    sweep_as_worker(store, folder, "iris")
    best = api.get("/v1/studies/iris").json()["best"]
    folds = store.detail(store.trial("iris", best["number"])) or {}
    assert best["deviation"] == pytest.approx(stdev(fold["metrics"]["val_loss"] for fold in folds["folds"]))
    shown = regsweep(str(api.base_url).rstrip("/"), "show", "iris").stdout
    assert f"val_loss {number(best['value'])} ± {number(best['deviation'], 2)} over 3 trainings" in shown


def _console() -> Console:
    return Console(file=io.StringIO(), width=80)


def _lines(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def _with_cocktail(comparison: ComparisonView) -> ComparisonView:
    """The same, recommended a technique of the longest name, with what its parts are worth."""
    found: dict[str, Any] = comparison.model_dump(mode="json")
    result = found["result"]
    chosen = next(row for row in result["techniques"] if row["technique"] == "l1")
    chosen |= {"technique": COCKTAIL, "raced_out": True, "epochs": 1234.5, "test_objective": 0.123456}
    chosen["expected"] = {"mean": 0.123456, "low": 0.0123456, "high": 1.23456}
    worth = {"mean": 0.0123, "low": -0.0012, "high": 0.0234}
    part = {"part": "early_stopping", "without": "elastic_net+dropout", "worth": worth, "probability": 0.93}
    result["recommendation"] |= {"technique": COCKTAIL, "contributions": [part], "warnings": ["The data is small."]}
    return ComparisonView.model_validate(found)


def test_the_answer_comes_before_the_table_and_warnings_after_it(compared: tuple[StudyView, ComparisonView]) -> None:
    console, shown = _console(), _with_cocktail(compared[1])
    show_comparison(console, shown)
    assert shown.result is not None
    text, answer = " ".join(" ".join(_lines(console)).split()), shown.result.recommendation
    places = [
        text.index(" ".join(words.split()))
        for words in (
            f"The answer: {label(COCKTAIL)}, {answer.verdict}", *answer.lines, "Techniques by val_loss",
            "early stopping is worth +0.012 (-0.0012 to +0.023), helps with a probability of 93%",
            answer.evidence, "The data is small.",
        )
    ]  # fmt: skip
    assert places == sorted(places)


def test_the_table_of_candidates_fits_80_columns_whatever_they_are_called(
    compared: tuple[StudyView, ComparisonView],
) -> None:
    console, shown = _console(), _with_cocktail(compared[1])
    show_comparison(console, shown)
    lines = _lines(console)
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    [heads] = [line for line in lines if line.split()[:2] == ["technique", "expected"]]
    assert heads.split()[1:] == ["expected", "95", "%", "best", "test", "gap", "zeros", "epochs"]
    [none] = [line for line in lines if line.strip().startswith("no regularization") and "%" in line]
    assert none.split()[-1] == "1"


def test_a_listing_shows_all_trials_and_fits_and_the_state_of_a_comparison_that_goes_on(
    compared: tuple[StudyView, ComparisonView],
) -> None:
    ended = compared[0]
    overall = ended.overall.model_copy(update={"fits_done": 7, "fits": 12345, "done": 5, "seconds_left": 5400.0})
    assert ended.comparison is not None
    going_on = ended.model_copy(
        update={"comparison": ended.comparison.model_copy(update={"state": "confirming"}), "overall": overall}
    )
    console = _console()
    show_studies(console, [ended.model_copy(update={"name": "x" * 100}), going_on])
    lines = _lines(console)
    assert max(map(len, lines)) <= 80
    [line] = [line for line in lines if line.strip().startswith("iris")]
    assert line.split()[1:6] == ["confirming", f"5/{overall.trials}", "7/12345", "1.5", "h"]
    show_study(console := _console(), going_on, [], [])
    said = f"Its comparison is confirming; in all 5 of {overall.trials} trials, 7 of 12345 fits, 1.5 h left"
    assert said in " ".join(" ".join(_lines(console)).split())


def test_a_study_that_was_stopped_before_any_trial_says_none(compared: tuple[StudyView, ComparisonView]) -> None:
    nothing = dict.fromkeys(("complete", "pruned", "failed", "running", "waiting"), 0)
    stopped = compared[0].model_copy(update={"progress": compared[0].progress.model_copy(update=nothing)})
    show_study(console := _console(), stopped, [], [])
    assert f": none of {stopped.progress.trials} trials" in _lines(console)[0]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59, "59 s"), (90, "2 min"), (3600, "1.0 h"), (9000, "2.5 h"), (86_400 * 2.5, "2.5 days")],
)
def test_a_time_is_said_in_the_unit_that_suits_it(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def _study(whole: StudyView, comparison: str | None = "completed", **changes: Any) -> StudyView:
    asked = None if comparison is None else {"state": comparison, "techniques": ASKED["techniques"]}
    return StudyView.model_validate(whole.model_dump(mode="json") | {"comparison": asked} | changes)


UPLOADED = {"dataset": {"kind": "uploaded", "name": "churn"}}
NOTHING = {"trials": 4, "complete": 0, "pruned": 0, "failed": 4, "running": 0, "waiting": 0}


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({"comparison": None}, "regsweep compare iris   (which technique to use, and how sure)"),
        (
            {"comparison": None, "name": "my iris"},
            "regsweep compare 'my iris'   (which technique to use, and how sure)",
        ),
        ({"comparison": None, "state": "running"}, "regsweep watch iris"),
        ({"state": "paused"}, "regsweep resume iris"),
        ({"comparison": "confirming"}, "regsweep watch iris"),
        ({}, "regsweep report iris -o iris.html"),
        ({"name": "a b"}, "regsweep report 'a b' -o 'a b.html'"),
        ({"spec": UPLOADED, "name": "a b"}, "regsweep export 'a b' --technique recommended -o 'a b.zip'"),
        ({"spec": UPLOADED, "comparison": "stopped"}, "regsweep report iris -o iris.html"),
        (
            {"comparison": None, "state": "failed", "progress": NOTHING},
            "regsweep delete iris   (then submit it changed, for no trial is complete)",
        ),
    ],
)
def test_the_next_step_is_what_can_be_done_now(
    compared: tuple[StudyView, ComparisonView], changes: dict[str, Any], command: str
) -> None:
    assert next_step(_study(compared[0], **changes)) == f"Next: {command}"


def test_the_next_step_names_the_server_that_the_user_has_named(compared: tuple[StudyView, ComparisonView]) -> None:
    line = next_step(compared[0], server_flag("http://elsewhere:8000"))
    assert shlex.split(line)[1:] == [
        "regsweep", "report", "iris", "-o", "iris.html", "--server", "http://elsewhere:8000",
    ]  # fmt: skip


def test_what_ran_without_a_server_says_where_its_results_are_and_how_to_go_on(
    compared: tuple[StudyView, ComparisonView], store: Store, folder: Path
) -> None:
    settings = Settings(database_url="postgresql+psycopg://me:secret@here/db", workers=0)
    run, flags = "regsweep run 'a study.yaml'", database_flags(settings)
    flag = "--database-url 'postgresql+psycopg://me:***@here/db'"
    alone = next_step_here(_study(compared[0], None), flags, run)
    assert alone == f"Next: {run} --compare {flag}   (which technique to use, and how sure)"
    assert next_step_here(compared[0], "", run) == "Next: regsweep report iris -o iris.html"
    places = Source(LocalStudies(store, Artifacts(f"file://{folder}"), settings), None, settings, flags)
    assert whereabouts(_study(compared[0], name="a b"), places) == [
        "Database: postgresql+psycopg://me:***@here/db",
        f"Report:   regsweep report 'a b' -o 'a b.html' {flag}",
        f"Model:    regsweep model 'a b' --technique recommended -o 'a b.keras' {flag}",
        f"Page:     http://127.0.0.1:8000/studies/a%20b   (while `regsweep serve {flag}` runs)",
    ]


def test_a_study_that_never_was_compared_is_shown_without_a_comparison(
    compared: tuple[StudyView, ComparisonView],
) -> None:
    show_study(console := _console(), _study(compared[0], None, spec=compared[0].spec | document()), [], [])
    assert not any("comparison" in line for line in _lines(console))


class _Interrupting:
    """Is interrupted while Python collects it, where an exception goes nowhere."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_ends_the_following_wherever_it_reaches_python(
    compared: tuple[StudyView, ComparisonView], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    running = compared[0].model_copy(update={"state": "running"})

    def looks() -> Iterator[StudyView]:
        yield running
        _Interrupting()
        yield running

    read = looks()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        follow(_console(), lambda: Look(next(read)))
    assert signal.getsignal(signal.SIGINT) is before
