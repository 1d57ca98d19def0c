"""Mounts the Optuna dashboard on the same port; its first request loads it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api import dashboard_writes
from service.api.lazy_store import LazyStore
from service.api.problems import answer, problem
from service.errors import NotFoundError
from service.scopes import READS
from service.storage import database

if TYPE_CHECKING:
    from a2wsgi import WSGIMiddleware
    from optuna.storages import RDBStorage

#: The dashboard cannot live under a sub-path; these are the paths it answers.
_PATHS = ("/dashboard", "/static", "/api", "/artifacts", "/csv", "/favicon.ico", "/incompatible-rdb-schema")
_LIST = "/api/studies"  # a study's own page reads it from /api/studies/{id}


class Dashboard:
    """An ASGI app for every path that is no route of ours: answers the dashboard's paths, refuses all others.

    The dashboard has no authentication and many write routes, so only reads pass unless `writes` is set; and then those
    writes that leave our studies whole, see dashboard_writes.py.
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
            missing = f"there is nothing at {path}; /docs lists what there is"
            return answer(Request(scope), NotFoundError.status, NotFoundError.title, missing)
        if scope["method"] not in READS:
            reason = await run_in_threadpool(self._why_refused, scope["method"], path)
            if reason is not None:
                # Where the dashboard shows a reason, it shows `reason`.
                return problem(403, "Forbidden", reason, reason=reason)
        lists = scope["method"] in READS and path.rstrip("/") == _LIST
        return await run_in_threadpool(lambda: cast(ASGIApp, self._listing_wsgi if lists else self._wsgi))

    def _why_refused(self, method: str, path: str) -> str | None:
        if not self._writes:
            return "the dashboard may only read here; set REGSWEEP_DASHBOARD_WRITES=true to let it write"
        with self._lazy_store.get().reading() as session:
            return dashboard_writes.why_refused(session, method, path)

    def forget(self) -> None:
        """Drop the dashboard's cache: SQLite gives the number of a deleted Optuna study to the next one."""
        self.__dict__.pop("_wsgi", None)

    def close(self) -> None:
        """Close its connections."""
        for name in ("_storage", "_listing_storage"):
            if name in self.__dict__:
                getattr(self, name).engine.dispose()

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

    @cached_property
    def _listing_storage(self) -> RDBStorage:
        from service.api.users_studies import UsersStudies

        return database.optuna_storage(self._lazy_store.get().url, reads=True, kind=UsersStudies)

    @cached_property
    def _listing_wsgi(self) -> WSGIMiddleware:
        """The dashboard again, for its list alone: each page of a study finds it in a list that has the parts too."""
        import optuna_dashboard
        from a2wsgi import WSGIMiddleware

        return WSGIMiddleware(optuna_dashboard.wsgi(self._listing_storage))
