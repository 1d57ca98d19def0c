"""Runs the HTTP server in this process until it is told to stop."""

from __future__ import annotations

import ipaddress
import socket

import structlog
import uvicorn
from fastapi import FastAPI

from service import tracing
from service.api.app import create_app
from service.api.hub import Hub
from service.errors import AddressError, NoKeyError
from service.settings import Settings
from service.storage import database
from service.storage.keys import KeyStore
from service.storage.store import Store
from service.worker.fleet import Fleet

_log = structlog.get_logger(__name__)

_GRACE_SECONDS = 5  # for requests that have begun; the workers need a share of the time a container has to stop


def run(settings: Settings) -> None:
    """Serve the API, the dashboard and a fleet of workers until SIGINT or SIGTERM.

    Raises AddressError when the address cannot be bound, NoKeyError when other machines can reach it and no key exists.
    """
    tracing.configure("regsweep")
    database.check(settings.database_url)
    with _bind(settings) as listener:
        host, port = listener.getsockname()[:2]
        if not ipaddress.ip_address(host).is_loopback:
            _check_key(settings.database_url, host)
        fleet = Fleet(settings, settings.workers) if settings.workers else None
        server = Server(create_app(settings, fleet))
        if not database.exists(settings.database_url):
            _log.info("a new database is made", at=database.place(settings.database_url))
        url = f"http://{host}:{port}"
        others = {"api": f"{url}/docs", "dashboard": f"{url}/dashboard"}
        _log.info(f"regsweep listens: the pages are on {url}", **others, workers=settings.workers)
        try:
            server.run(sockets=[listener])
        finally:
            tracing.shut_down()


class Server(uvicorn.Server):
    """Uvicorn for our app: ends the streams of events before it waits for the requests that have begun."""

    def __init__(self, app: FastAPI) -> None:
        # Longer than the minute after which most clients and proxies close an idle connection: a server that closes it
        # first may do so while a request is on its way.
        super().__init__(
            uvicorn.Config(app, log_config=None, timeout_keep_alive=75, timeout_graceful_shutdown=_GRACE_SECONDS)
        )
        self._hub: Hub = app.state.hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down; streams would never end by themselves."""
        self._hub.close()
        await super().shutdown(sockets)


def _bind(settings: Settings) -> socket.socket:
    """Bind the socket before anything else is started, so that a port in use is an error at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise AddressError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another with --host and --port"
        ) from error
    return listener


def _check_key(database_url: str, host: str) -> None:
    """Raise NoKeyError unless there is a usable key, which requests from other machines need."""
    store = Store(database_url)
    try:
        if not KeyStore(store).has_usable_keys():
            raise NoKeyError(host)
    finally:
        store.close()
