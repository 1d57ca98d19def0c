"""Files that are no dataset, and uploads that do not come whole: said by row or column, and nothing is left of them."""

from __future__ import annotations

import gzip
import io
import resource
import socket
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from structlog.testing import capture_logs

from service.settings import Settings
from tests.acceptance.polling import eventually
from tests.service.conftest import served, settings_in

LIMIT = 100_000
GOOD = "a,y\n" + "1,0\n2,1\n" * 10


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_in(tmp_path_factory.mktemp("service")).model_copy(update={"max_upload_bytes": LIMIT})


@pytest.fixture(scope="module")
def incoming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where this process, and so the server, has its temporary files."""
    folder = tmp_path_factory.mktemp("incoming")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture(scope="module")
def server(settings: Settings, incoming: Path) -> Iterator[httpx.Client]:
    with served(settings) as client:
        yield client


@pytest.fixture
def api(server: httpx.Client, settings: Settings, incoming: Path) -> Iterator[httpx.Client]:
    """The service; behind each test there is no dataset, no file and no temporary file."""
    yield server
    artifacts = Path(settings.artifacts_url.removeprefix("file://"))
    # What was hung up on is cleared away beside the next request.
    eventually(lambda: not list(incoming.iterdir()), 20)
    assert [path for path in artifacts.rglob("*") if path.is_file()] == []
    assert [one for one in server.get("/v1/datasets").json() if one["kind"] == "uploaded"] == []


def upload(api: httpx.Client, content: bytes | str, kind: str = "csv", **params: Any) -> httpx.Response:
    return api.post("/v1/datasets", params={"target": "y", "format": kind, **params}, content=content)


def arrays(**values: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **values)
    return file.getvalue()


def table(**values: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(values), file)
    return file.getvalue()


def bomb() -> bytes:
    """An archive of some bytes that says it holds a terabyte."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY")
        archive.filelist[0].file_size = 10**12
    return file.getvalue()


def rows(*values: str) -> str:
    return "".join(["a,y\n", *(f"{number},{value}\n" for number, value in enumerate(values))])


#: What is sent, as what, the option that is to blame, and what is said.
BAD: dict[str, tuple[bytes | str, str, str, str]] = {
    "wrong delimiter": ("a:y\n1:0\n", "csv", "target", "no column 'y'; it has 'a:y'; columns are divided by commas, "),
    "another delimiter in the header": (
        "a;y\n1,0\n",
        "csv",
        "file",
        "row 2 (the header is row 1) has 1 fields, and the ",
    ),
    "ragged row": (
        "a,y\n1,0\n2,1,3\n",
        "csv",
        "file",
        "row 3 (the header is row 1) has 3 fields, and the header has 2",
    ),
    "ragged row between semicolons": ("a;y\n1;0\n2;1;3\n", "csv", "file", "the header has 2, divided by semicolons"),
    "no such target": ("a,b\n1,0\n2,1\n", "csv", "target", "the file has no column 'y'; it has 'a', 'b'"),
    "target with missing values": (rows("0", "", "1", ""), "csv", "target", "column 'y' has no value in row 3"),
    "target of one class": (rows(*["u"] * 12), "csv", "target", "column 'y' has one class, 'u', in every row"),
    "class with one row": (rows(*["u"] * 9, "w"), "csv", "target", "column 'y' has one row of the class 'w', row 11"),
    "few rows": (rows("0", "1"), "csv", "file", "the file has 2 rows; at least 10 are needed"),
    "infinite value": ("a,y\n1,0\ninf,1\n", "csv", "file", "column 'a': row 3 (the header is row 1) is infinite"),
    "infinite target": ("a,y\n1,0\n2,-inf\n", "csv", "file", "column 'y': row 3 (the header is row 1) is infinite"),
    "infinite value in an array": (arrays(x=[1, np.inf], y=[0, 1]), "npz", "file", "column 'x': row 2 is infinite"),
    "duplicate column names": ("a,b,a,y\n1,2,3,0\n", "csv", "file", "columns 1 and 3 have the same name 'a'"),
    "two encodings": (
        b"a,y\nGr\xc3\xbcn,0\nGr\xfcn,1\n",
        "csv",
        "encoding",
        "line 3 is not UTF-8 text (byte 0xfc), and ",
    ),
    "truncated gzip": (gzip.compress(GOOD.encode())[:-9], "csv", "file", "the file is not whole gzip data"),
    "CSV as Excel": (GOOD, "xlsx", "file", "the file is not a whole .xlsx workbook"),
    "CSV as JSON lines": (GOOD, "jsonl", "file", "line 1 is not JSON"),
    "CSV as Feather": (GOOD, "feather", "file", "the file is not a whole Feather file"),
    "a list in JSON lines": ('{"a": [1], "y": 0}\n', "jsonl", "file", "line 1: 'a' is a list; make a field of each"),
    "open quote": ('a,"y\n1,0\n', "csv", "file", "row 1 takes up the whole file; is a quote in it not closed?"),
    "empty file": (b"", "csv", "file", "the file is empty; its first row must hold the columns' names"),
    "only a header": ("a,y\n", "csv", "file", "the file has no rows beneath its header"),
    "empty Parquet": (b"", "parquet", "file", "the file is empty, not a Parquet file"),
    "empty archive": (b"", "npz", "file", "the file is empty, not an .npz archive"),
    "truncated Parquet": (table(a=[1] * 99, y=[0] * 99)[:-50], "parquet", "file", "not a whole Parquet file"),
    "truncated archive": (arrays(x=np.zeros(99), y=np.zeros(99))[:-50], "npz", "file", "not a whole .npz archive"),
    "array of objects": (arrays(x=np.array([{}, {}]), y=[0, 1]), "npz", "file", "array 'x' is of Python objects"),
    "zip bomb": (bomb(), "npz", "file", "the file declares 1000.0 GB of arrays; at most "),
    "Parquet as CSV": (table(a=[1], y=[0]), "csv", "file", "the file is a Parquet file, not CSV text"),
    "lists in Parquet": (table(a=[[1], [2]], y=[0, 1]), "parquet", "file", "column 'a' holds list"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_file_that_is_no_dataset_is_refused_by_its_row_or_column(api: httpx.Client, bad: str) -> None:
    content, kind, option, said = BAD[bad]
    answer = upload(api, content, kind)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), answer.text
    assert problem["title"] == "Invalid file"
    assert said in problem["detail"]
    [error] = problem["errors"]
    assert error["field"] == option
    assert error["message"] == problem["detail"].removeprefix(f"{option}: ")


def test_an_unknown_format_is_refused_with_those_that_are_known(api: httpx.Client) -> None:
    answer = api.post("/v1/datasets", params={"target": "y"}, content=GOOD, headers={"content-type": "application/pdf"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "format")


def test_an_encoding_that_is_not_known_is_refused(api: httpx.Client) -> None:
    for params, kind in (({"encoding": "klingon"}, ""), ({}, "; charset=klingon")):
        headers = {"content-type": f"text/csv{kind}"}
        answer = api.post("/v1/datasets", params={"target": "y", **params}, content=GOOD, headers=headers)
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["field"]) == (422, "encoding")
        assert error["message"] == "'klingon' is not known; name one as utf-8, utf-16, cp1252 or gb18030"


URL_ENCODED = "application/x-www-form-urlencoded"


def form(*parts: str, end: str = "--x--\r\n") -> str:
    return "".join(f"--x\r\nContent-Disposition: form-data; {part}\r\n" for part in parts) + end


FILE = f'name="file"; filename="a.csv"\r\n\r\n{GOOD}'
TARGET = 'name="target"\r\n\r\ny'
FORM = "multipart/form-data; boundary=x"

#: What is sent as what with which query, the field that is to blame, and what is said.
BAD_FORMS: dict[str, tuple[str, str, dict[str, str], str, str]] = {
    "curl -d": (
        GOOD,
        URL_ENCODED,
        {"target": "y"},
        "file",
        "send the file with `--data-binary @FILE -H 'Content-Type: ",
    ),
    "curl -d with a format": (
        "a,y1,02,1",
        URL_ENCODED,
        {"target": "y", "format": "csv"},
        "file",
        "or with `-F file=@FILE`",
    ),
    "another form": (
        form(FILE),
        "multipart/mixed; boundary=x",
        {"target": "y"},
        "file",
        "is a form (multipart/mixed), not",
    ),
    "no boundary": (form(FILE), "multipart/form-data", {"target": "y"}, "file", "needs a boundary"),
    "no form": (GOOD, FORM, {"target": "y"}, "file", "the body is not a form of multipart/form-data"),
    "half a form": (form(FILE, end=""), FORM, {"target": "y"}, "file", "the form breaks off before its end"),
    "no file": (form(TARGET), FORM, {}, "file", "the form has no file; send it as the part `file`"),
    "no chosen file": (form('name="file"; filename=""\r\n\r\n'), FORM, {"target": "y"}, "file", "the form has no file"),
    "two files": (form(FILE, FILE), FORM, {"target": "y"}, "file", "the form has two files; send one"),
    "a nameless part": (form(FILE, "nix\r\n\r\n1"), FORM, {"target": "y"}, "file", "a part without a name"),
    "no target": (form(FILE), FORM, {}, "target", "this field is required"),
    "an empty target": (form(FILE, 'name="target"\r\n\r\n'), FORM, {}, "target", "this field is required"),
    "two targets": (form(FILE, TARGET, TARGET), FORM, {}, "target", "more than once"),
    "another in the query": (form(FILE, TARGET), FORM, {"target": "a"}, "target", "is not the same in the query"),
    "unknown field": (form(FILE, TARGET, 'name="weights"\r\n\r\na'), FORM, {}, "weights", "unknown field; choose from"),
    "wrong field": (form(FILE, TARGET, 'name="task"\r\n\r\nrank'), FORM, {}, "task", "'rank' is not known"),
    "bad name": (form(FILE, TARGET, 'name="name"\r\n\r\na/b'), FORM, {}, "name", "1 to 100 printable"),
    "unknown format": (
        form(FILE.replace("a.csv", "a.doc"), TARGET),
        FORM,
        {},
        "format",
        "a.doc is no table: choose CSV",
    ),
    "long fields": (
        form(FILE, TARGET + "y" * 300_000),
        FORM,
        {},
        "file",
        "the form holds more than 100,000 bytes beside",
    ),
    "no dataset": (form(FILE.replace("2,1", "2"), TARGET), FORM, {}, "file", "has 1 fields, and the header has 2"),
}


@pytest.mark.parametrize("bad", BAD_FORMS)
def test_a_form_that_holds_no_dataset_is_refused_with_what_to_send(api: httpx.Client, bad: str) -> None:
    content, content_type, params, name, said = BAD_FORMS[bad]
    answer = api.post(
        "/v1/datasets", params=params, content=iter([content.encode()]), headers={"content-type": content_type}
    )
    assert answer.status_code == 422, answer.text
    assert (answer.json()["errors"][0]["field"], said in answer.json()["detail"]) == (name, True), answer.text


def test_a_file_that_says_it_is_too_large_is_refused_before_it_comes(api: httpx.Client) -> None:
    answer = upload(api, b"x" * (LIMIT + 1))
    assert answer.status_code == 413
    assert "100,000 bytes, which REGSWEEP_MAX_UPLOAD_BYTES allows" in answer.json()["detail"]


def test_a_file_in_a_form_that_is_too_large_is_refused_before_or_while_it_comes(api: httpx.Client) -> None:
    whole = api.post("/v1/datasets", params={"target": "y"}, files={"file": ("a.csv", b"1" * (2 * LIMIT))})
    assert whole.status_code == 413
    assert "the file is larger than 100,000 bytes, which REGSWEEP_MAX_UPLOAD_BYTES" in whole.json()["detail"]
    with begun(api, f"Transfer-Encoding: chunked\r\nContent-Type: {FORM}") as connection:
        block = form('name="file"\r\n\r\n' + "1" * (LIMIT + 100), end="").encode()
        connection.sendall(b"%x\r\n" % len(block) + block + b"\r\n")  # and never the end
        assert b"413" in connection.recv(1000).split(b"\r\n")[0]


def begun(api: httpx.Client, header: str) -> socket.socket:
    """An upload of which nothing but the head was sent."""
    connection = socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=20)
    head = f"POST /v1/datasets?target=y&format=csv HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def test_a_file_that_turns_out_too_large_is_refused_while_it_comes(api: httpx.Client) -> None:
    with begun(api, "Transfer-Encoding: chunked") as connection:
        block = b"%x\r\n" % LIMIT + b"1" * LIMIT + b"\r\n"
        connection.sendall(block + block)  # and never the end
        assert b"413" in connection.recv(1000).split(b"\r\n")[0]


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("Content-Length: 1000", b"a,y\n1,0\n"),
        ("Transfer-Encoding: chunked", b"8\r\na,y\n1,0\n\r\n"),
        (f"Content-Length: 1000\r\nContent-Type: {FORM}", form(FILE, end="").encode()),
    ],
    ids=["of a known length", "in chunks", "in a form"],
)
def test_a_client_that_hangs_up_half_way_leaves_nothing(
    api: httpx.Client, incoming: Path, header: str, part: bytes
) -> None:
    with capture_logs() as logged:
        with begun(api, header) as connection:
            connection.sendall(part)
            eventually(lambda: bool(list(incoming.iterdir())), 20)
        eventually(lambda: not list(incoming.iterdir()), 20)
        assert api.get("/healthz").is_success
    assert [line for line in logged if line["log_level"] == "error"] == []


def test_a_disk_that_is_full_is_said(api: httpx.Client) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        answer = upload(api, "a,y\n" + "1,0\n2,1\n" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answer.status_code == 507, answer.text
    assert "the file cannot be written: File too large" in answer.json()["detail"]


def test_a_folder_that_cannot_keep_the_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("no folder")
    with served(settings_in(tmp_path)) as api:
        answer = upload(api, GOOD)
        assert answer.status_code == 503, answer.text
        assert "cannot be" in answer.json()["detail"]
        assert not any(one["kind"] == "uploaded" for one in api.get("/v1/datasets").json())


DIVIDED = {"semicolons": ";", "tabs": "\t", "bars": "|"}


@pytest.mark.parametrize("words", DIVIDED)
def test_another_delimiter_is_seen_and_said(api: httpx.Client, words: str) -> None:
    divider = DIVIDED[words]
    found = upload(api, GOOD.replace(",", divider)).json()
    assert api.delete(f"/v1/datasets/{found['name']}").status_code == 204
    assert [column["name"] for column in found["profile"]["columns"]] == ["a", "y"]
    assert f"columns are divided by {words}, as row 1 is" in found["profile"]["warnings"][0]


def test_decimal_commas_between_semicolons_are_numbers(api: httpx.Client) -> None:
    found = upload(api, "weight;y\n" + "1,5;0\n-2,25;1\n" * 10).json()
    assert api.delete(f"/v1/datasets/{found['name']}").status_code == 204
    [weight, _] = found["profile"]["columns"]
    assert (weight["kind"], weight["low"], weight["high"]) == ("number", -2.25, 1.5)
    assert found["profile"]["warnings"][1].endswith(": numbers with a comma as the decimal point")
