"""Mounts the Optuna dashboard on the same port; its first request loads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import dashboard_files, dashboard_writes
from service.api.failed_keys import REASON
from service.api.lazy_store import LazyStore
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

#: The dashboard cannot live under a sub-path; these are the paths it answers.
_PATHS = ("/dashboard", "/static", "/api", "/artifacts", "/csv", "/favicon.ico", "/incompatible-rdb-schema")
_READS, _WRITES = ["GET", "HEAD", "OPTIONS"], ["DELETE", "PATCH", "POST", "PUT"]
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
        app = await self._answer(scope, receive)
        if self._root_path and scope["path"].startswith("/dashboard"):
            send = _rewritten(send, partial(dashboard_files.page_under, self._root_path))
        await app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> ASGIApp:
        path: str = scope["path"]
        if not any(path == known or path.startswith(f"{known}/") for known in _PATHS):
            missing = f"there is nothing at {path}; {self._root_path}/docs lists what there is"
            return answer(Request(scope), NotFoundError.status, NotFoundError.title, missing)
        scope["is_dashboard"] = True
        if scope["method"] == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join(_READS + _WRITES if self._writes else _READS)})
        if _is_limited(scope):
            sentence = "the dashboard shows the studies of every project, and this key is limited to some"
            return answer(Request(scope), ForbiddenError.status, ForbiddenError.title, sentence)
        if scope["method"] not in READS:
            return await self._write(scope, receive)
        if path.startswith(_FILES):
            return await run_in_threadpool(self._file_response, Request(scope))
        lists = scope["method"] in READS and path.rstrip("/") == _LIST
        return await run_in_threadpool(lambda: cast(ASGIApp, self._listing_wsgi if lists else self._wsgi))

    def _file_response(self, request: Request) -> Response:
        """A file of the page. Its own app fails where a request names no Accept-Encoding."""
        path = request.scope["path"]
        found = dashboard_files.find(path, self._root_path)
        if found is None:
            return answer(request, NotFoundError.status, NotFoundError.title, f"there is no file at {path}")
        return asset_response(request, found, {"Cache-Control": "private, no-cache"})

    async def _write(self, scope: Scope, receive: Receive) -> ASGIApp:
        """The dashboard, with what was checked for its body; or a refusal."""
        request = Request(scope, receive)
        try:
            if not self._writes:
                raise ForbiddenError(_READS_ALONE)
            body = await run_in_threadpool(self._check_write, request, await request.body())
        except (ServiceError, InvalidSpecError) as error:
            reason = scope[REASON] = str(error)
            title = "Invalid request" if isinstance(error, InvalidSpecError) else error.title
            # Where the dashboard shows a reason, it shows `reason`.
            return problem(error.status, title, reason, error.fields, reason=reason)
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
        return WSGIMiddleware(optuna_dashboard.wsgi(get_storage(self._storage), jupyterlab_extension_context=place))

    @cached_property
    def _listing_storage(self) -> RDBStorage:
        from service.api.users_studies import UsersStudies

        return transactions.optuna_storage(self._lazy_store.get().url, reads=True, kind=UsersStudies)

    @cached_property
    def _listing_wsgi(self) -> WSGIMiddleware:
        """The dashboard again, for its list alone: each page of a study finds it in a list that has the parts too."""
        import optuna_dashboard
        from a2wsgi import WSGIMiddleware

        return WSGIMiddleware(optuna_dashboard.wsgi(self._listing_storage))


def _is_limited(scope: Scope) -> bool:
    """Return whether a request came with a key that is limited to projects."""
    record: KeyRecord | None = Request(scope).state.key  # as the guard has left it
    return record is not None and record.projects is not None


def _with_body(app: ASGIApp, body: bytes) -> ASGIApp:
    """The app, which reads another body than the one that came."""

    async def answer_body(scope: Scope, receive: Receive, send: Send) -> None:
        messages: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive_body() -> Message:
            return next(messages, None) or await receive()

        headers = MutableHeaders(raw=list(scope["headers"]))
        del headers["transfer-encoding"]
        headers["content-type"], headers["content-length"] = dashboard_writes.JSON, str(len(body))
        await app({**scope, "headers": headers.raw}, receive_body, send)

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
