"""Mounts the Optuna dashboard on the same port; its first request loads it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import dashboard_files, dashboard_reads, dashboard_writes
from service.api.failed_keys import REASON
from service.api.lazy_store import LazyStore
from service.api.log_bound import OnceAMinute
from service.api.problems import answer, problem
from service.api.responses import asset_response
from service.errors import ForbiddenError, NotFoundError, ServiceError
from service.scopes import READS
from service.storage import transactions
from service.storage.records import KeyRecord
from studies.errors import InvalidSpecError

if TYPE_CHECKING:
    from a2wsgi import WSGIMiddleware
    from optuna.storages import RDBStorage

_log, _once = structlog.get_logger(__name__), OnceAMinute()
_MAX_SHOWN = 200
#: Where it has no page.
_DATA = ("/api/", "/artifacts/", "/csv/")
#: Its code: large, so that it is asked for anew and not sent anew.
_FILES = ("/static/", "/favicon.ico")
_READS_ALONE = "the dashboard may only read here; set REGSWEEP_DASHBOARD_WRITES=true to let it write"
_LIST = "/api/studies"  # a study's own page reads it from /api/studies/{id}


class Dashboard:
    """An ASGI app for every path that is no route of ours: answers the dashboard's paths, refuses all others.

    The dashboard has no authentication and many write routes, so only reads pass unless `writes` is set; and then those
    writes that leave our studies whole, see dashboard_writes.py.
    """

    def __init__(self, lazy_store: LazyStore, *, writes: bool, root_path: str = "") -> None:
        self._lazy_store = lazy_store
        self._writes = writes
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        app = _contained(await self._answer(scope, receive))
        if self._root_path and scope["path"].startswith("/dashboard"):
            send = _rewritten(send, partial(dashboard_files.page_under, self._root_path))
        await app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> ASGIApp:
        place: str = scope["path"].rstrip("/")  # as the dashboard reads it
        allowed = self._methods(place)
        if allowed is None:
            return _nothing(scope, self._root_path)
        scope["is_dashboard"] = True
        if scope["method"] == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join(allowed)})
        if _is_limited(scope):
            sentence = "the dashboard shows the studies of every project, and this key is limited to some"
            return answer(Request(scope), ForbiddenError.status, ForbiddenError.title, sentence)
        if scope["method"] not in READS:
            return await self._write(scope, receive, allowed)
        return await self._read(scope, place, allowed)

    def _methods(self, place: str) -> list[str] | None:
        """The methods of a path, whatever is there; None when the dashboard has no such path."""
        reads = {"GET", "HEAD"} if dashboard_reads.is_read(place) else set()
        writes = dashboard_writes.methods_at(place)
        if not reads and not writes and not dashboard_writes.is_withheld(place):
            return None
        return sorted({"OPTIONS"} | reads | (writes if self._writes else set()))

    async def _read(self, scope: Scope, place: str, allowed: Sequence[str]) -> ASGIApp:
        """The dashboard, with what was checked for its query, or a file of its page; or a refusal."""
        if scope["method"] not in allowed:
            return _no_method(scope["method"], allowed)
        if place.startswith(_FILES):
            return await run_in_threadpool(self._file_response, Request(scope))
        query = b""
        if not dashboard_reads.is_plain(place):
            try:
                query = await run_in_threadpool(self._check_read, place, scope["query_string"])
            except (NotFoundError, InvalidSpecError) as error:
                return _refused(error)
        shown = await run_in_threadpool(lambda: self._listing_wsgi if place == _LIST else self._wsgi)
        return _with_body(cast(ASGIApp, shown), b"", query)

    def _check_read(self, place: str, query: bytes) -> bytes:
        with self._lazy_store.get().reading() as session:
            return dashboard_reads.check(session, place, query)

    def _file_response(self, request: Request) -> Response:
        """A file of the page. Its own app fails where a request names no Accept-Encoding."""
        path = request.scope["path"]
        found = dashboard_files.find(path, self._root_path)
        if found is None:
            return answer(request, NotFoundError.status, NotFoundError.title, f"there is no file at {path}")
        return asset_response(request, found, {"Cache-Control": "private, no-cache"})

    async def _write(self, scope: Scope, receive: Receive, allowed: Sequence[str]) -> ASGIApp:
        """The dashboard, with what was checked for its body; or a refusal."""
        request = Request(scope, receive)
        try:
            if not self._writes:
                raise ForbiddenError(_READS_ALONE)
            if scope["method"] not in allowed and len(allowed) > 1:
                return _no_method(scope["method"], allowed)
            body = await run_in_threadpool(self._check_write, request, await request.body())
        except (ServiceError, InvalidSpecError) as error:
            scope[REASON] = str(error)
            return _refused(error)
        return _with_body(await run_in_threadpool(lambda: cast(ASGIApp, self._wsgi)), body)

    def _check_write(self, request: Request, body: bytes) -> bytes:
        content_type = request.headers.get("content-type", "")
        with self._lazy_store.get().reading() as session:
            return dashboard_writes.check(session, request.method, request.scope["path"], content_type, body)

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
        return transactions.optuna_storage(self._lazy_store.get().url, reads=not self._writes)

    @cached_property
    def _wsgi(self) -> WSGIMiddleware:
        import optuna_dashboard
        from a2wsgi import WSGIMiddleware
        from optuna.storages import get_storage

        place = SimpleNamespace(base_url=self._root_path)  # the only way to tell it where artifacts are
        app = optuna_dashboard.wsgi(get_storage(self._storage), jupyterlab_extension_context=place)
        return WSGIMiddleware(_silent(app))

    @cached_property
    def _listing_storage(self) -> RDBStorage:
        from service.api.users_studies import UsersStudies

        return transactions.optuna_storage(self._lazy_store.get().url, reads=True, kind=UsersStudies)

    @cached_property
    def _listing_wsgi(self) -> WSGIMiddleware:
        """The dashboard again, for its list alone: each page of a study finds it in a list that has the parts too."""
        import optuna_dashboard
        from a2wsgi import WSGIMiddleware

        return WSGIMiddleware(_silent(optuna_dashboard.wsgi(self._listing_storage)))


def _is_limited(scope: Scope) -> bool:
    """Return whether a request came with a key that is limited to projects."""
    record: KeyRecord | None = Request(scope).state.key  # as the guard has left it
    return record is not None and record.projects is not None


def _contained(app: ASGIApp) -> ASGIApp:
    """The app; an error that it has answered with a 500 is logged at most once a minute, and its connection goes on."""

    async def answer_whole(scope: Scope, receive: Receive, send: Send) -> None:
        is_answered = False

        async def watch(message: Message) -> None:
            nonlocal is_answered
            await send(message)
            is_answered = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await app(scope, receive, watch)
        except Exception:
            if not is_answered:
                raise
            if _once.may("failed"):
                _log.exception("the dashboard failed at a request", path=scope["path"][:_MAX_SHOWN])

    return answer_whole


def _silent(app: Callable[..., Any]) -> Callable[..., Any]:
    """A WSGI app that writes no traceback anywhere: the error is raised too."""

    def run(environ: dict[str, Any], start_response: Any) -> Any:
        return app({**environ, "wsgi.errors": io.StringIO()}, start_response)

    return run


def _nothing(scope: Scope, root_path: str) -> Response:
    missing = f"there is nothing at {scope['path']}; {root_path}/docs lists what there is"
    if scope["path"].startswith(_DATA):
        return problem(NotFoundError.status, NotFoundError.title, missing, reason=missing)
    return answer(Request(scope), NotFoundError.status, NotFoundError.title, missing)


def _no_method(method: str, allowed: Sequence[str]) -> Response:
    takes = ", ".join(allowed)
    sentence = f"{method} is not possible here; this path takes {takes}"
    response = problem(405, "Method Not Allowed", sentence, reason=sentence)
    response.headers["Allow"] = takes
    return response


def _refused(error: ServiceError | InvalidSpecError) -> Response:
    title = "Invalid request" if isinstance(error, InvalidSpecError) else error.title
    # Where the dashboard shows a reason, it shows `reason`.
    return problem(error.status, title, str(error), error.fields, reason=str(error))


def _with_body(app: ASGIApp, body: bytes, query: bytes = b"") -> ASGIApp:
    """The app, which reads another body and another query than those that came."""

    async def answer_body(scope: Scope, receive: Receive, send: Send) -> None:
        messages: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive_body() -> Message:
            return next(messages, None) or await receive()

        headers = MutableHeaders(raw=list(scope["headers"]))
        del headers["transfer-encoding"]
        headers["content-type"], headers["content-length"] = dashboard_writes.JSON, str(len(body))
        await app({**scope, "headers": headers.raw, "query_string": query}, receive_body, send)

    return answer_body


def _rewritten(send: Send, rewrite: Callable[[bytes], bytes]) -> Send:
    """A `send` that passes an answer on as a whole, with its body rewritten."""
    start: Message = {}
    body = b""

    async def send_at_end(message: Message) -> None:
        nonlocal start, body
        if message["type"] == "http.response.start":
            start = message
            return
        body += message.get("body", b"")
        if not message.get("more_body", False):
            content = rewrite(body)
            if body:  # a HEAD has none, and tells the length of what a GET would get
                MutableHeaders(scope=start)["content-length"] = str(len(content))
            await send(start)
            await send({**message, "body": content})

    return send_at_end
