"""What routes are given: the store, the artifacts."""

from typing import Annotated, cast

from fastapi import Depends, Header, Request

from service.api.authentication import Authenticator
from service.api.dashboard import Dashboard
from service.api.lazy_store import Opening
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.datasets import DatasetStore
from service.storage.store import Store


def _store(request: Request) -> Store:
    return cast(Opening, request.app.state.opening).store()


def _artifacts(request: Request) -> Artifacts:
    return cast(Artifacts, request.app.state.artifacts)


def _dashboard(request: Request) -> Dashboard:
    return cast(Dashboard, request.app.state.dashboard)


def _tags(
    if_match: Annotated[
        str | None, Header(description="ETags of a GET of the study, behind commas: change it only if it stands so.")
    ] = None,
) -> frozenset[str] | None:
    if if_match is None:
        return None
    return frozenset(tag.strip().removeprefix("W/").strip('"') for tag in if_match.split(","))


def _key(
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            description="Made up by the client: a request is done once, however often it comes with the same key",
        ),
    ] = None,
) -> str | None:
    return idempotency_key


TagsDependency = Annotated[frozenset[str] | None, Depends(_tags)]
KeyDependency = Annotated[str | None, Depends(_key)]


def _datasets(request: Request) -> DatasetStore:
    return DatasetStore(_store(request), _artifacts(request))


def _authenticator(request: Request) -> Authenticator:
    return cast(Authenticator, request.app.state.authenticator)


def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


DatasetsDependency = Annotated[DatasetStore, Depends(_datasets)]
SettingsDependency = Annotated[Settings, Depends(_settings)]
AuthenticatorDependency = Annotated[Authenticator, Depends(_authenticator)]
StoreDependency = Annotated[Store, Depends(_store)]
ArtifactsDependency = Annotated[Artifacts, Depends(_artifacts)]
DashboardDependency = Annotated[Dashboard, Depends(_dashboard)]
