"""Server-sent events of a study: what changes, as it changes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse
from starlette.concurrency import run_in_threadpool

from service.api import feed, guard
from service.api.dependencies import AuthenticatorDependency, HubDependency, StoreDependency
from service.api.hub import Hub, Listener
from service.api.problems import DATABASE_ERRORS
from service.errors import ServiceError
from service.storage.store import Store

_log = structlog.get_logger(__name__)
router = APIRouter(prefix="/v1/studies/{name}", tags=["studies"])

_HEARTBEAT_SECONDS = 15.0
_HEARTBEAT = b": heartbeat\n"  # without the empty line that some readers take for the end of an event
_ID = "The id of the last event that came: every later change of a trial is sent."
_EVENTS = (
    "Server-sent events, each a JSON object that stands for the present state: `study` (a StudyView), `trial` (a "
    "TrialView that was opened, ended, was marked invalid or waits again; has an id), `curve` (a CurveEvent of a "
    "running trial), `comparison` (a ComparisonView), and at last `end` or `deleted` ({})."
)

_TEXT = {"type": "string"}
_EVENT = {
    "type": "object",
    "properties": {
        "event": _TEXT | {"enum": ["study", "trial", "curve", "comparison", "end", "deleted"]},
        "id": _TEXT,
        "data": _TEXT | {"contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}


@router.get(
    "/events",
    response_class=Response,  # with EventSourceResponse FastAPI would encode each event for each listener anew
    responses={200: {"description": _EVENTS, "content": {"text/event-stream": {"itemSchema": _EVENT}}}},
)
async def follow(
    name: str,
    request: Request,
    store: StoreDependency,
    hub: HubDependency,
    authenticator: AuthenticatorDependency,
    header: Annotated[str | None, Header(alias="Last-Event-ID", description=_ID)] = None,
    last_event_id: Annotated[
        str | None, Query(description=f"{_ID} For the first connection of an EventSource, which sends no header.")
    ] = None,
) -> EventSourceResponse:
    """Follow a study: the study first, then all that changes, until it and its comparison have ended."""
    study = await run_in_threadpool(store.study, name)

    def check_key() -> None:
        guard.check_key(authenticator, request, "read")

    last = last_event_id if header is None else header
    stream = _stream(store, hub, study.id, last, check_key)
    # A proxy that waits for more before it passes a part on would hold events back (nginx).
    return EventSourceResponse(stream, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


async def _stream(
    store: Store, hub: Hub, study_id: int, last_event_id: str | None, check_key: Callable[[], None]
) -> AsyncIterator[bytes]:
    with hub.follow(study_id, with_id=last_event_id is None) as listener:
        try:
            parts = _with_heartbeats(listener, check_key)
            async for part in parts:
                yield part
                if part is not _HEARTBEAT:  # the opening
                    break
            # The listener has joined: what changes meanwhile waits for it, so that nothing falls between.
            if last_event_id is not None:
                async for part in _missed(store, study_id, last_event_id):
                    yield part
            async for part in parts:
                yield part
        except DATABASE_ERRORS as error:
            _log.warning("a listener has to come again: the database does not answer", error=str(error))


async def _missed(store: Store, study_id: int, last_event_id: str) -> AsyncIterator[bytes]:
    after: int | None = await run_in_threadpool(feed.known_change, store, study_id, last_event_id)
    while after is not None:
        part, after = await run_in_threadpool(feed.backlog, store, study_id, after)
        yield part


async def _with_heartbeats(listener: Listener, check_key: Callable[[], None]) -> AsyncIterator[bytes]:
    """The parts of a stream, with a comment every 15 seconds; the stream of a key that was revoked ends there."""
    beats_at = time.monotonic() + _HEARTBEAT_SECONDS
    while True:
        try:
            part = await listener.next(beats_at - time.monotonic())
            if part is None:
                return
            yield part
        except TimeoutError:
            yield _HEARTBEAT
        if time.monotonic() >= beats_at:
            beats_at = time.monotonic() + _HEARTBEAT_SECONDS
            try:
                await run_in_threadpool(check_key)
            except ServiceError:
                return
