"""A database that version 0.1.0 made is read as it was, and its paused study goes on.

The archive holds the database, its artifacts without reports, and 0.1.0's own answers over REST, all made by 0.1.0: a
study that completed, one that was compared on an uploaded dataset, one whose trials failed, and one that is paused with
an enqueued trial and a checkpoint.
"""

from __future__ import annotations

import json
import math
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.storage.pagination import Sort
from service.storage.states import StudyState
from service.storage.store import Store
from service.version import VERSION
from studies.datasets.reading import OLD_KINDS
from tests.acceptance.polling import eventually
from tests.service.conftest import served, settings_in
from tests.service.working import working

ARCHIVE = Path(__file__).parent / "data" / "0.1.0.tar.xz"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the database, the artifacts and the answers."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def recorded(old: Path) -> dict[str, Any]:
    """The key of an administrator, and the answer to each path."""
    content: dict[str, Any] = json.loads((old / "answers.json").read_text())
    return content


@pytest.fixture(scope="module")
def client(old: Path, recorded: dict[str, Any]) -> Iterator[httpx.Client]:
    """Today's server on the old database, with the old key."""
    with served(settings_in(old)) as api:
        api.headers["Authorization"] = f"Bearer {recorded['key']}"
        yield api


#: Fields that came later, and say more of what was there.
LATER = {"kind", "version", "data", "better", "pruner", "dashboard", "last_event_id", "best", "project"}


def as_then(answer: Any, then: Any) -> Any:
    """An answer without the fields that came later, in the words of then."""
    if isinstance(answer, dict) and isinstance(then, dict):
        assert [name for name in answer if name not in then and name not in LATER and answer[name]] == []
        return {name: as_then(value, then[name]) for name, value in answer.items() if name in then}
    if isinstance(answer, list) and isinstance(then, list) and len(answer) == len(then):
        return [as_then(*pair) for pair in zip(answer, then, strict=True)]
    if isinstance(answer, float) and isinstance(then, float):
        # The last digits of what is computed anew are those of the processor's linear algebra.
        return then if math.isclose(answer, then, rel_tol=1e-6) else answer
    return then if OLD_KINDS.get(str(then)) == answer else answer


def cut(comparison: dict[str, Any]) -> None:
    """Cut the intervals that left their metric's range: of losses below 0, of accuracy beyond 0 and 1."""
    for row in comparison["techniques"]:
        row["objective"]["low"] = max(0.0, row["objective"]["low"])
        row["task_metric"] = {name: min(max(0.0, value), 1.0) for name, value in row["task_metric"].items()}
    answer = comparison["recommendation"]
    answer["evidence"] = re.sub(r"interval -[\d.]+ to", "interval 0 to", answer["evidence"])


def test_studies_trials_comparisons_reports_and_datasets_are_read_as_they_were(
    client: httpx.Client, recorded: dict[str, Any]
) -> None:
    answers = {path: client.get(path).json() for path in recorded["answers"]}
    for path, answer in recorded["answers"].items():
        if "/report" in path:  # a report names the version that renders it
            assert answer["about"].pop("version") == "regsweep 0.1.0"
            assert answers[path]["about"].pop("version") == f"regsweep {VERSION}"
        for found in (answer.get("result"), answer.get("comparison")) if isinstance(answer, dict) else ():
            if found and "techniques" in found and "recommendation" in found:
                cut(found)
        assert as_then(answers[path], answer) == answer, path
    assert answers["/v1/datasets/churn"]["version"] == 1


def test_the_old_key_is_still_needed_and_accepted(client: httpx.Client) -> None:
    assert client.get("/v1/studies", headers={"Authorization": ""}).status_code == 401
    assert client.get("/v1/studies").is_success


def test_models_and_the_uploaded_file_are_there(client: httpx.Client) -> None:
    assert client.get("/v1/studies/alone/model").content[:2] == b"PK"
    assert client.get("/v1/studies/compared/comparison/export", params={"technique": "recommended"}).is_success


def test_the_old_datasets_name_has_a_first_version_and_gets_more(client: httpx.Client) -> None:
    content = client.get("/v1/datasets/churn/file").content
    of_study = client.delete("/v1/datasets/churn", params={"version": 1})
    assert (of_study.status_code, "is that of the studies 'compared'" in of_study.json()["detail"]) == (409, True)
    params = {"name": "churn", "target": "churned", "format": "csv"}
    changed = client.post("/v1/datasets", params=params, content=content + content.splitlines(keepends=True)[1])
    assert (changed.status_code, changed.json()["version"]) == (201, 2), changed.text
    assert client.delete("/v1/datasets/churn", params={"version": 2}).status_code == 204
    assert [one["version"] for one in client.get("/v1/datasets/churn/versions").json()] == [1]


def test_the_database_is_copied_before_its_schema_changes(old: Path, client: httpx.Client) -> None:
    assert client.get("/v1/studies").is_success
    assert [path.name for path in old.glob("*.backup")] == ["regsweep.db.0006.backup"]


def test_a_paused_study_goes_on(tmp_path: Path) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    store = Store(f"sqlite:///{tmp_path / 'regsweep.db'}")
    try:
        [kept] = [t for t in store.trials("paused", (), Sort.parse("number"), 10, None).items if t.state == "COMPLETE"]
        before = kept.number, kept.value, kept.ended_at
        store.set_state("paused", StudyState.RUNNING)
        with working(store, tmp_path / "artifacts"):
            eventually(lambda: store.study("paused").state == "completed", 60)
        trials = store.trials("paused", (), Sort.parse("number"), 10, None).items
        assert [(t.number, t.state) for t in trials] == [(number, "COMPLETE") for number in range(4)]
        assert (trials[0].number, trials[0].value, trials[0].ended_at) == before
        assert trials[1].params is not None
        assert trials[1].params["dropout"] == 0.0  # as enqueued
    finally:
        store.close()
