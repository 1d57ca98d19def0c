"""The client waits for a server that is restarting, repeats only what may be repeated, and says what was refused."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import uvicorn

from service.api.app import create_app
from service.client import Client
from service.errors import NameInUseError, NotFoundError, RefusedError, UnreachableError
from studies.errors import FieldError, InvalidSpecError
from tests.acceptance.polling import eventually
from tests.service.conftest import settings_in
from tests.service.documents import document


@pytest.fixture
def port() -> int:
    """A port that a server can take again and again."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(folder: Path, port: int) -> Iterator[None]:
    """The real service on a port."""
    config = uvicorn.Config(create_app(settings_in(folder)), port=port, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started, 20)
        yield
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def beside(call: Callable[[], object]) -> Iterator[Future[object]]:
    """A call that is made in a thread meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call)


def client(port: int, patience: float = 30.0) -> Client:
    return Client(f"http://127.0.0.1:{port}", patience_seconds=patience)


def test_a_server_that_was_never_there_is_not_waited_for(port: int) -> None:
    with client(port, 600.0) as here:
        assert not here.is_healthy()
        with pytest.raises(UnreachableError, match=r"^no server at http://127.0.0.1:\d+ \(.*refused\)$"):
            here.study("iris")


@pytest.mark.parametrize("what", ["study", "studies", "trials", "submit", "delete"])
def test_a_server_that_restarts_is_waited_for(tmp_path: Path, port: int, what: str) -> None:
    with client(port) as here:
        calls: dict[str, Callable[[], object]] = {
            "study": lambda: here.study("iris").name,
            "studies": lambda: [study.name for study in here.studies()],
            "trials": lambda: list(here.trials("iris")),
            "submit": lambda: here.submit(document("other")).name,
            "delete": lambda: here.delete("iris", force=True),
        }
        expected = {"study": "iris", "studies": ["iris"], "trials": [], "submit": "other", "delete": None}
        with serving(tmp_path, port):
            here.submit(document())
        with beside(calls[what]) as call:
            assert not call.done()
            with serving(tmp_path, port):
                assert call.result(30) == expected[what]


def test_patience_has_an_end(tmp_path: Path, port: int) -> None:
    with client(port, 0.2) as here:
        with serving(tmp_path, port):
            here.submit(document())
        with pytest.raises(UnreachableError, match="no server at"):
            here.study("iris")


def test_what_a_server_refuses_is_raised_at_once_with_every_reason(tmp_path: Path, port: int) -> None:
    with client(port, 600.0) as here, serving(tmp_path, port):
        here.submit(document())
        with pytest.raises(NameInUseError, match=r"^a study named 'iris' exists; choose") as in_use:
            here.submit(document())
        assert (in_use.value.status, in_use.value.fields) == (409, ())
        with pytest.raises(NotFoundError, match=r"^there is no study named 'nowhere'$") as missing:
            here.study("nowhere")
        assert missing.value.status == 404
        with pytest.raises(InvalidSpecError) as refused:
            here.submit(document("x", seed=-1, budget={"trials": 0}))
        assert refused.value.status == 422
        assert [error.field for error in refused.value.fields] == ["budget.trials", "seed"]
        assert refused.value.fields[1] == FieldError("seed", "must be greater than or equal to 0")


class Stuttering(BaseHTTPRequestHandler):
    """A server of another making, whose answers get lost on their way: the service itself cannot be made to do so."""

    keys: list[str | None]
    away: int

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).keys.append(self.headers["Idempotency-Key"])
        type(self).away -= 1
        if self.away == 1:
            self.close_connection = True  # without a word
            return
        self.send_response(503 if self.away >= 0 else 422)
        self.end_headers()
        self.wfile.write(b'{"detail": "away"}' if self.away >= 0 else b'{"detail": "at last"}')

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def stuttering() -> Iterator[int]:
    Stuttering.keys, Stuttering.away = [], 2
    with HTTPServer(("127.0.0.1", 0), Stuttering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_submission_whose_answer_was_lost_is_sent_again_under_its_own_key(stuttering: int) -> None:
    with client(stuttering) as here:
        here.report("iris")  # it has met the server
        with pytest.raises(RefusedError, match="at last"):
            here.submit(document())
        first, *more = Stuttering.keys
        assert first
        assert more == [first, first]
        with pytest.raises(RefusedError, match="at last"):
            here.submit(document())
        assert Stuttering.keys[-1] not in {None, first}


def test_what_may_not_be_repeated_is_sent_once(stuttering: int) -> None:
    with client(stuttering) as here:
        here.report("iris")
        with pytest.raises(UnreachableError, match="no server at"):
            here.set_state("iris", "pause")
        assert Stuttering.keys == [None]


class Gateway(BaseHTTPRequestHandler):
    """A proxy: its own answers while the server behind it is away, then the server's."""

    answers: list[int]
    stream = b"event: end\ndata: {}\n\n"

    def do_GET(self) -> None:
        status = type(self).answers.pop(0)
        is_stream = status == 200 and self.path.endswith("/events")
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream" if is_stream else "text/html")
        if status == 308:
            self.send_header("Location", "https://elsewhere/regsweep")
        self.end_headers()
        self.wfile.write(self.stream if is_stream else b"<html>Bad Gateway</html>")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def gateway() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_server_that_restarts_behind_a_proxy_is_waited_for(gateway: int) -> None:
    Gateway.answers = [200, 502, 504, 200, 502, 200]
    with client(gateway) as here:
        here.report("iris")
        assert "Bad Gateway" in here.report("iris")  # the last answer's body
        assert [type(event).__name__ for event in here.events("iris")] == ["EndEvent"]
    assert not Gateway.answers


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (
            502,
            UnreachableError,
            r"no server behind http\S+/iris/report \(a proxy answered 502 Bad Gateway\)",
        ),
        (308, RefusedError, "leads to https://elsewhere/regsweep; name the server by where that is"),
        (404, RefusedError, r"is not regsweep's \(404 Not Found\); give the URL with the path"),
    ],
)
def test_the_page_of_a_proxy_is_told_in_a_sentence(
    gateway: int, status: int, error: type[Exception], words: str
) -> None:
    Gateway.answers = [status]
    with client(gateway) as here, pytest.raises(error, match=words):
        here.report("iris")


def test_who_does_not_know_a_certificate_is_told_how_to_trust_it() -> None:
    untrusted = UnreachableError("https://localhost", "[SSL] certificate verify failed: self-signed certificate")
    assert str(untrusted).endswith("self-signed certificate; SSL_CERT_FILE names a certificate to trust)")


def test_whether_something_has_a_name_is_asked_of_the_server_whose_unicode_may_be_newer(stuttering: int) -> None:
    with client(stuttering) as here:
        assert here.report("no Python prints \ue000") == ""
