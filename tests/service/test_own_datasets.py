"""Users' own datasets through the API: kept once, described, refused with the row or column that is wrong."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.settings import Settings
from tests.acceptance.polling import eventually
from tests.service.conftest import served, settings_in
from tests.service.documents import document

ROWS = "\n".join(f"{i},{'Rome' if i % 3 else 'Oslo'},{i % 2}" for i in range(60))
CSV = f"age,city,y\n{ROWS}\n"
LIMIT = 100_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path).model_copy(update={"max_upload_bytes": LIMIT})


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    with served(settings) as client:
        yield client


def upload(api: httpx.Client, content: bytes | str = CSV, kind: str = "csv", **params: Any) -> httpx.Response:
    return api.post("/v1/datasets", params={"target": "y", "format": kind, **params}, content=content)


def kept(settings: Settings) -> list[Path]:
    folder = Path(settings.artifacts_url.removeprefix("file://"), "datasets")
    return sorted(folder.iterdir()) if folder.exists() else []


def left_behind() -> list[Path]:
    import tempfile

    return list(Path(tempfile.gettempdir()).glob("regsweep-upload-*"))


def test_an_uploaded_dataset_is_described_listed_and_given_back(api: httpx.Client) -> None:
    answer = upload(api, name="people")
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/datasets/people")
    shown = api.get("/v1/datasets/people").json()
    assert shown == answer.json()
    assert (shown["profile"]["rows"], shown["profile"]["task"], shown["bytes"]) == (60, "binary", len(CSV))
    assert [column["name"] for column in shown["profile"]["columns"]] == ["age", "city", "y"]
    assert api.get("/v1/datasets").json()[0]["name"] == "people"
    assert api.get("/v1/datasets/people/file").text == CSV
    assert api.get("/v1/datasets/people/preview", params={"rows": 1}).json()["rows"] == [["0", "Oslo", "0"]]


def test_the_same_bytes_twice_are_one_dataset(api: httpx.Client, settings: Settings) -> None:
    first, again = upload(api, name="people"), upload(api, name="others")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert len(kept(settings)) == 1


def test_the_same_bytes_for_another_target_are_another_dataset_of_the_same_file(
    api: httpx.Client, settings: Settings
) -> None:
    upload(api, name="people").raise_for_status()
    assert upload(api, name="towns", target="city").status_code == 201
    assert len(kept(settings)) == 1
    assert api.delete("/v1/datasets/people").status_code == 204
    assert len(kept(settings)) == 1
    assert api.delete("/v1/datasets/towns").status_code == 204
    assert kept(settings) == []


def test_two_uploads_of_the_same_bytes_at_once_are_one_dataset(api: httpx.Client, settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = [f.result() for f in [pool.submit(upload, api, name="people") for _ in range(8)]]
    assert {answer.status_code for answer in answers} == {200, 201}
    assert len({answer.text for answer in answers}) == 1
    assert len(kept(settings)) == 1


def test_a_name_that_is_another_datasets_is_refused_and_leaves_nothing(api: httpx.Client, settings: Settings) -> None:
    upload(api, name="people").raise_for_status()
    other = upload(api, CSV.replace("Rome", "Lima"), name="people")
    assert (other.status_code, len(kept(settings))) == (409, 1)
    assert "a dataset named 'people' exists and is another" in other.json()["detail"]


def test_a_dataset_of_a_study_is_not_deleted(api: httpx.Client) -> None:
    upload(api, name="people").raise_for_status()
    api.post("/v1/studies", json=document(dataset={"kind": "uploaded", "name": "people"})).raise_for_status()
    refused = api.delete("/v1/datasets/people")
    assert refused.status_code == 409
    assert refused.json()["detail"] == "dataset 'people' is that of the studies 'iris'; delete those first"
    api.delete("/v1/studies/iris", params={"force": True}).raise_for_status()
    assert api.delete("/v1/datasets/people").status_code == 204
    assert api.get("/v1/datasets/people").status_code == 404


def test_a_study_says_all_that_is_known_of_its_dataset(api: httpx.Client) -> None:
    digest = upload(api, name="people").json()["digest"]
    study = api.post("/v1/studies", json=document(dataset={"kind": "uploaded", "name": "people"})).json()
    assert (study["spec"]["dataset"]["digest"], study["task"]) == (digest, "binary")
    missing = api.post("/v1/studies", json=document("other", dataset={"kind": "uploaded", "name": "nobody"}))
    assert missing.status_code == 422
    assert missing.json()["errors"][0]["field"] == "dataset.name"


BAD: dict[str, tuple[bytes, str, str]] = {
    "ragged": (b"a,y\n1,0\n2,1,3\n", "csv", "row 3"),
    "no such target": (b"a,b\n1,0\n2,1\n", "csv", "'y'"),
    "one class": (b"a,y\n" + b"1,0\n" * 30, "csv", "y"),
    "not UTF-8": (b"a,y\n\xff\xfe,0\n", "csv", "UTF-8"),
    "empty": (b"", "csv", "empty"),
    "twice the same column": (b"a,a,y\n1,2,0\n", "csv", "'a'"),
    "truncated Parquet": (b"PAR1\x00\x00", "parquet", "Parquet"),
    "no archive": (b"PK\x03\x04", "npz", "npz"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_file_that_is_no_dataset_is_refused_and_not_kept(api: httpx.Client, settings: Settings, bad: str) -> None:
    content, kind, named = BAD[bad]
    before = left_behind()
    answer = upload(api, content, kind)
    assert answer.status_code == 422, answer.text
    assert named in answer.json()["detail"]
    assert kept(settings) == []
    assert left_behind() == before


def test_arrays_of_objects_are_refused(api: httpx.Client, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.array([{}, {}], dtype=object), y=np.array([0, 1]))
    answer = upload(api, (tmp_path / "x.npz").read_bytes(), "npz")
    assert answer.status_code == 422
    assert "object" in answer.json()["detail"]


def test_an_unknown_format_is_refused_with_those_that_are_known(api: httpx.Client) -> None:
    headers = {"content-type": "application/pdf"}
    answer = api.post("/v1/datasets", params={"target": "y"}, content=CSV, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "format")


def test_a_file_that_says_it_is_too_large_is_refused_before_it_comes(api: httpx.Client) -> None:
    answer = upload(api, b"x" * (LIMIT + 1))
    assert answer.status_code == 413
    assert "100,000 bytes, which REGSWEEP_MAX_UPLOAD_BYTES allows" in answer.json()["detail"]


def _begun(api: httpx.Client) -> socket.socket:
    """An upload whose length is not known beforehand."""
    connection = socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=20)
    head = "POST /v1/datasets?target=y&format=csv HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def test_a_file_that_turns_out_too_large_is_refused_while_it_comes(api: httpx.Client, settings: Settings) -> None:
    before = left_behind()
    with _begun(api) as connection:
        block = b"%x\r\n" % LIMIT + b"1" * LIMIT + b"\r\n"
        connection.sendall(block + block)  # and never the end
        assert b"413" in connection.recv(1000).split(b"\r\n")[0]
    eventually(lambda: left_behind() == before, 20)
    assert kept(settings) == []


def test_a_client_that_hangs_up_half_way_leaves_nothing(api: httpx.Client, settings: Settings) -> None:
    before = left_behind()
    with _begun(api) as connection:
        connection.sendall(b"5\r\na,y\n1\r\n")
        eventually(lambda: len(left_behind()) > len(before), 20)
    eventually(lambda: left_behind() == before, 20)
    assert kept(settings) == []
    assert api.get("/healthz").is_success


def test_a_disk_that_is_full_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    large = "age,y\n" + "1,0\n2,1\n" * 100_000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with served(settings) as api:
        before = left_behind()
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
        try:
            answer = upload(api, large)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert answer.status_code == 507, answer.text
        assert left_behind() == before
        assert kept(settings) == []
        assert upload(api, large).status_code == 201
