"""The command line against the shared server: what is right is shown, what is wrong is one line and exit 2."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.acceptance.processes import House, Server
from tests.acceptance.studies import document, ended, file
from tests.service.commanding import Completed, run_command

pytestmark = pytest.mark.xdist_group("acceptance")


@pytest.fixture
def client(house: House, server: Server) -> House:
    """A house that knows the shared server."""
    house.environment["REGSWEEP_SERVER_URL"] = server.url
    return house


def here(client: House, *arguments: str) -> Completed:
    """Run a command that is refused in this process, which takes no time to start."""
    ours = {name: value for name, value in client.environment.items() if name.startswith("REGSWEEP_")}
    return run_command(*arguments, **ours, COLUMNS="120")


def test_a_study_is_submitted_watched_and_shown(client: House, server: Server, tmp_path: Path) -> None:
    submitted = client.run("submit", file(tmp_path, document("by hand", 3)))
    assert (submitted.returncode, submitted.stdout) == (0, "by hand\n")
    watched = client.run("watch", "by hand")
    assert watched.returncode == 0, watched.stderr
    assert "by hand is completed: 3 complete" in watched.stdout
    assert "3/3 trials" in watched.stdout
    following = "Next: regsweep compare 'by hand'   (which technique to use, and how sure)"
    assert watched.stdout.splitlines()[-1] == following
    assert ended(server.api, "by hand")["state"] == "completed"
    shown = client.run("show", "by hand")
    assert "Best trial:" in shown.stdout
    assert "Best of each regularizer kind" in shown.stdout
    assert shown.stdout.splitlines()[-1] == following
    listed = client.run("studies", "--server", server.url)
    assert listed.returncode == 0
    assert "by hand" in listed.stdout


@pytest.mark.parametrize(
    ("command", "text", "words"),
    [
        ("submit", "dataset: {kind: builtin, name: nowhere}", ["dataset.name", "'nowhere' is not known"]),
        ("run", "dataset: {kind: builtin, name: iris}\nspace: {dropout: 1.5}", ["space.dropout", "less than 1"]),
        ("run", "dataset: {kind: builtin, name: iris}\nsampler: {name: tpe, trees: 5}", ["sampler.trees", "option"]),
        ("submit", "dataset: [", ["is not YAML"]),
        ("run", "- iris", ["holds a list, not a study"]),
        ("submit", "", ["not a study"]),
        ("submit", "dataset: {kind: builtin, name: iris}\nbugdet: {trials: 3}", ["bugdet", "did you mean budget?"]),
    ],
)
def test_a_bad_study_file_is_one_line_and_exit_2(
    client: House, tmp_path: Path, command: str, text: str, words: list[str]
) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    refused = here(client, command, str(tmp_path / "bad.yaml"))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert all(word in refused.stderr for word in words), refused.stderr
    assert not (tmp_path / "regsweep.db").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "nowhere"), "no study named 'nowhere'"),
        (("watch", "nowhere"), "no study named 'nowhere'"),
        (("submit", "/nowhere.yaml"), "cannot read /nowhere.yaml"),
        (("run", "/nowhere.yaml"), "cannot read /nowhere.yaml"),
        (("studies", "--server", "http://127.0.0.1:9"), "no server at http://127.0.0.1:9"),
        (("serve", "--port", "99999"), "REGSWEEP_PORT"),
        (("serve", "--database-url", "nonsense"), "REGSWEEP_DATABASE_URL"),
        (("serve", "--host", "192.0.2.1", "--port", "0"), "cannot listen on 192.0.2.1:0"),
        (("worker", "--database-url", "nonsense"), "REGSWEEP_DATABASE_URL"),
        (("studies", "--server", "nonsense"), "nonsense"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(client: House, arguments: tuple[str, ...], words: str) -> None:
    refused = here(client, *arguments)
    assert refused.returncode == 2, refused.stderr
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert words in refused.stderr


def test_a_name_in_use_is_one_line_and_exit_2(client: House, ran: str, tmp_path: Path) -> None:
    refused = client.run("submit", file(tmp_path, document(ran)))
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        f"regsweep: a study named '{ran}' exists; choose another name or delete it first"
    ]


def test_a_taken_port_is_one_line_and_exit_2(client: House, server: Server) -> None:
    refused = client.run("serve", "--port", server.url.rpartition(":")[2])
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1), refused.stderr
    assert "choose another with --host and --port" in refused.stderr


def test_the_version_is_that_of_the_package() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "service.cli.main", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == version("regsweep")
