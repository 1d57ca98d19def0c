"""Runs the HTTP server in this process until it is told to stop."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import sys
from functools import partial
from importlib.abc import MetaPathFinder
from typing import Any, cast

import structlog
import uvicorn
from fastapi import FastAPI

from service import tracing
from service.api import freed_memory
from service.api.app import create_app
from service.api.connections import Bounds, Connection, bounds_of, close_overdue, log_accept_errors
from service.api.hub import Hub
from service.api.log_bound import OnceAMinute
from service.errors import AddressError, NoKeyError
from service.ray.fleet import RayFleet
from service.settings import Settings
from service.storage import database, schema
from service.storage.keys import KeyStore
from service.storage.store import Store
from service.worker.fleet import Fleet

_log = structlog.get_logger(__name__)

_BACKLOG = 128  # connections that wait to be accepted; asyncio accepts as many at once
_GRACE_SECONDS = 5  # for requests that have begun; the workers need a share of the time a container has to stop


def run(settings: Settings) -> None:
    """Serve the API, the dashboard and a fleet of workers until SIGINT or SIGTERM.

    Raises AddressError when the address cannot be bound, NoKeyError when other machines can reach it and no key exists.
    """
    tracing.configure("regsweep")
    schema.check(settings.database_url)
    with _bind(settings) as listener:
        host, port = listener.getsockname()[:2]
        if settings.is_behind_proxy:
            _check_key(settings.database_url, "a proxy's clients")
        if not ipaddress.ip_address(host).is_loopback:
            _check_key(settings.database_url, host)
        fleet = _fleet(settings)
        logging.getLogger("uvicorn.error").addFilter(OnceAMinute())
        # It tells operators to install what the server does without.
        logging.getLogger("uvicorn.error").addFilter(lambda record: "WebSocket library" not in record.getMessage())
        for name in ("_app", "_bottle_util"):  # which log each of its errors with a traceback
            logging.getLogger(f"optuna_dashboard.{name}").addFilter(OnceAMinute(all_alike=True))
        server = Server(create_app(settings, fleet), bounds_of(settings.max_connections))
        if not schema.exists(settings.database_url):
            _log.info("a new database is made", at=database.place(settings.database_url))
        url = f"http://{host}:{port}{settings.root_path}"
        others = {"api": f"{url}/docs", "dashboard": f"{url}/dashboard"}
        _log.info(f"regsweep listens: the pages are on {url}", **others, workers=_workers_text(settings))
        sys.meta_path.insert(0, _WithoutPandas())
        freed_memory.bound_arenas()
        try:
            server.run(sockets=[listener])
        finally:
            tracing.shut_down()


def _workers_text(settings: Settings) -> int | str:
    return f"{settings.min_workers} to {settings.max_workers} on Ray" if settings.fleet == "ray" else settings.workers


def _fleet(settings: Settings) -> Fleet | RayFleet | None:
    if settings.fleet == "ray":
        return RayFleet(settings)
    return Fleet(settings, settings.workers) if settings.workers else None


class _WithoutPandas(MetaPathFinder):
    """Keeps scikit-learn and plotly from importing pandas with all of Arrow: 65 MB that are of no use to a server."""

    def find_spec(self, fullname: str, *_: object) -> None:
        """Find nothing, and let nobody else find pandas."""
        if fullname == "pandas":
            raise ModuleNotFoundError("the server does without pandas", name=fullname)


class Server(uvicorn.Server):
    """Uvicorn for our app: ends the streams of events before it waits for the requests that have begun."""

    def __init__(self, app: FastAPI, bounds: Bounds | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                http=cast(Any, partial(Connection, bounds=bounds or Bounds())),
                ws="none",  # no route is a WebSocket
                proxy_headers=False,  # BehindProxy reads them
                server_header=False,
                backlog=_BACKLOG,
                # Longer than the minute after which most clients and proxies close an idle connection: a server that
                # closes it first may do so while a request is on its way.
                timeout_keep_alive=75,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._hub: Hub = app.state.hub
        self._looked_at = 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start; errors of accepting connections do not fill the log."""
        log_accept_errors(asyncio.get_running_loop())
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Look for connections that are overdue, each second; uvicorn ticks ten times as often."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            close_overdue(self.server_state.connections, now, now - self._looked_at)
            self._looked_at = now
        return await super().on_tick(counter)

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
