"""Dependencies that routes share: the store, the artifacts, headers, pages of a listing."""

from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Body, Depends, Header, Query, Request
from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from service.api.authentication import Authenticator, access_of
from service.api.dashboard import Dashboard
from service.api.hub import Hub
from service.api.lazy_store import LazyStore
from service.api.readings import Readings
from service.schemas.checks import StudyDraft
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.datasets import DatasetStore
from service.storage.projects import ProjectStore
from service.storage.store import Store
from studies.spec.study import StudySpec


@dataclass(frozen=True, slots=True)
class DescribedAs:
    """Lets the OpenAPI document describe a value by a model that a route validates it with itself."""

    model: type[BaseModel]

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(self.model.__pydantic_core_schema__)


Limit = Annotated[int, Query(ge=1, le=1000, description="Largest number of items on the page.")]
ProjectParameter = Annotated[str | None, Query(alias="project", description="Only what belongs to this project.")]
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


def _store(request: Request) -> Store:
    """The store as the request's key may use it: whatever a route finds, it finds through this."""
    store = cast(LazyStore, request.app.state.lazy_store).get()
    return store.accessed_by(access_of(request.state.key, request.app.state.settings))


async def _artifacts(request: Request) -> Artifacts:
    return cast(Artifacts, request.app.state.artifacts)


def _datasets(request: Request) -> DatasetStore:
    return DatasetStore(_store(request), cast(Artifacts, request.app.state.artifacts))


async def _readings(request: Request) -> Readings:
    return cast(Readings, request.app.state.readings)


def _projects(request: Request) -> ProjectStore:
    return ProjectStore(_store(request))


async def _dashboard(request: Request) -> Dashboard:
    return cast(Dashboard, request.app.state.dashboard)


async def _authenticator(request: Request) -> Authenticator:
    return cast(Authenticator, request.app.state.authenticator)


async def _hub(request: Request) -> Hub:
    return cast(Hub, request.app.state.hub)


async def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


#: A study's document, which FastAPI does not validate.
StudyBody = Annotated[dict[str, Any], Body(), DescribedAs(StudySpec)]
#: The same for a check, whose dataset may be a file that is not uploaded.
StudyDraftBody = Annotated[dict[str, Any], Body(), DescribedAs(StudyDraft)]
IfMatchDependency = Annotated[frozenset[str] | None, Depends(_if_match)]
IdempotencyKeyDependency = Annotated[str | None, Depends(_idempotency_key)]
StoreDependency = Annotated[Store, Depends(_store)]
ArtifactsDependency = Annotated[Artifacts, Depends(_artifacts)]
DatasetsDependency = Annotated[DatasetStore, Depends(_datasets)]
ReadingsDependency = Annotated[Readings, Depends(_readings)]
ProjectsDependency = Annotated[ProjectStore, Depends(_projects)]
DashboardDependency = Annotated[Dashboard, Depends(_dashboard)]
AuthenticatorDependency = Annotated[Authenticator, Depends(_authenticator)]
HubDependency = Annotated[Hub, Depends(_hub)]
SettingsDependency = Annotated[Settings, Depends(_settings)]
