"""`regsweep import optuna` reads a study where Optuna keeps it, changes nothing there, and says what it cannot read."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
import yaml
from optuna.distributions import FloatDistribution, distribution_to_json
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from service.optuna_source import read_source
from studies.errors import InvalidImportError
from tests.postgresql import PostgreSQL
from tests.service.commanding import Completed, run_command
from tests.studies.imports.keras_tuner_spaces import penalty_by_name, project_of
from tests.studies.imports.optuna_spaces import kinds_of_penalty, run, tabular_network, two_strengths


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """An SQLite file of one study."""
    run(kinds_of_penalty, f"sqlite:///{tmp_path / 'study.db'}")
    return tmp_path / "study.db"


def imported(program: str, source: str | Path, output: Path, *arguments: str) -> Completed:
    return run_command("import", program, str(source), "-o", str(output), "--dataset", "breast_cancer", *arguments)


def contents(folder: Path) -> dict[str, str]:
    """The files of a folder, each by the digest of what it holds."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


@pytest.mark.parametrize("form", ["URL", "path"])
def test_a_study_of_a_storage_becomes_a_valid_study_file_and_its_storage_stays_as_it_is(
    storage: Path, tmp_path: Path, form: str
) -> None:
    before, output = contents(tmp_path), tmp_path / "study.yaml"
    done = imported("optuna", f"sqlite:///{storage}" if form == "URL" else storage, output, "--first-trials", "3")
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path).items() >= before.items()
    assert contents(tmp_path).keys() - before.keys() == {"study.yaml"}
    study = yaml.safe_load(output.read_text())
    assert (study["name"], len(study["warm_start"]["enqueue"])) == ("kinds_of_penalty", 3)
    assert "trials: the params of the best 3 of 12 complete ones" in done.stderr
    valid = run_command("validate", str(output))
    assert valid.returncode == 0, valid.stderr
    assert "First: the params of 3 trials" in valid.stdout


def test_a_storage_that_another_program_writes_to_is_read_as_it_stands(storage: Path) -> None:
    with sqlite3.connect(storage) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE studies SET study_name = 'renamed'")
        assert read_source(str(storage), None).name == "kinds_of_penalty"
        writer.commit()
        assert read_source(str(storage), None).name == "renamed"
    writer.close()


def test_a_study_on_postgresql_is_read_by_a_user_who_may_only_read(postgresql_template: PostgreSQL) -> None:
    url = postgresql_template.url("theirs")
    theirs = RDBStorage(url)
    run(two_strengths, theirs)
    with theirs.engine.begin() as connection:
        connection.execute(sa.text("CREATE ROLE reader LOGIN"))
        connection.execute(sa.text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"))
    theirs.engine.dispose()
    read = read_source(url.replace("postgres@", "reader@"), "two_strengths")
    assert (read.name, read.directions, len(read.trials)) == ("two_strengths", ["maximize"], 12)


def test_a_journal_and_a_file_of_distributions_are_read(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    run(two_strengths, JournalStorage(JournalFileBackend(str(journal))))
    before = contents(tmp_path)
    assert read_source(str(journal), None).metric_names == ["val_auc"]
    assert contents(tmp_path) == before
    written = {"dropout": json.loads(distribution_to_json(FloatDistribution(0.1, 0.5)))}
    (tmp_path / "space.json").write_text(json.dumps(written))
    assert read_source(str(tmp_path / "space.json"), None).distributions == {"dropout": [written["dropout"]]}


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (
            [
                "UPDATE alembic_version SET version_num = 'v3.0.0.d'",
                "UPDATE version_info SET library_version = '3.0.6'",
            ],
            r"of an older Optuna than the .* here \(it was made by 3.0.6\); nothing of yours is changed here: copy it, "
            "and bring the copy up to date with `optuna storage upgrade",
        ),
        (["DROP TABLE alembic_version"], "of an older Optuna than .*optuna storage upgrade"),
        (["UPDATE alembic_version SET version_num = 'v9.0.0.a'"], "of a newer Optuna than .* with a newer regsweep"),
        (["DROP TABLE trials"], "has no tables of Optuna's"),
        (["DELETE FROM version_info"], "has no tables of Optuna's"),
    ],
)
def test_tables_of_another_optuna_are_refused_and_left_alone(
    storage: Path, statements: list[str], message: str
) -> None:
    with sqlite3.connect(storage) as writer:
        for statement in statements:
            writer.execute(statement)
    writer.close()
    before = contents(storage.parent)
    with pytest.raises(InvalidImportError, match=message):
        read_source(f"sqlite:///{storage}", None)
    assert contents(storage.parent) == before


def test_one_of_several_studies_is_named(storage: Path, tmp_path: Path) -> None:
    run(tabular_network, f"sqlite:///{storage}")
    output = tmp_path / "study.yaml"
    several = imported("optuna", storage, output)
    assert several.returncode == 2
    assert "--study-name: " in several.stderr
    assert "has 2 studies; name one of them: kinds_of_penalty, tabular_network" in several.stderr
    other = imported("optuna", storage, output, "--study-name", "nope")
    assert "has no study 'nope'; it has kinds_of_penalty, tabular_network" in other.stderr
    assert imported("optuna", storage, output, "--study-name", "kinds_of_penalty").returncode == 0


def test_a_study_without_trials_has_no_space(tmp_path: Path) -> None:
    optuna.create_study(storage=f"sqlite:///{tmp_path / 'empty.db'}", study_name="empty")
    done = imported("optuna", tmp_path / "empty.db", tmp_path / "study.yaml")
    assert done.returncode == 2
    assert "empty: has no trials with params" in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("study.pkl", b"\x80\x04\x95", "is a pickle, which runs whatever its writer wants"),
        ("script.py", b"import optuna", "is not JSON: .*name a storage's URL"),
        ("list.json", b"[1]", "holds no object"),
        ("twice.json", b'{"lr": 1, "lr": 2}', "stands twice"),
        ("journal.log", b'{"op_code": 0}\n{"op_code": 99}\n', "is no journal that Optuna here reads"),
        ("old.db", b"SQLite format 3\0 and no more", "cannot read .*old.db"),
    ],
)
def test_what_is_no_study_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Exception, match=message) as refusal:
        read_source(str(tmp_path / name), None)
    assert refusal.type.__name__ in {"InvalidImportError", "InvalidSpecError"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("sqlite:///nowhere.db", "there is no file nowhere.db"),
        ("nowhere.db", "cannot read nowhere.db"),
        ("redis://localhost", "cannot read redis://localhost"),
        (
            "postgresql+psycopg://me:secret@127.0.0.1:1/db",
            r"cannot read postgresql\+psycopg://me:\*\*\*@127.0.0.1:1/db",
        ),
    ],
)
def test_what_cannot_be_reached_is_said_without_its_password(source: str, message: str) -> None:
    with pytest.raises(InvalidImportError, match=message) as refusal:
        read_source(source, None)
    assert "secret" not in str(refusal.value)
    assert not Path("nowhere.db").exists()


def test_a_project_of_keras_tuner_becomes_a_valid_study_file(tmp_path: Path) -> None:
    project_of(penalty_by_name, "val_loss", "min", tmp_path)
    output = tmp_path / "study.yaml"
    done = imported("keras-tuner", tmp_path / "penalty_by_name", output)
    assert done.returncode == 0, done.stderr
    assert len(yaml.safe_load(output.read_text())["warm_start"]["enqueue"]) == 2
    assert run_command("validate", str(output)).returncode == 0
    wrong = imported("keras-tuner", tmp_path, tmp_path / "other.yaml")
    assert wrong.returncode == 2
    assert "has no oracle.json; name one of" in wrong.stderr
    assert not (tmp_path / "other.yaml").exists()
