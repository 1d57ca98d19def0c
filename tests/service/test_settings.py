"""Settings come from the environment or from a file that it names, and reach child processes as they are."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from pydantic_settings import SettingsError

from service.setting_checks import check_artifacts
from service.settings import Settings
from service.storage.artifacts import Artifacts, study_folder
from service.storage.store import Store
from tests.service.commanding import run_command
from tests.service.documents import study

_URL = "postgresql+psycopg://regsweep:a-secret@postgres/regsweep"


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the database's URL, named by the environment."""
    file = tmp_path / "database_url"
    file.write_text(f"{_URL}\n")
    monkeypatch.delenv("REGSWEEP_DATABASE_URL", raising=False)
    monkeypatch.setenv("REGSWEEP_DATABASE_URL_FILE", str(file))
    return file


@pytest.mark.usefixtures("secret")
def test_a_setting_is_the_content_of_the_file_that_its_variable_names() -> None:
    assert Settings().database_url == _URL


@pytest.mark.usefixtures("secret")
def test_a_flag_goes_before_the_file() -> None:
    assert Settings(database_url="sqlite:///other.db").database_url == "sqlite:///other.db"


@pytest.mark.usefixtures("secret")
def test_a_setting_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGSWEEP_DATABASE_URL", "sqlite:///other.db")
    with pytest.raises(SettingsError, match="REGSWEEP_DATABASE_URL and REGSWEEP_DATABASE_URL_FILE are both set"):
        Settings()


@pytest.mark.parametrize("command", [("studies",), ("show", "x"), ("extend", "x", "--trials", "3"), ("db", "check")])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("../data/my.db", "'../data/my.db' is no URL; write sqlite:///../data/my.db"),
        ("/data/my.db", "'/data/my.db' is no URL; write sqlite:////data/my.db"),
        ("", "'' is no URL; write sqlite:///data/regsweep.db"),
        ("me:secret@host/db", "no URL; begin it with sqlite:/// or postgresql+psycopg://"),
    ],
)
def test_a_path_in_place_of_the_databases_url_is_one_line_and_exit_2(
    command: tuple[str, ...], text: str, told: str
) -> None:
    line = f"regsweep: --database-url (or REGSWEEP_DATABASE_URL): {told}\n"
    for completed in (run_command(*command, "--database-url", text), run_command(*command, REGSWEEP_DATABASE_URL=text)):
        assert (completed.returncode, completed.stdout, completed.stderr) == (2, "", line)


def test_a_file_that_cannot_be_read_is_one_line_and_exit_2(tmp_path: Path) -> None:
    missing = tmp_path / "database_url"
    completed = run_command("studies", REGSWEEP_DATABASE_URL_FILE=str(missing))
    assert completed.returncode == 2
    assert completed.stderr.startswith(f"regsweep: REGSWEEP_DATABASE_URL_FILE: cannot read {missing}: ")
    assert len(completed.stderr.splitlines()) == 1


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("flags", [{}, {"database_url": "sqlite:///other.db", "lanes": 4}])
def test_a_child_process_has_the_settings_of_its_parent(
    flags: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGSWEEP_FAULT", "claimed")  # no setting: it reaches the child untouched
    settings = Settings.model_validate(flags) if flags else Settings()
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    for name in os.environ.keys() - settings.environment().keys():
        monkeypatch.delenv(name)
    assert Settings() == settings
    assert os.environ["REGSWEEP_FAULT"] == "claimed"


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("sqlite:///data/regsweep.db", "data/artifacts"),
        ("sqlite:////srv/a b/regsweep.db?timeout=3", "/srv/a b/artifacts"),
        ("sqlite+pysqlite:///mine.db", "mine.artifacts"),
        ("sqlite:///mine.sqlite", "mine.sqlite-artifacts"),
        ("sqlite:////srv/mine", "/srv/mine-artifacts"),
        ("sqlite:///:memory:", "data/artifacts"),
        (_URL, "data/artifacts"),
    ],
)
def test_files_are_kept_beside_the_database_where_no_folder_is_named(
    url: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings(database_url=url).artifacts_url == f"file://{folder}"
    monkeypatch.setenv("REGSWEEP_DATABASE_URL", url)
    assert Settings().artifacts_url == f"file://{folder}"
    assert Settings(artifacts_url="s3://bucket").artifacts_url == "s3://bucket"


def test_deleting_a_study_of_one_database_leaves_the_files_of_another_in_the_same_folder(tmp_path: Path) -> None:
    models = {}
    for name in ("a", "b"):
        settings = Settings(database_url=f"sqlite:///{tmp_path / name}.db")
        store, artifacts = Store(settings.database_url), Artifacts(settings.artifacts_url)
        models[name] = f"{study_folder(store.create_study(study(name)).id)}/0.keras"
        (tmp_path / "model").write_text(name)
        artifacts.put(models[name], tmp_path / "model")
        store.close()
    assert models["a"] == models["b"]
    deleted = run_command("delete", "a", "--force", "--database-url", f"sqlite:///{tmp_path}/a.db")
    assert deleted.returncode == 0, deleted.stderr
    assert not (tmp_path / "a.artifacts" / models["a"]).exists()
    assert (tmp_path / "b.artifacts" / models["b"]).read_text() == "b"


def test_every_command_finds_the_files_of_the_database_that_is_named(
    store: Store, database: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = folder / "studies" / "7" / "trials" / "0.keras"
    orphan.parent.mkdir(parents=True)
    orphan.touch()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    listed = run_command("db", "orphans", "--older-than", "0", "--database-url", f"sqlite:///{database}")
    assert (listed.returncode, listed.stdout) == (0, "studies/7/trials/0.keras\n"), listed.stderr
    assert store.url.endswith(str(database))


def test_files_that_an_earlier_version_kept_elsewhere_are_moved_before_any_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = tmp_path / "srv" / "a b.db"
    Store(f"sqlite:///{database}").close()
    model = Path("data", "artifacts", "studies", "7", "trials", "0.keras")
    model.parent.mkdir(parents=True)
    model.touch()
    listing = ("db", "orphans", "--older-than", "0", "--database-url", f"sqlite:///{database}")
    refused = run_command(*listing)
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (2, "", 1), refused.stderr
    assert refused.stderr.startswith("regsweep: REGSWEEP_ARTIFACTS_URL: an earlier version kept the files of ")
    assert run_command("serve", "--port", "0", "--database-url", f"sqlite:///{database}") == refused
    named = run_command(*listing, "--artifacts-url", "file://data/artifacts")
    assert (named.returncode, named.stdout) == (0, "studies/7/trials/0.keras\n"), named.stderr
    subprocess.run(shlex.split(refused.stderr.split("`")[1]), check=True)
    moved = run_command(*listing)
    assert (moved.returncode, moved.stdout) == (0, "studies/7/trials/0.keras\n"), moved.stderr


@pytest.mark.parametrize("there", ["another database owns the files", "the database is new", "nothing is left"])
def test_a_database_whose_files_lie_nowhere_else_is_opened(
    there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if there != "nothing is left":
        Path("data", "artifacts").mkdir(parents=True)
    if there == "another database owns the files":
        Path("data", "regsweep.db").touch()
    if there != "the database is new":
        Path("mine.db").touch()
    check_artifacts(Settings(database_url="sqlite:///mine.db"))


def test_a_misspelled_setting_is_warned_of(database: Path) -> None:
    named = {"REGSWEEP_DATABASE_URL": f"sqlite:///{database}", "REGSWEEP_LEASE_SECOND": "5", "REGSWEEP_FAULT": ""}
    refused = run_command("serve", "--host", "0.0.0.0", "--port", "0", **named)  # noqa: S104  # it needs a key
    assert refused.returncode == 2
    assert "a variable is no setting and does nothing" in refused.stderr
    assert [f"variable={name}" in refused.stderr for name in named] == [False, True, False]
    assert "did_you_mean=REGSWEEP_LEASE_SECONDS" in refused.stderr
