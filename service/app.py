"""The HTTP server: REST API, and the Optuna dashboard on the same port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from service import problems
from service.dashboard import Dashboard
from service.routes import health, studies, trials
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.store import Store
from service.version import VERSION
from service.worker.fleet import Fleet


def create_app(settings: Settings, fleet: Fleet | None = None) -> FastAPI:
    """The app on a database and a folder of artifacts; a fleet, if given, lives as long as the app."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.store = Store(settings.database_url)
        app.state.artifacts = Artifacts(settings.artifacts_url)
        if fleet is not None:
            fleet.start()
        try:
            yield
        finally:
            if fleet is not None:
                fleet.stop()
            app.state.store.close()

    app = FastAPI(
        title="regsweep",
        version=VERSION,
        summary="Which regularization to use on your data, how much of it, and how sure that is.",
        lifespan=lifespan,
    )
    problems.install(app)
    app.include_router(health.router)
    app.include_router(studies.router)
    app.include_router(trials.router)
    app.mount("/", Dashboard(settings.database_url, writes=settings.dashboard_writes))
    return app
