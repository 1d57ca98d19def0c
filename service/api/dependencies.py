"""Dependencies that routes share: the store, the artifacts, headers, pages of a listing."""

from collections.abc import Iterator
from typing import Annotated, Any, cast

from fastapi import Depends, Header, Query, Request

from service.api.authentication import Authenticator
from service.api.dashboard import Dashboard
from service.api.hub import Hub
from service.api.lazy_store import LazyStore
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.datasets import DatasetStore
from service.storage.store import Store
from service.worker.fleet import Fleet

Limit = Annotated[int, Query(ge=1, le=1000, description="Largest number of items on the page.")]
CursorParameter = Annotated[str | None, Query(alias="cursor", description="`next` of the page before.")]


def parse_etags(header: str) -> frozenset[str]:
    """The ETags of an If-Match or If-None-Match header, unquoted."""
    return frozenset(etag.strip().removeprefix("W/").strip('"') for etag in header.split(","))


def _if_match(
    if_match: Annotated[
        str | None,
        Header(
            description="ETags of a GET of the study, separated by commas. The study is changed only if it still has "
            "one of them; otherwise the answer is 412."
        ),
    ] = None,
) -> frozenset[str] | None:
    return None if if_match is None else parse_etags(if_match)


def _idempotency_key(
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            description="Chosen by the client. A request is done once, however often it is sent with the same key.",
        ),
    ] = None,
) -> str | None:
    return idempotency_key


def _store(request: Request) -> Store:
    return cast(LazyStore, request.app.state.lazy_store).get()


def _artifacts(request: Request) -> Artifacts:
    return cast(Artifacts, request.app.state.artifacts)


def _datasets(request: Request) -> DatasetStore:
    return DatasetStore(_store(request), _artifacts(request))


def _dashboard(request: Request) -> Dashboard:
    return cast(Dashboard, request.app.state.dashboard)


def _authenticator(request: Request) -> Authenticator:
    return cast(Authenticator, request.app.state.authenticator)


def _hub(request: Request) -> Hub:
    return cast(Hub, request.app.state.hub)


def _key_name(request: Request) -> str | None:
    key = getattr(request.state, "key", None)
    return None if key is None else str(key.name)


def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


def _wake_workers(request: Request) -> Iterator[None]:
    yield
    fleet = cast(Fleet | None, request.app.state.fleet)
    if request.method != "GET" and fleet is not None:
        fleet.wake()


#: A study as a body, which FastAPI does not validate; /v1/schema describes it in full.
STUDY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object", "title": "StudySpec", "description": "See /v1/schema."}}
        },
    }
}
#: Wakes this machine's workers after a request that may have given them work.
WakesWorkers = Depends(_wake_workers)
#: The name of the key that a request came with; None where none was needed.
KeyNameDependency = Annotated[str | None, Depends(_key_name)]
IfMatchDependency = Annotated[frozenset[str] | None, Depends(_if_match)]
IdempotencyKeyDependency = Annotated[str | None, Depends(_idempotency_key)]
StoreDependency = Annotated[Store, Depends(_store)]
ArtifactsDependency = Annotated[Artifacts, Depends(_artifacts)]
DatasetsDependency = Annotated[DatasetStore, Depends(_datasets)]
DashboardDependency = Annotated[Dashboard, Depends(_dashboard)]
AuthenticatorDependency = Annotated[Authenticator, Depends(_authenticator)]
HubDependency = Annotated[Hub, Depends(_hub)]
SettingsDependency = Annotated[Settings, Depends(_settings)]
