"""Settings come from the environment or from a file that it names, and reach child processes as they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic_settings import SettingsError

from service.settings import Settings
from tests.service.commanding import run_command

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
