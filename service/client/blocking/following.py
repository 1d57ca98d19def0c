"""Follows studies: the server's events, waiting to the end, the workers."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic, sleep

import httpx
from httpx_sse import SSEError, connect_sse

from service.client.answers import fill, query, refusal
from service.client.blocking.studies import StudyCalls
from service.client.events import LAST_EVENTS, Event, StudyEvent, read_event
from service.client.progress_bar import open_bar
from service.errors import NotFoundError, StorageError, UnreachableError
from service.schemas.studies import StudyView
from service.schemas.workers import WorkersView

_POLL_SECONDS = 0.5
_SILENCE_SECONDS = 60.0  # four heartbeats
_NO_WORKER = "no worker is running yet; where none starts, start one with `regsweep worker` or `regsweep serve`"


class FollowingCalls(StudyCalls):
    """What tells how far studies are."""

    def wait(self, name: str, *, progress: bool | None = None, timeout_seconds: float | None = None) -> StudyView:
        """Wait until a study and its comparison have ended; return the study.

        A bar shows the progress in a terminal and in a notebook; `progress` forces it, or leaves it out. A server that
        restarts is waited for.

        Raises TimeoutError after `timeout_seconds`; the study goes on.
        """
        deadline = None if timeout_seconds is None else monotonic() + timeout_seconds
        study = self.study(name)
        with open_bar(progress) as bar:
            if study.active and not self._has_workers():
                bar.say(_NO_WORKER)
            for study in self.follow(name, poll=deadline is not None):
                bar.show(study)
                if deadline is not None and monotonic() > deadline and study.active:
                    raise TimeoutError(f"'{name}' has not ended after {timeout_seconds:g} s; it goes on")
        return study

    def follow(self, name: str, *, poll: bool = False) -> Iterator[StudyView]:
        """Yield a study as it is, whenever it changes, until it and its comparison have ended and no trial runs.

        By the server's events or, where it has none, by asking twice a second, as with `poll`.
        """
        if not poll:
            try:
                for event in self.events(name):
                    if isinstance(event, StudyEvent):
                        yield event.study
            except (NotFoundError, SSEError):  # of a server without events; asking for a deleted study says so
                pass
        study = self.study(name)
        yield study
        while study.active or study.progress.running:
            sleep(_POLL_SECONDS)
            study = self.study(name)
            yield study

    def events(self, name: str, last_event_id: str | None = None) -> Iterator[Event]:
        """Yield what happens in a study, until it has ended or was deleted.

        A broken connection is made again and continues behind the last event, so that no ended trial is lost.
        """
        path, last_id = fill("/v1/studies/{name}/events", name=name), last_event_id
        patience, failing_since = (self._patience_seconds if self._has_answered else 0.0), None
        while True:
            timeout = httpx.Timeout(self._timeout_seconds, read=_SILENCE_SECONDS)
            params = query(last_event_id=last_id)
            try:
                with connect_sse(self._http, "GET", path, params=params, timeout=timeout) as source:
                    self._has_answered = True
                    if not source.response.is_success:
                        source.response.read()
                        raise refusal(source.response)
                    patience, failing_since = self._patience_seconds, None
                    for message in source.iter_sse():
                        last_id = message.id or last_id
                        event = read_event(message)
                        if event is not None:
                            yield event
                        if isinstance(event, LAST_EVENTS):
                            return
            except (httpx.TransportError, StorageError, UnreachableError) as error:
                failing_since = monotonic() if failing_since is None else failing_since
                if monotonic() - failing_since >= patience:
                    if not isinstance(error, httpx.TransportError):  # a proxy or a server answers
                        raise
                    raise UnreachableError(self.url, str(error) or type(error).__name__) from error
            sleep(_POLL_SECONDS)

    def workers(self) -> WorkersView:
        """The workers that are alive: what each does, and how many trials they end in a minute."""
        return self._read(WorkersView, "GET", "/v1/workers")

    def _has_workers(self) -> bool:
        """Return whether a worker is alive; True where the server does not tell."""
        try:
            alive = self.workers()
        except NotFoundError:  # an earlier version's server
            return True
        return bool(alive.workers)
