"""A project has at most what its quotas allow, however many ask at once; a key asks at most so often."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from service.client import Client
from service.errors import QuotaError, RateLimitedError, ServiceError
from service.storage.access import Access, Quotas
from service.storage.artifacts import Artifacts
from service.storage.comparison_store import ComparisonStore
from service.storage.keys import KeyStore
from service.storage.projects import ProjectStore
from service.storage.states import StudyState
from service.storage.store import Store
from studies.spec.comparison import ComparisonSpec
from tests.service.conftest import served, settings_in
from tests.service.documents import document, study
from tests.service.ledgers import ledger, opened, outcome
from tests.service.test_keys import bearer

CSV = b"a,b,y\n" + b"".join(b"%d,%d,%d\n" % (row, row * row % 7, row % 2) for row in range(40))


def limited(store: Store, **quotas: int) -> Store:
    return store.accessed_by(Access(quotas=Quotas(**quotas)))


def test_of_many_submissions_at_once_as_many_pass_as_the_quota_allows(store: Store) -> None:
    ProjectStore(store).create("alpha", {"active_studies": 3, "waiting_trials": 1000})
    barrier = Barrier(8)

    def submit(number: int) -> str:
        barrier.wait()
        try:
            return store.create_study(study(f"s{number}"), "alpha").project
        except QuotaError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(submit, range(8)))
    assert answers[:3] == ["alpha"] * 3
    assert all("at most 3 studies that have not ended (quota active_studies)" in answer for answer in answers[3:])
    assert ProjectStore(store).project("alpha").used["active_studies"] == 3
    store.create_study(study("elsewhere"))  # of another project
    store.set_state(store.studies(None, 9, None, project="alpha").items[0].name, StudyState.STOPPED)
    store.create_study(study("after"), "alpha")


def test_waiting_trials_are_counted_with_the_comparisons_and_at_every_way_to_more(store: Store) -> None:
    held = limited(store, waiting_trials=10)
    held.create_study(study("one", 6))
    with pytest.raises(
        QuotaError, match=r"has 6 of at most 10 waiting trials \(quota waiting_trials\), and would have 11"
    ):
        held.create_study(study("two", 5))
    assert [one.name for one in held.studies(None, 9, None).items] == ["one"]
    with pytest.raises(QuotaError, match="and would have 19; alone it is more than the quota"):
        held.create_study(study("three", 13))
    with pytest.raises(QuotaError, match="would have 12; a trial that runs, or a study that is stopped, makes"):
        held.change("one", budget={"trials": 12})
    with pytest.raises(QuotaError, match="and would have 11"):
        ComparisonStore(held).begin("one", ComparisonSpec(techniques=("none", "l1"), trials_per_technique=4))
    assert store.study("one").comparison is None
    assert held.change("one", budget={"trials": 10}).parsed_spec.budget.trials == 10
    ProjectStore(store).change("default", {"waiting_trials": 20})  # its own goes before the server's
    assert held.change("one", budget={"trials": 20}).parsed_spec.budget.trials == 20


def test_models_count_to_what_a_project_stores(store: Store, folder: Path, tmp_path: Path) -> None:
    spec = study()
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    model = tmp_path / "model.keras"
    model.write_bytes(b"x" * 1234)
    book.keep_model(claim, number, model)
    book.close(claim, number, outcome())
    assert ProjectStore(store).project("default").used["stored_bytes"] == 1234
    with pytest.raises(QuotaError, match="has 1,234 of at most 1,000 bytes of datasets and models"):
        limited(store, stored_bytes=1000).create_study(study("more"))


@pytest.mark.parametrize("quota", [None, len(CSV)])
def test_an_upload_that_has_no_place_is_refused_before_it_comes(tmp_path: Path, quota: int | None) -> None:
    settings = settings_in(tmp_path).model_copy(update={"quota_stored_bytes": quota})
    project = "unknown" if quota is None else "default"
    path = f"/v1/datasets?name=rows&target=y&format=csv&project={project}"
    with served(settings) as api, socket.create_connection((api.base_url.host, api.base_url.port or 0)) as sent:
        sent.settimeout(20)
        # Its body never comes.
        sent.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(CSV) + 1}\r\n\r\n".encode())
        assert sent.recv(12) == (b"HTTP/1.1 404" if quota is None else b"HTTP/1.1 429")


def test_a_refused_upload_leaves_no_file_and_the_answer_says_when_to_come_again(tmp_path: Path) -> None:
    settings = settings_in(tmp_path).model_copy(update={"quota_stored_bytes": len(CSV) + 20})
    upload = {"name": "rows", "target": "y", "format": "csv"}
    other = tmp_path / "other.csv"
    other.write_bytes(CSV + b"3,3,1\n4,4,0\n")
    with served(settings) as api:
        assert api.post("/v1/datasets", params=upload, content=CSV).status_code == 201
        # The same bytes under another name are kept once.
        assert api.post("/v1/datasets", params={**upload, "name": "again"}, content=CSV).status_code == 201
        refused = api.post("/v1/datasets", params=upload, content=CSV + b"1,1,1\n2,2,0\n")
        with Client(str(api.base_url)) as client, pytest.raises(QuotaError) as told:
            client.add_dataset(other, "y")
    assert (refused.status_code, refused.json()["title"], refused.headers["retry-after"]) == (
        429,
        "Quota reached",
        "60",
    )
    assert "a dataset or a study, once deleted, makes room" in refused.json()["detail"]
    assert told.value.retry_after == 60
    assert len(Artifacts(settings.artifacts_url).paths()) == 1


def test_enqueued_params_and_a_submission_are_refused_where_a_project_has_too_much_already(tmp_path: Path) -> None:
    with served(settings_in(tmp_path)) as api:
        assert api.post("/v1/studies", json=document()).status_code == 201
        assert api.patch("/v1/projects/default", json={"waiting_trials": 2}).status_code == 200
        refused = api.post("/v1/studies/iris/trials", json={"params": {}})
        assert (refused.status_code, "has 4 of at most 2 waiting trials" in refused.json()["detail"]) == (429, True)
        assert api.post("/v1/studies/iris/trials", json={"params": {}}).headers["retry-after"] == "60"
        assert api.patch("/v1/projects/default", json={"waiting_trials": None}).status_code == 200
        assert api.post("/v1/studies/iris/trials", json={"params": {}}).status_code == 201


@pytest.mark.parametrize(
    "wrong", [{"active_studies": -1}, {"active_studies": 2**40}, {"trials": 1}, {"stored_bytes": "1"}]
)
def test_what_is_no_quota_is_named(tmp_path: Path, wrong: dict[str, object]) -> None:
    with served(settings_in(tmp_path)) as api:
        refused = api.patch("/v1/projects/default", json=wrong)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, next(iter(wrong)))


def test_a_key_that_asks_too_often_waits_and_another_does_not(tmp_path: Path) -> None:
    settings = settings_in(tmp_path).model_copy(update={"quota_requests_a_minute": 5})
    store = Store(settings.database_url)
    busy, other = (KeyStore(store).create(name, "read") for name in ("busy", "other"))
    with served(settings) as api:
        statuses = [api.get("/v1/studies", headers=bearer(busy.text)).status_code for _ in range(7)]
        refused = api.get("/v1/schema", headers=bearer(busy.text))
        assert api.get("/v1/studies", headers=bearer(other.text)).status_code == 200
        assert api.get("/healthz", headers=bearer(busy.text)).status_code == 200
        with Client(str(api.base_url), busy.text) as client, pytest.raises(ServiceError) as told:
            client.studies()
    store.close()
    assert statuses == [200] * 5 + [429] * 2
    assert "the key 'busy' may send 5 requests a minute (quota requests_a_minute)" in refused.json()["detail"]
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert isinstance(told.value, RateLimitedError)
    assert told.value.retry_after <= 60
