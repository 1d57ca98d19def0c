"""An ended study's report is rendered once, kept, and answered under its ETag; what changes it makes it anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from service.errors import ArtifactError
from service.storage import orphans, reports
from service.storage.artifacts import Artifacts
from service.storage.store import Store
from service.worker.publishing import publish
from tests.service.comparing import ASKED, CONFIRMATION, PARTS, compared_document, sweep_all
from tests.service.documents import document

REPORT = "/v1/studies/iris/report"


@pytest.fixture
def artifacts(folder: Path) -> Artifacts:
    return Artifacts(f"file://{folder}")


def kept(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.glob("studies/*/report-*/*"))


def etag(response: httpx.Response) -> str:
    return response.raise_for_status().headers["ETag"]


@pytest.fixture
def ended(api: httpx.Client, store: Store, folder: Path, database: Path) -> httpx.Client:
    """A study with an ended comparison; `database` keeps it to SQLite, for what is asked of both is asked below."""
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    sweep_all(store, folder, ["iris", *PARTS, CONFIRMATION])
    return api


def test_a_report_is_rendered_once_and_then_answered_as_it_was_kept(
    ended: httpx.Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {kind: ended.get(REPORT, params={"format": kind}) for kind in ("html", "json")}
    assert len(kept(folder)) == 2

    def rendered(*_: Any) -> None:
        raise AssertionError("rendered again")

    monkeypatch.setattr(reports, "findings", rendered)
    for kind, before in first.items():
        again = ended.get(REPORT, params={"format": kind})
        assert (again.content, etag(again), again.headers["Content-Type"]) == (
            before.content, etag(before), before.headers["Content-Type"],
        )  # fmt: skip


def test_another_version_renders_it_anew(ended: httpx.Client, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = etag(ended.get(REPORT))
    monkeypatch.setattr(reports, "VERSION", "0.0.0")
    assert etag(ended.get(REPORT)) != before
    assert len(kept(folder)) == 1


def test_who_has_the_report_already_is_told_so(ended: httpx.Client) -> None:
    tag = etag(ended.get(REPORT))
    for held in (tag, f'"other", W/{tag}', "*"):
        same = ended.get(REPORT, headers={"If-None-Match": held})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    assert ended.get(REPORT, headers={"If-None-Match": '"other"'}).status_code == 200
    assert etag(ended.get(REPORT, params={"format": "json"})) != tag


def test_a_study_that_may_still_change_has_no_etag_and_nothing_is_kept(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    for names in ([], ["iris"], PARTS):
        sweep_all(store, folder, names)
        assert "ETag" not in api.get(REPORT).raise_for_status().headers
    assert kept(folder) == []


def test_a_trial_marked_invalid_makes_the_report_anew_and_the_earlier_one_goes(
    ended: httpx.Client, folder: Path
) -> None:
    before, [path] = ended.get(REPORT), kept(folder)
    ended.post("/v1/studies/iris/trials/0/invalidate", json={"reason": "a test"}).raise_for_status()
    after = ended.get(REPORT)
    assert etag(after) != etag(before)
    assert after.content != before.content
    assert len(kept(folder)) == 1
    assert kept(folder) != [path]


def test_another_comparison_of_the_same_state_is_not_answered_with_the_first_ones_report(
    ended: httpx.Client, store: Store, folder: Path
) -> None:
    first = ended.get(REPORT)
    ended.delete("/v1/studies/iris/comparison").raise_for_status()
    without = ended.get(REPORT)
    ended.post("/v1/studies/iris/comparison", json=ASKED).raise_for_status()
    sweep_all(store, folder, [*PARTS, CONFIRMATION])
    assert len({etag(first), etag(without), etag(ended.get(REPORT))}) == 3
    assert "No comparison was asked for" in without.text


def test_a_report_that_cannot_be_kept_is_answered_all_the_same(
    ended: httpx.Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise ArtifactError("the disk is full")

    monkeypatch.setattr(Artifacts, "put", refused)
    assert "In numbers" in ended.get(REPORT).raise_for_status().text
    monkeypatch.setattr(Artifacts, "read", refused)
    assert "In numbers" in ended.get(REPORT).raise_for_status().text
    assert kept(folder) == []


def test_a_kept_report_is_no_orphan_while_its_study_is_there_and_goes_with_it(
    ended: httpx.Client, store: Store, artifacts: Artifacts, folder: Path
) -> None:
    ended.get(REPORT).raise_for_status()
    [path] = kept(folder)
    content = (folder / path).read_bytes()
    assert orphans.find(store, artifacts, 0) == []
    ended.delete("/v1/studies/iris").raise_for_status()
    assert kept(folder) == []
    # One that was being written while its study was deleted.
    (folder / path).parent.mkdir(parents=True)
    (folder / path).write_bytes(content)
    assert orphans.find(store, artifacts, 0) == [path]


def test_a_worker_that_shows_the_answer_keeps_the_report_for_whoever_comes_first(
    ended: httpx.Client, store: Store, artifacts: Artifacts, folder: Path
) -> None:
    publish(store, artifacts, store.study("iris"))
    before = kept(folder)
    assert len(before) == 2
    assert etag(ended.get(REPORT)).strip('"') in before[0]
    assert kept(folder) == before


def test_the_report_says_of_importances_what_the_dashboard_says(api: httpx.Client, store: Store, folder: Path) -> None:
    space = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
    api.post("/v1/studies", json=document(budget={"trials": 20, "epochs": 1}, space=space)).raise_for_status()
    sweep_all(store, folder, ["iris"])
    study = api.get("/v1/studies/iris").json()["dashboard"].rpartition("/")[2]
    [theirs] = api.get(f"/api/studies/{study}/param_importances").json()["param_importances"]
    [bars] = api.get(REPORT, params={"format": "json"}).json()["figures"]["Importance of the hyperparameters"]["data"]
    ours = dict(zip(bars["y"], bars["x"], strict=True))
    assert ours == pytest.approx({each["name"].replace("lambda", "λ"): each["importance"] for each in theirs})
    publish(store, Artifacts(f"file://{folder}"), store.study("iris"))
    attached = api.get(f"/api/studies/{study}").json()["plotly_graph_objects"]
    assert attached
    assert not any("importance" in figure["id"] for figure in attached)


def test_a_study_that_is_not_there_has_no_report(shared_api: httpx.Client) -> None:
    assert shared_api.get("/v1/studies/nobody/report", params={"format": "json"}).status_code == 404
