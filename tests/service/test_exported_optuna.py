"""A study as a file of its own: Optuna opens it, and it says what the API says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

import httpx
import optuna
import pytest
from optuna.trial import TrialState

from service.local import LocalStudies
from service.storage import optuna_file
from service.storage.artifacts import Artifacts
from service.storage.store import Store
from service.views.trials import trial_view
from studies.spec.study import StudySpec
from tests.service.commanding import run_command
from tests.service.conftest import settings_in
from tests.service.contenders import sweep_here
from tests.service.documents import study
from tests.service.ledgers import ledger, opened, optunas, run, shown
from tests.service.meddling import CHANGING, LOSING, Meddler, meddle

PRUNED = {"name": "median", "n_startup_trials": 2}


@contextmanager
def loaded(content: bytes, folder: Path, name: str = "iris") -> Iterator[optuna.Study]:
    """The study of a file, as a notebook loads it."""
    path = folder / "study.db"
    path.write_bytes(content)
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    try:
        yield optuna.load_study(study_name=name, storage=storage)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def swept(store: Store, folder: Path, spec: StudySpec) -> None:
    store.create_study(spec)
    sweep_here(store, folder, spec.name or "")


def test_optuna_has_every_trial_as_the_api_has_it(store: Store, folder: Path, tmp_path: Path) -> None:
    swept(store, folder, study(trials=9, pruner=PRUNED))
    store.mark_invalid("iris", 1, "a fault", None)
    with loaded(optuna_file.write(store, "iris"), tmp_path) as theirs:
        assert theirs.direction == optuna.study.StudyDirection.MINIMIZE
        assert theirs.user_attrs["batch_size"] == 32
        assert theirs.best_trial.number == store.best(store.study("iris"))[0].number
        trials = theirs.trials
        assert len(theirs.trials_dataframe()) == 9
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    for trial, drawn in zip(trials, shown(store), strict=True):
        view = trial_view(store.trial("iris", trial.number))
        assert (trial.state.name, trial.values) == (view.state, view.values)
        assert (trial.params, trial.distributions) == (drawn.params, drawn.distributions)
        times = [None if at is None else at.astimezone(UTC) for at in (trial.datetime_start, trial.datetime_complete)]
        assert times == [view.started_at, view.ended_at]
        curve = store.curve(store.trial("iris", trial.number))
        assert curve is not None
        assert trial.intermediate_values == dict(zip(curve["epoch"], curve["val_loss"], strict=True))
        assert trial.user_attrs["val_accuracy"] == view.metrics["val_accuracy"]
        assert (trial.user_attrs["l2_norm"], trial.user_attrs["epochs"]) == (view.weights["l2_norm"], view.epochs)
    assert "a fault" in trials[1].user_attrs["reason"]


def test_several_objectives_have_the_same_front(store: Store, folder: Path, tmp_path: Path) -> None:
    swept(store, folder, study(trials=9, objectives=["val_accuracy", "epochs"]))
    with loaded(optuna_file.write(store, "iris"), tmp_path) as theirs:
        assert [direction.name for direction in theirs.directions] == ["MAXIMIZE", "MINIMIZE"]
        assert theirs.metric_names == ["val_accuracy", "epochs"]
        front = {trial.number for trial in store.best(store.study("iris"))}
        assert front <= {trial.number for trial in theirs.best_trials}  # ours shows one of those that tie


def test_of_folds_the_intermediate_values_are_what_the_pruner_saw(store: Store, folder: Path, tmp_path: Path) -> None:
    swept(store, folder, study(trials=2, resampling={"kind": "kfold", "folds": 4}))
    with loaded(optuna_file.write(store, "iris"), tmp_path) as theirs:
        for trial, ours in zip(theirs.trials, shown(store), strict=True):
            assert trial.intermediate_values == ours.intermediate_values
            assert set(trial.intermediate_values) == {1, 2, 3, 4}


def test_a_study_that_runs_is_written_as_it_is_and_goes_on_in_optuna(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    spec = study()
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    run(book, spec, 0.5)
    opened(book, spec)
    with loaded(optuna_file.write(store, "iris"), tmp_path) as theirs:
        assert [trial.state for trial in theirs.trials] == [TrialState.COMPLETE, TrialState.RUNNING]
        assert theirs.trials[0].intermediate_values == {
            1: 1.5,
            2: 1.0,
            3: 0.5 + 1 / 3,
        }  # its curve: it reported nothing
        theirs.optimize(lambda trial: trial.suggest_float("dropout", 0.0, 0.5), n_trials=2)
        assert [trial.number for trial in theirs.trials] == [0, 1, 2, 3]
    assert len(shown(store)) == 2


@pytest.mark.parametrize("meddler", [*LOSING, *CHANGING], ids=lambda meddler: meddler.__name__)
def test_what_other_programs_did_to_optunas_tables_is_not_in_it(
    store: Store, database: Path, folder: Path, tmp_path: Path, meddler: Meddler
) -> None:
    spec = study()
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    for value in (0.5, 0.4):
        run(book, spec, value)
    opened(book, spec)
    meddle(store.url, meddler, "iris")
    with loaded(optuna_file.write(store, "iris"), tmp_path) as theirs:
        assert [(trial.state.name, trial.values) for trial in theirs.trials] == [
            ("COMPLETE", [0.5]), ("COMPLETE", [0.4]), ("RUNNING", None),
        ]  # fmt: skip
        assert theirs.best_trial.number == 1
        assert all(trial.distributions == spec.space.distributions() for trial in theirs.trials)


def test_trials_of_others_between_ours_leave_no_gap(store: Store, folder: Path, tmp_path: Path) -> None:
    spec = study()
    store.create_study(spec)
    run(ledger(store, folder, "iris"), spec, 0.5)
    with optunas(store.url) as storage:
        optuna.load_study(study_name="iris", storage=storage).add_trial(optuna.create_trial(value=-1000.0))
    book = ledger(store, folder, "iris")
    assert run(book, spec, 0.4) == 2
    with loaded(optuna_file.write(store, "iris"), tmp_path) as theirs:
        assert [(trial.number, trial.state.name) for trial in theirs.trials] == [
            (0, "COMPLETE"), (1, "FAIL"), (2, "COMPLETE"),
        ]  # fmt: skip


def test_the_command_writes_the_same_with_a_server_and_without(
    api: httpx.Client, store: Store, folder: Path, tmp_path: Path
) -> None:
    swept(store, folder, study(trials=3))
    written = []
    for place in ({"REGSWEEP_SERVER_URL": str(api.base_url)}, {"REGSWEEP_DATABASE_URL": store.url}):
        done = run_command("export", "optuna", "iris", "-o", str(tmp_path / "out.db"), **place)
        assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'out.db'}\n"), done.stderr
        with loaded((tmp_path / "out.db").read_bytes(), tmp_path) as theirs:
            written.append(theirs.trials)
        again = run_command("export", "optuna", "iris", "-o", str(tmp_path / "out.db"), **place)
        assert (again.returncode, "is a database, which is not written over" in again.stderr) == (2, True)
        (tmp_path / "out.db").unlink()
    assert written[0] == written[1]
    assert LocalStudies(store, Artifacts(f"file://{folder}"), settings_in(tmp_path)).best("iris")[0].number in {
        trial.number for trial in written[0]
    }
    lost = run_command("export", "optuna", "none", REGSWEEP_DATABASE_URL=store.url)
    assert (lost.returncode, lost.stderr) == (2, "regsweep: there is no study named 'none'\n")
