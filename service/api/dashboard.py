"""Mounts the Optuna dashboard on the same port; its first request loads it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.lazy_store import LazyStore
from service.api.problems import problem
from service.scopes import READS
from service.storage import database

if TYPE_CHECKING:
    from a2wsgi import WSGIMiddleware
    from optuna.storages import RDBStorage

#: The dashboard cannot live under a sub-path; these are the paths it answers.
_PATHS = ("/dashboard", "/static", "/api", "/artifacts", "/favicon.ico")


class Dashboard:
    """An ASGI app for every path that is no route of ours: answers the dashboard's paths, refuses all others.

    The dashboard has no authentication and many write routes, so only reads pass unless `writes` is set.
    """

    def __init__(self, lazy_store: LazyStore, *, writes: bool) -> None:
        self._lazy_store = lazy_store
        self._writes = writes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        await (await self._answer(scope))(scope, receive, send)

    async def _answer(self, scope: Scope) -> ASGIApp:
        path: str = scope["path"]
        if not any(path == known or path.startswith(f"{known}/") for known in _PATHS):
            return problem(404, "Not found", f"there is nothing at {path}; /docs lists what there is")
        if scope["method"] not in READS and not self._writes:
            return problem(
                403, "Forbidden", "the dashboard may only read here; set REGSWEEP_DASHBOARD_WRITES=true to let it write"
            )
        return await run_in_threadpool(lambda: cast(ASGIApp, self._wsgi))

    def forget(self) -> None:
        """Drop the dashboard's cache: SQLite gives the number of a deleted Optuna study to the next one."""
        self.__dict__.pop("_wsgi", None)

    def close(self) -> None:
        """Close its connections."""
        if "_storage" in self.__dict__:
            self._storage.engine.dispose()

    @cached_property
    def _storage(self) -> RDBStorage:
        # The store first: two threads that make Optuna's tables at once get in each other's way.
        return database.optuna_storage(self._lazy_store.get().url, reads=not self._writes)

    @cached_property
    def _wsgi(self) -> WSGIMiddleware:
        import optuna_dashboard
        from a2wsgi import WSGIMiddleware
        from optuna.storages import get_storage

        return WSGIMiddleware(optuna_dashboard.wsgi(get_storage(self._storage)))
