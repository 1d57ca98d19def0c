"""Studies that ended long ago are listed, archived and deleted, and no others."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from service import retention
from service.errors import BackupError
from service.storage.artifacts import Artifacts
from service.storage.records import DatasetRecord, StudyRecord
from service.storage.store import Store
from studies.study_file import parse
from tests.acceptance.polling import eventually
from tests.service.commanding import run_command
from tests.service.comparing import compared_document, work
from tests.service.conftest import served, settings_in
from tests.service.contenders import sweep_here
from tests.service.documents import document, study
from tests.service.ledgers import ledger, opened


def age(store: Store, *names: str, days: float = 100.0) -> None:
    """Let studies have ended so long ago."""
    with store.engine.begin() as connection:
        ended_at = StudyRecord.ended_at - days * retention.DAY
        connection.execute(sa.update(StudyRecord).where(StudyRecord.name.in_(names)).values(ended_at=ended_at))


def names(store: Store) -> set[str]:
    return {record.name for record in store.studies(None, 100, None).items}


@pytest.fixture
def aged(store: Store, folder: Path) -> Store:
    """An old study and a young one that have ended, and one that runs."""
    for name in ("old", "young"):
        store.create_study(study(name))
        sweep_here(store, folder, name)
    store.create_study(study("runs"))
    opened(ledger(store, folder, "runs"), study("runs"))
    age(store, "old", "runs")
    return store


def test_only_what_ended_so_long_ago_is_deleted_with_its_files(aged: Store, folder: Path) -> None:
    artifacts = Artifacts(f"file://{folder}")
    of_old = f"studies/{aged.study('old').id}/"
    assert any(path.startswith(of_old) for path in artifacts.paths())
    assert list(retention.prune(aged, artifacts, 90)) == ["old"]
    assert names(aged) == {"young", "runs"}
    assert not any(path.startswith(of_old) for path in artifacts.paths())


def test_a_study_stays_while_its_comparison_goes_on_or_is_younger(store: Store, folder: Path) -> None:
    store.create_study(parse(compared_document()))
    sweep_here(store, folder, "iris")
    age(store, "iris")
    assert retention.ended_before(store, 90) == []
    work(store, folder)
    assert retention.ended_before(store, 90) == []
    with store.engine.begin() as connection:
        connection.execute(sa.update(StudyRecord).values(ended_at=0.0))
    assert [record.name for record in retention.ended_before(store, 90)] == ["iris"]


def test_the_command_lists_first_and_archives_before_it_deletes(aged: Store, folder: Path, tmp_path: Path) -> None:
    urls = "--database-url", aged.url, "--artifacts-url", f"file://{folder}"
    listed = run_command("db", "prune", "--older-than", "90d", *urls)
    assert (listed.stdout.split(), "add --yes" in listed.stderr) == (["old"], True)
    assert names(aged) == {"old", "young", "runs"}
    study_id = aged.study("old").id
    archive = "--archive", str(tmp_path / "kept")
    done = run_command("db", "prune", "--older-than", "12w", "--yes", "--json", *archive, *urls)
    assert json.loads(done.stdout) == {"studies": ["old"], "deleted": ["old"]}
    assert names(aged) == {"young", "runs"}
    kept = tmp_path / "kept" / f"old-{study_id}.zip"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (kept.parent, kept)] == [0o700, 0o600]
    with zipfile.ZipFile(kept) as bundle:
        assert {"study.json", "report.html", "report.json", "trials/study/trial-0.json"} <= set(bundle.namelist())
        assert any(name.startswith("models/study/") for name in bundle.namelist())
        assert json.loads(bundle.read("study.json"))["name"] == "old"
    wrong = run_command("db", "prune", "--older-than", "soon", *urls)
    assert (wrong.returncode, "as in 90d or 12w" in " ".join(wrong.stderr.replace("│", " ").split())) == (2, True)


def test_datasets_that_no_study_is_about_any_more_go_where_asked(store: Store, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, store.url)
    urls = "--database-url", settings.database_url, "--artifacts-url", str(settings.artifacts_url)
    with served(settings) as api:
        for name in ("used", "pruned", "free", "young"):
            content = f"x,y\n{'1,0 2,1 '.replace(' ', chr(10)) * 20}9,{len(name) % 2}\n".encode()
            upload = {"name": name, "target": "y", "format": "csv"}
            api.post("/v1/datasets", params=upload, content=content).raise_for_status()
        for name, dataset in (("keeps", "used"), ("old", "pruned")):
            about = document(name, dataset={"kind": "uploaded", "name": dataset})
            api.post("/v1/studies", json=about).raise_for_status()
        api.post("/v1/studies/old/stop").raise_for_status()
        age(store, "old")
        with store.engine.begin() as connection:
            aged = sa.update(DatasetRecord).where(DatasetRecord.name != "young")
            connection.execute(aged.values(created_at=DatasetRecord.created_at - 100 * retention.DAY))
        prune = "db", "prune", "--older-than", "90d"
        assert run_command(*prune, *urls).stdout.splitlines() == ["old"]
        listed = run_command(*prune, "--datasets", *urls)
        assert listed.stdout.splitlines() == ["old", "dataset pruned, version 1", "dataset free, version 1"]
        done = run_command(*prune, "--datasets", "--yes", "--json", *urls)
        gone = [{"name": "pruned", "version": 1}, {"name": "free", "version": 1}]
        assert json.loads(done.stdout) == {
            "studies": ["old"], "deleted": ["old"], "datasets": gone, "deleted_datasets": gone,
        }  # fmt: skip
        assert "it ended more than 90 days ago" in done.stderr  # in the audit
        left = {each["name"] for each in api.get("/v1/datasets").json() if each["project"] is not None}
        assert left == {"used", "young"}
        assert api.get("/v1/datasets/used/file").status_code == 200


def test_a_study_whose_archive_cannot_be_written_stays(aged: Store, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackupError, match="cannot be written"):
        list(retention.prune(aged, Artifacts(f"file://{folder}"), 90, tmp_path / "file"))
    assert "old" in names(aged)


def test_a_server_that_keeps_for_some_days_deletes_what_is_older(aged: Store, database: Path, folder: Path) -> None:
    with served(settings_in(database.parent).model_copy(update={"keep_days": 90.0})) as api:
        eventually(lambda: api.get("/v1/studies/old").status_code == 404)
        assert {item["name"] for item in api.get("/v1/studies").json()["items"]} == {"young", "runs"}
