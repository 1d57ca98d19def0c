"""One who follows a study by server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
from httpx_sse import connect_sse


class Event(NamedTuple):
    kind: str
    data: Any
    id: str  # of the last event with one


@contextmanager
def listening(
    client: httpx.Client, name: str = "iris", last_event_id: str | None = None, query_id: str | None = None
) -> Iterator[Iterator[Event]]:
    """The events of a study as they come."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    query = {} if query_id is None else {"last_event_id": query_id}
    with connect_sse(client, "GET", f"/v1/studies/{name}/events", headers=headers, params=query) as source:
        yield (Event(sse.event, json.loads(sse.data), sse.id) for sse in source.iter_sse())


def newest_trials(events: list[Event]) -> dict[int, Any]:
    """Each trial as its last event showed it, by number."""
    return {event.data["number"]: event.data for event in events if event.kind == "trial"}


def listed_trials(client: httpx.Client, name: str = "iris") -> dict[int, Any]:
    answer = client.get(f"/v1/studies/{name}/trials", params={"limit": 1000})
    return {trial["number"]: trial for trial in answer.json()["items"]}
