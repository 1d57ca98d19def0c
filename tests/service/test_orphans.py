"""No record ever points to a file that is not there; a file that no record points to is found and removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from service.errors import ArtifactError
from service.storage import orphans
from service.storage.artifacts import Artifacts, preparation_path, study_folder
from service.storage.claiming import Holder
from service.storage.dataset_files import file_path
from service.storage.datasets import DatasetStore, Upload
from service.storage.invariants import violations
from service.storage.ledger import TrialLedger
from service.storage.records import DatasetRecord
from service.storage.states import StudyState
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.datasets.profile import profile
from studies.datasets.tables import read
from studies.errors import InvalidSpecError
from studies.spec.study import StudySpec
from studies.spec.table import TableOptions
from studies.study_file import parse
from tests.service.commanding import run_command
from tests.service.documents import document, study, write_model
from tests.service.filesystem import SteppedFileSystem
from tests.service.ledgers import ledger, opened, outcome


@pytest.fixture
def stepped(folder: Path) -> Artifacts:
    """In a folder where something can be made to happen between two steps, see `between`."""
    return Artifacts(f"stepped://{folder}")


@contextmanager
def between(act: Callable[[str], None]) -> Iterator[None]:
    """Let this happen between the steps of the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SteppedFileSystem, "between", staticmethod(act))
        yield


def once(step: str, act: Callable[[], object]) -> Callable[[str], None]:
    """Act after the first of such steps."""
    waiting = [act]

    def between(at: str) -> None:
        if at == step and waiting:
            waiting.pop()()

    return between


def table(folder: Path, last: int = 0) -> Upload:
    """A file that nobody else has."""
    path = folder / f"{last}.csv"
    path.write_text("a,b,y\n" + "\n".join(f"{i},{i % 5},{i % 2}" for i in range(60)) + f"\n{last},1,0\n")
    return Upload(path, sha256(path.read_bytes()).hexdigest(), path.stat().st_size)


def add(datasets: DatasetStore, upload: Upload, name: str = "people", target: str = "y") -> DatasetRecord:
    options = TableOptions.model_validate({"target": target})
    return datasets.add(upload, name, "csv", options, profile(read(upload.path, "csv", options)))[0]


def about(datasets: DatasetStore, name: str = "people", study: str = "iris") -> StudySpec:
    return parse(document(study, dataset={"kind": "uploaded", "name": name}), datasets.uploaded)


def life(store: Store, artifacts: Artifacts, upload: Upload, source: Path, name: str) -> None:
    """All that is ever written and removed, once."""
    datasets = DatasetStore(store, artifacts)
    add(datasets, upload, name)
    spec = about(datasets, name, name)
    study_id = store.create_study(spec).id
    artifacts.put(preparation_path(study_id, 0), source)
    book = TrialLedger(store, artifacts, store.study(name), Holder("a", 600.0))
    claim, number = opened(book, spec)
    book.keep_checkpoint(claim, number, source)
    book.keep_checkpoint(claim, number, source)
    book.keep_model(claim, number, source)
    book.close(claim, number, outcome())
    for deleted in store.delete_study(name, force=True):
        artifacts.remove_folder(study_folder(deleted))
    datasets.delete(name)


class Breaking:
    """Breaks at one of many steps: what is done with files, and commits."""

    def __init__(self, store: Store) -> None:
        self.taken, self.at = 0, 0
        for engine in (store.engine, store.optuna.engine):
            sa.event.listen(engine, "commit", self._commit)

    def file(self, _step: str) -> None:
        self._count(OSError("broken"))

    def _commit(self, _connection: sa.Connection) -> None:
        self._count(OperationalError("COMMIT", {}, OSError("broken")))

    def _count(self, error: Exception) -> None:
        self.taken += 1
        if self.taken == self.at:
            raise error


def test_wherever_it_breaks_no_record_points_to_nothing(store: Store, stepped: Artifacts, tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    breaking = Breaking(store)
    for at in count(1):
        breaking.taken, breaking.at = 0, at
        with between(breaking.file), suppress(ArtifactError, SQLAlchemyError, StorageInternalError):
            life(store, stepped, table(tmp_path, at), tmp_path / "model", f"study {at}")
        breaking.at = 0
        assert violations(store, stepped) == []
        if breaking.taken < at:
            break
    assert at > 30
    assert orphans.remove(store, stepped, orphans.find(store, stepped, 0.0))
    assert violations(store, stepped) == []
    assert orphans.find(store, stepped, 0.0) == []


def test_a_dataset_deleted_while_its_bytes_come_in_again_keeps_its_file(
    store: Store, stepped: Artifacts, tmp_path: Path
) -> None:
    datasets, upload = DatasetStore(store, stepped), table(tmp_path)
    add(datasets, upload)
    with between(once("exists", lambda: datasets.delete("people"))):
        add(datasets, upload, "towns", target="b")
    assert datasets.read("towns") == upload.path.read_bytes()
    assert violations(store, stepped) == []


def test_an_orphan_whose_bytes_come_in_again_is_none(store: Store, stepped: Artifacts, tmp_path: Path) -> None:
    datasets, upload = DatasetStore(store, stepped), table(tmp_path)
    stepped.put(file_path(upload.digest), upload.path)
    found = orphans.find(store, stepped, 0.0)
    assert found == [file_path(upload.digest)]
    with between(once("exists", lambda: orphans.remove(store, stepped, found))):
        add(datasets, upload)
    assert datasets.read("people") == upload.path.read_bytes()
    assert orphans.remove(store, stepped, found) == []
    assert violations(store, stepped) == []


def test_a_study_of_a_dataset_that_was_deleted_since_it_was_read_is_refused(
    store: Store, stepped: Artifacts, tmp_path: Path
) -> None:
    datasets = DatasetStore(store, stepped)
    add(datasets, table(tmp_path))
    spec = about(datasets)
    add(datasets, table(tmp_path), target="b")  # the same file's next version
    datasets.delete("people", 1)
    with pytest.raises(
        InvalidSpecError, match=r"dataset\.name: version 1 of the dataset 'people' was deleted meanwhile"
    ):
        store.create_study(spec)
    store.create_study(about(datasets))


def test_the_state_of_a_trial_that_still_runs_stays_when_its_study_is_stopped(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    store.create_study(spec := study(trials=1))
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    write_model(tmp_path / "state")
    book.keep_checkpoint(claim, number, tmp_path / "state")
    store.set_state("iris", StudyState.STOPPED)
    assert WorkerStore(store).claim_unpublished() is None
    book.close(claim, number, outcome())
    found = WorkerStore(store).claim_unpublished()
    assert found is not None
    assert found.name == "iris"


def test_a_file_that_a_worker_removes_while_the_records_are_checked_is_not_missed(
    store: Store, stepped: Artifacts, folder: Path, tmp_path: Path
) -> None:
    datasets, upload = DatasetStore(store, stepped), table(tmp_path)
    add(datasets, upload)
    store.create_study(spec := about(datasets))
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    write_model(tmp_path / "state")
    book.keep_checkpoint(claim, number, tmp_path / "state")
    with between(once("exists", lambda: book.close(claim, number, outcome()))):
        assert violations(store, stepped) == []
    stepped.remove(file_path(upload.digest))
    [sentence] = violations(store, stepped)
    assert sentence.endswith("is not there")


STRANGERS = ["notes.txt", "datasets/readme", "studies/1/thesis.tex"]


def test_orphans_are_old_ours_and_nothing_else(store: Store, artifacts_url: str, tmp_path: Path) -> None:
    artifacts = Artifacts(artifacts_url)
    write_model(source := tmp_path / "model")
    life(store, artifacts, table(tmp_path, 1), source, "past")
    datasets, upload = DatasetStore(store, artifacts), table(tmp_path, 2)
    add(datasets, upload)
    store.create_study(spec := about(datasets))
    study_id = store.study("iris").id
    book = TrialLedger(store, artifacts, store.study("iris"), Holder("a", 600.0))
    claim, number = opened(book, spec)
    book.keep_checkpoint(claim, number, source)
    book.keep_model(claim, number, source)
    artifacts.put(preparation_path(study_id, 0), source)
    pointed_to = set(artifacts.paths())
    assert len(pointed_to) == 4
    lost = [
        file_path("0" * 64),
        f"datasets/{upload.digest}.{'0' * 32}.partial",
        f"studies/{study_id}/trials/7-0123abcd.keras",
        f"studies/{study_id}/checkpoints/0-0123abcd-0123abcd",
        f"studies/{study_id}/preparation-0.skops.{'0' * 32}.partial",
        preparation_path(study_id + 1, 0),
    ]
    for path in (*lost, *STRANGERS):
        artifacts.put(path, source)
    assert orphans.find(store, artifacts, 3600.0) == []
    assert orphans.find(store, artifacts, 0.0) == sorted(lost)
    command = ["db", "orphans", "--database-url", store.url, "--artifacts-url", artifacts_url]
    assert ran(command) == "there are none\n"
    assert ran([*command, "--older-than", "0"]).split() == sorted(lost)
    assert set(artifacts.paths()) == {*pointed_to, *lost, *STRANGERS}
    assert ran([*command, "--older-than", "0", "--remove"]).split() == sorted(lost)
    assert set(artifacts.paths()) == {*pointed_to, *STRANGERS}
    assert violations(store, artifacts) == []


def ran(command: Sequence[str]) -> str:
    done = run_command(*command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_orphan_that_cannot_be_removed_is_said(
    store: Store, stepped: Artifacts, folder: Path, tmp_path: Path
) -> None:
    upload = table(tmp_path)
    stepped.put(file_path(upload.digest), upload.path)

    def refuse(step: str) -> None:
        if step == "rm_file":
            raise PermissionError("not yours")

    command = ["db", "orphans", "--database-url", store.url, "--artifacts-url", f"stepped://{folder}"]
    with between(refuse):
        done = run_command(*command, "--older-than", "0", "--remove")
    assert done.returncode == 1
    assert stepped.has(file_path(upload.digest))
