"""What connections may keep waiting, how many there are, and what strangers leave in the log, all over real sockets."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from service.api.body_limit import BodyLimit
from service.api.connections import Bounds, bounds_of, log_accept_errors
from service.api.log_bound import OnceAMinute
from service.storage.keys import KeyStore
from service.storage.store import Store
from tests.acceptance.polling import eventually
from tests.service.conftest import served, settings_in
from tests.service.documents import document
from tests.service.test_keys import bearer

SHORT = Bounds(header_seconds=0.5, body_seconds=0.5, answer_seconds=0.5)
_POST = b"POST /v1/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[httpx.Client]:
    with served(settings_in(tmp_path), bounds=SHORT) as client:
        yield client


@contextmanager
def connected(api: httpx.Client, data: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", api.base_url.port or 0), timeout=30) as connection:
        connection.sendall(data)
        yield connection


def answer(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    parts = []
    try:
        while part := connection.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HT",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    ],
)
def test_a_connection_whose_request_does_not_come_is_closed(api: httpx.Client, sent: bytes) -> None:
    with connected(api, sent) as connection:
        assert answer(connection) == b""


@pytest.mark.parametrize(
    "sent",
    [
        _POST + b"Content-Length: 1000\r\n\r\n{",
        _POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nkey=",
        b"POST /v1/datasets?target=y&format=csv&name=a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\na,y",
    ],
)
def test_a_body_that_does_not_come_is_told_so_before_its_connection_is_closed(api: httpx.Client, sent: bytes) -> None:
    with connected(api, sent) as connection:
        said = problem_of(answer(connection), b"408 Request Timeout")
    assert said["detail"] == "the body did not come in time; send 1,000 bytes a second at least"


def problem_of(answered: bytes, status: bytes) -> dict[str, object]:
    """The problem that stands in an answer, and the id in its header."""
    head, _, body = answered.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 " + status
    headers = dict(line.lower().split(b": ", 1) for line in lines[1:])
    said: dict[str, object] = json.loads(body)
    assert headers[b"content-type"] == b"application/problem+json"
    assert (headers[b"x-request-id"].decode(), headers[b"connection"]) == (said["request_id"], b"close")
    assert said["status"] == int(status[:3])
    return said


def test_what_is_no_http_is_told_so_as_a_problem(api: httpx.Client) -> None:
    with connected(api, b"no http\r\n\r\n") as connection:
        assert str(problem_of(answer(connection), b"400 Bad Request")["detail"]).startswith(
            "this is no request of HTTP"
        )


def test_a_body_that_memory_holds_comes_within_a_minute_however_steadily_it_comes() -> None:
    answered: list[Message] = []

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await Request(scope, receive).body()
        except HTTPException as error:
            await send({"type": "told", "status": error.status_code, "detail": error.detail})

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def keep(message: Message) -> None:
        answered.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/studies", "headers": [], "query_string": b""}
    asyncio.run(BodyLimit(read, 1000, 1000, seconds=0.01)(scope, never, keep))
    assert answered == [{"type": "told", "status": 408, "detail": "the body did not come within 0.01 seconds"}]


def test_a_second_request_that_does_not_come_is_closed_too(api: httpx.Client) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with connected(api, whole) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.sendall(whole[:20])
        assert b"HTTP/1.1" not in answer(connection)


def test_a_client_that_takes_nothing_of_its_answer_is_dropped(api: httpx.Client) -> None:
    api.get("/static/bundle.js").raise_for_status()
    before = _open_files()
    with connected(api, b"GET /static/bundle.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"):
        eventually(lambda: _open_files() == before + 2, 20)  # both ends: the server is in this process
        eventually(lambda: _open_files() == before + 1, 20)


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_body_may_take_long_while_it_comes(tmp_path: Path) -> None:
    bounds = Bounds(header_seconds=0.5, body_seconds=0.1, body_rate=10)
    with served(settings_in(tmp_path), bounds=bounds) as api, connected(api) as connection:
        body = httpx.Request("POST", "/", json=document("slow")).content.ljust(1000)
        connection.sendall(_POST + f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:900])
        with connected(api) as other:
            answer(other)  # half a second at least
        connection.sendall(body[900:])
        assert connection.recv(12) == b"HTTP/1.1 201"


def test_one_connection_too_many_closes_the_one_that_has_idled_longest(tmp_path: Path) -> None:
    with (
        served(settings_in(tmp_path), bounds=Bounds(connections=2)) as api,
        connected(api) as oldest,
        connected(api, b"GET /healthz") as second,
        connected(api) as newest,
    ):
        assert answer(oldest) == b""
        for connection, rest in ((second, b" HTTP/1.1"), (newest, b"GET /healthz HTTP/1.1")):
            connection.sendall(rest + b"\r\nHost: 127.0.0.1\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"


def test_where_no_connection_idles_one_more_is_told_to_come_later(tmp_path: Path) -> None:
    with served(settings_in(tmp_path), bounds=Bounds(connections=1)) as api:
        api.post("/v1/studies", json=document("waiting")).raise_for_status()
        with connected(api, b"GET /v1/studies/waiting/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as stream:
            assert stream.recv(12) == b"HTTP/1.1 200"
            with connected(api) as other:
                refused = answer(other)
            assert refused.startswith(b"HTTP/1.1 503")
            assert b"\r\nretry-after: 5\r\n" in refused


def test_bodies_at_once_are_bounded_and_the_bound_is_free_again_afterwards(tmp_path: Path) -> None:
    settings = settings_in(tmp_path).model_copy(update={"max_body_bytes": 5000, "max_bodies_bytes": 5000})
    with served(settings) as api:
        with held_body(api) as (held, refused):
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            held.shutdown(socket.SHUT_RDWR)
        eventually(lambda: api.post("/v1/studies/check", json=document("small")).status_code == 200, 20)


def test_a_body_that_is_declared_and_does_not_come_holds_nobody_up(tmp_path: Path) -> None:
    settings = settings_in(tmp_path).model_copy(update={"max_body_bytes": 5000, "max_bodies_bytes": 5000})
    with served(settings) as api, connected(api, _POST + b"Content-Length: 5000\r\n\r\n{"):
        assert [api.post("/v1/studies/check", json=document("small")).status_code for _ in range(3)] == [200] * 3


def test_one_key_leaves_half_of_the_room_for_bodies_to_others(tmp_path: Path) -> None:
    settings = settings_in(tmp_path).model_copy(update={"max_body_bytes": 5000, "max_bodies_bytes": 10_000})
    keys = KeyStore(Store(settings.database_url))
    ours, others = (bearer(keys.create(name, "submit").text) for name in ("ours", "others"))
    with served(settings) as api, held_body(api, ours):
        assert api.post("/v1/studies/check", json=document("small"), headers=others).status_code == 200


@contextmanager
def held_body(
    api: httpx.Client, headers: Mapping[str, str] | None = None
) -> Iterator[tuple[socket.socket, httpx.Response]]:
    """A body that lacks its last bytes and leaves no room for another; and the refusal of another."""
    head = _POST + "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items()).encode()

    def hold() -> tuple[ExitStack, socket.socket, httpx.Response] | None:
        with ExitStack() as stack:
            held = stack.enter_context(connected(api, head + b"Content-Length: 5000\r\n\r\n{" + b" " * 4990))
            for _ in range(20):
                if (refused := _busy(api, headers)) is not None:
                    return stack.pop_all(), held, refused
        return None  # it came while another was there, and was refused itself

    found = eventually(hold, 20)
    assert found is not None
    with found[0]:
        yield found[1:]


def _busy(api: httpx.Client, headers: Mapping[str, str] | None = None) -> httpx.Response | None:
    refused = api.post("/v1/studies/check", json=document("small"), headers=headers)
    return refused if refused.status_code == 503 else None


@pytest.mark.parametrize("path", ["/login", "/v1/studies", "/v1/datasets", "/v1/studies/a/predict", "/v1/models/read"])
def test_a_client_that_hangs_up_leaves_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    half = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\nkey="
    with served(settings_in(tmp_path)) as api:
        for _ in range(3):
            with connected(api, half.encode()):
                pass
        assert api.get("/healthz").is_success
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_warning_that_strangers_cause_is_logged_once_a_minute() -> None:
    once = OnceAMinute()
    bad = logging.makeLogRecord({"msg": "Invalid HTTP request received.", "levelno": logging.WARNING})
    error = logging.makeLogRecord({"msg": "it broke", "levelno": logging.ERROR})
    assert [once.filter(record) for record in (bad, bad, error, error)] == [True, False, True, True]


def test_that_nothing_can_be_accepted_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    log_accept_errors(loop)
    context = {"message": "socket.accept() out of system resource", "exception": OSError(24, "Too many open files")}
    for _ in range(100):
        loop.call_exception_handler(context)
    loop.close()
    assert len(caplog.records) <= 1


def test_no_more_connections_are_taken_than_files_can_be_open() -> None:
    assert bounds_of(10).connections == 10
    assert bounds_of(10**9).connections < 10**9
