"""What routes are given: the store, the artifacts."""

from typing import Annotated, cast

from fastapi import Depends, Request

from service.dashboard import Dashboard
from service.storage.artifacts import Artifacts
from service.storage.opening import Opening
from service.storage.store import Store


def _store(request: Request) -> Store:
    return cast(Opening, request.app.state.opening).store()


def _artifacts(request: Request) -> Artifacts:
    return cast(Artifacts, request.app.state.artifacts)


def _dashboard(request: Request) -> Dashboard:
    return cast(Dashboard, request.app.state.dashboard)


StoreDependency = Annotated[Store, Depends(_store)]
ArtifactsDependency = Annotated[Artifacts, Depends(_artifacts)]
DashboardDependency = Annotated[Dashboard, Depends(_dashboard)]
