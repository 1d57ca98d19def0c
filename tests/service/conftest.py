"""A database, a folder of artifacts and the app, each fresh and in this process."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import httpx
import pytest

from service.api.app import create_app
from service.api.connections import Bounds
from service.api.server import Server
from service.settings import Settings
from service.storage.keys import KeyStore
from service.storage.store import Store
from service.worker.fleet import Fleet
from tests.acceptance.polling import eventually
from tests.postgresql import PostgreSQL, postgresql
from tests.s3 import S3


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "regsweep.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is said of the store is a contract that both databases keep; what looks into SQLite's file is its own."""
    if "store" in metafunc.fixturenames:
        backends = ["SQLite"] if "database" in metafunc.fixturenames else ["SQLite", "PostgreSQL"]
        metafunc.parametrize("backend", backends, indirect=True)


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "SQLite")


@pytest.fixture(scope="session")
def postgresql_template() -> Iterator[PostgreSQL]:
    """A server with a prepared database of the name `prepared`, to be copied."""
    with postgresql() as server:
        Store(server.url("prepared")).close()
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared database, to be copied: the migrations take forty times as long."""
    path = tmp_path_factory.mktemp("template") / "regsweep.db"
    Store(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The database's, which is that of everything in the test."""
    if backend == "SQLite":
        path = tmp_path / "regsweep.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql_template")
    yield server.url("test", "prepared")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    server = S3()
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The server of the tests as the one that the environment names."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture(params=["file", "s3"])
def artifacts_url(request: pytest.FixtureRequest, folder: Path) -> str:
    """An empty folder of artifacts, on each kind of place."""
    if request.param == "file":
        return f"file://{folder}"
    server: S3 = request.getfixturevalue("s3")
    return server.bucket()


@cache
def _certificates() -> ssl.SSLContext:
    """Read once: each client would read them, a fifth of a second long, and none needs them."""
    return ssl.create_default_context()


@contextmanager
def served(
    settings: Settings, fleet: Fleet | None = None, port: int = 0, bounds: Bounds | None = None
) -> Iterator[httpx.Client]:
    """A client of the app on a socket of its own; without a fleet no workers."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # for a server that starts again
        listener.bind(("127.0.0.1", port))
        server = Server(create_app(settings, fleet), bounds)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            eventually(lambda: server.started, 20)
            for opener in threading.enumerate():  # it logs what a command beside it would seem to have printed
                if opener.name == "opener":
                    opener.join(30)
            # A connection a request: one that was closed behind an error 500 is never used again.
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(
                base_url=url, headers={"Connection": "close"}, timeout=30, verify=_certificates()
            ) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


def settings_in(folder: Path, url: str | None = None, *, dashboard_writes: bool = False) -> Settings:
    return Settings(
        database_url=url or f"sqlite:///{folder / 'regsweep.db'}",
        artifacts_url=f"file://{folder / 'artifacts'}",
        workers=0,
        dashboard_writes=dashboard_writes,
    )


@pytest.fixture
def api(tmp_path: Path, url: str) -> Iterator[httpx.Client]:
    """An empty service."""
    with served(settings_in(tmp_path, url)) as client:
        yield client


@pytest.fixture(scope="module")
def keys(folder: Path) -> Iterator[KeyStore]:
    """The keys of a module whose own `folder` lasts as long as it."""
    store = Store(settings_in(folder).database_url)
    yield KeyStore(store)
    store.close()


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service that the tests of one file share; what they send is refused."""
    with served(settings_in(tmp_path_factory.mktemp("service"))) as client:
        yield client
