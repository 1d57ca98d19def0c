"""What routes are given: the store, the artifacts."""

from typing import Annotated, cast

from fastapi import Depends, Request

from service.storage.artifacts import Artifacts
from service.storage.store import Store


def _store(request: Request) -> Store:
    return cast(Store, request.app.state.store)


def _artifacts(request: Request) -> Artifacts:
    return cast(Artifacts, request.app.state.artifacts)


StoreDependency = Annotated[Store, Depends(_store)]
ArtifactsDependency = Annotated[Artifacts, Depends(_artifacts)]
