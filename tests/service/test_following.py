"""Who follows a study sees what happens: drawn in a terminal, in lines elsewhere; and no wait lasts for ever."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from service.child_process import regsweep_command
from service.cli import following
from service.storage.states import StudyState
from service.storage.store import Store
from studies.datasets.preprocessing import PreparedData
from studies.training.result import Job, OnEpoch, Trained
from tests.service.commanding import Completed, run_command
from tests.service.comparing import compared_study, train
from tests.service.documents import study
from tests.service.ledgers import ledger
from tests.service.ledgers import run as run_trial
from tests.service.working import working

LONG = "a study with a name of a hundred letters " + 59 * "x"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def _watch(store: Store, folder: Path, name: str, *flags: str) -> Completed:
    """Follow a study of the database, with the output in a pipe."""
    return run_command(
        "watch", name, *flags, REGSWEEP_DATABASE_URL=store.url, REGSWEEP_ARTIFACTS_URL=f"file://{folder}"
    )


def test_a_pipe_gets_a_line_for_a_change_and_no_name_is_cut(store: Store, folder: Path) -> None:
    store.create_study(compared_study(name=LONG))
    with working(store, folder, train):
        watched = _watch(store, folder, LONG)
    assert watched.returncode == 0, watched.stderr
    assert not CONTROL.search(watched.stdout)
    assert "…" not in watched.stdout
    followed = [line for line in watched.stdout.splitlines() if line.startswith(f"{LONG}: ")]
    assert followed[-1].startswith(f"{LONG}: completed, ")
    assert len(set(followed)) == len(followed)
    assert f"Next: regsweep report '{LONG}' -o '{LONG}.html'" in watched.stdout


def test_a_stopped_study_gives_1_and_shows_how_much_of_its_budget_ran(store: Store, folder: Path) -> None:
    store.create_study(study(trials=9))
    worker = ledger(store, folder, "iris")
    for _ in range(2):
        run_trial(worker, study(trials=9))
    store.set_state("iris", StudyState.STOPPED)
    watched = _watch(store, folder, "iris")
    assert (watched.returncode, watched.stdout.splitlines()[0]) == (
        1,
        "iris: stopped, 2/9 trials, best val_loss 0.5 (trial 0)",
    )
    listed = run_command("studies", REGSWEEP_DATABASE_URL=store.url).stdout
    assert re.search(r"iris +stopped +2/9 +2/2 ", listed), listed
    assert json.loads(_watch(store, folder, "iris", "--json").stdout)["progress"]["complete"] == 2


def test_no_one_waits_for_workers_that_are_not_there(
    api: httpx.Client, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_PATIENCE_SECONDS", 0.2)
    store.create_study(study())
    for watched in (
        _watch(store, folder, "iris"),
        run_command("watch", "iris", REGSWEEP_SERVER_URL=str(api.base_url).rstrip("/")),
    ):
        assert watched.returncode == 1
        assert watched.stdout.splitlines() == ["iris: waiting, for no worker is running, 0/4 trials"]
        assert watched.stderr.startswith("regsweep: 'iris' waits and no worker is running; start one with ")


def test_a_server_s_events_are_followed_to_the_end(api: httpx.Client, store: Store, folder: Path) -> None:
    store.create_study(compared_study())
    with working(store, folder, train):
        watched = run_command("watch", "iris", REGSWEEP_SERVER_URL=str(api.base_url).rstrip("/"))
    assert watched.returncode == 0, watched.stderr
    assert "The answer: L1" in watched.stdout
    assert f"Page:     {str(api.base_url).rstrip('/')}/studies/iris" in watched.stdout.splitlines()


def test_a_terminal_is_drawn_on_while_a_study_runs(store: Store, folder: Path) -> None:
    store.create_study(compared_study())
    seen = threading.Event()

    def wait_to_be_seen(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        assert seen.wait(60)
        return train(job, data, on_epoch)

    with working(store, folder, wait_to_be_seen):
        status, drawn = _in_terminal(store, folder, until="search 0/", then=seen)
    assert status == 0, drawn
    assert "\x1b[" in drawn  # the cursor moves
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
    for words in ("iris: search 0/", "━", "0/", " trials", "technique", "no regularization", "The answer: L1"):
        assert words in shown
    assert "Next: regsweep report iris -o iris.html" in shown


def _in_terminal(store: Store, folder: Path, until: str, then: threading.Event) -> tuple[int, str]:
    """Watch the study iris in a terminal of 100 columns; set an event when a text is drawn."""
    screen, terminal = pty.openpty()
    settings = {"REGSWEEP_DATABASE_URL": store.url, "REGSWEEP_ARTIFACTS_URL": f"file://{folder}"}
    environment = os.environ | settings | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    command = regsweep_command("watch", "iris")
    drawn = b""
    with subprocess.Popen(command, env=environment, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        with closing(os.fdopen(screen, "rb", buffering=0)) as output:
            try:
                while part := output.read(4096):
                    drawn += part
                    if until.encode() in drawn:
                        then.set()
            except OSError:  # as Linux says that nobody writes any more
                pass
            finally:
                then.set()
    return process.returncode, drawn.decode()
