"""Dependencies that routes share: the store, the artifacts, headers, pages of a listing."""

import json
from contextlib import suppress
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
from studies.study_file import unique_keys

Limit = Annotated[int, Query(ge=1, le=1000, description="Largest number of items on the page.")]
CursorParameter = Annotated[str | None, Query(alias="cursor", description="`next` of the page before.")]


def parse_etags(header: str) -> frozenset[str]:
    """The ETags of an If-Match or If-None-Match header, unquoted."""
    return frozenset(etag.strip().removeprefix("W/").strip('"') for etag in header.split(","))


async def _if_match(
    if_match: Annotated[
        str | None,
        Header(
            description="ETags of a GET of the study, separated by commas. The study is changed only if it still has "
            "one of them; otherwise the answer is 412."
        ),
    ] = None,
) -> frozenset[str] | None:
    return None if if_match is None else parse_etags(if_match)


async def _idempotency_key(
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


async def _unique_keys(request: Request) -> None:
    with suppress(ValueError):  # FastAPI says what is wrong with a body that is not JSON
        json.loads(await request.body(), object_pairs_hook=unique_keys)


def _store(request: Request) -> Store:
    return cast(LazyStore, request.app.state.lazy_store).get()


async def _artifacts(request: Request) -> Artifacts:
    return cast(Artifacts, request.app.state.artifacts)


def _datasets(request: Request) -> DatasetStore:
    return DatasetStore(_store(request), cast(Artifacts, request.app.state.artifacts))


async def _dashboard(request: Request) -> Dashboard:
    return cast(Dashboard, request.app.state.dashboard)


async def _authenticator(request: Request) -> Authenticator:
    return cast(Authenticator, request.app.state.authenticator)


async def _hub(request: Request) -> Hub:
    return cast(Hub, request.app.state.hub)


async def _key_name(request: Request) -> str | None:
    key = getattr(request.state, "key", None)
    return None if key is None else str(key.name)


async def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


#: A study as a body, which FastAPI does not validate; /v1/schema describes it in full.
STUDY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object", "title": "StudySpec", "description": "See /v1/schema."}}
        },
    }
}
#: Refuses a JSON body in which a key stands twice.
UniqueKeysDependency = Depends(_unique_keys)
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
