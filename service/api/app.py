"""The HTTP server: REST API, and the Optuna dashboard on the same port."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from service.api import problems
from service.api.authentication import Authenticator
from service.api.body_limit import BodyLimit
from service.api.dashboard import Dashboard
from service.api.guard import Guard
from service.api.lazy_store import Opening
from service.api.lease_watch import Watch
from service.api.routes import comparisons, datasets, health, login, models, predictions, report, studies, trials
from service.errors import StorageError
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.keys import KeyStore
from service.version import VERSION
from service.worker.fleet import Fleet

_log = structlog.get_logger(__name__)


def _open(opening: Opening, fleet: Fleet | None) -> None:
    """Make the tables before the workers come, so that they need not wait for each other."""
    try:
        if not KeyStore(opening.store()).any():
            _log.info("no key was made, so this machine's users need none; see `regsweep keys create --help`")
    except (StorageError, SQLAlchemyError) as error:
        _log.error("the database does not answer; requests and workers try again", error=str(error))
    if fleet is not None:
        fleet.start()


def create_app(settings: Settings, fleet: Fleet | None = None) -> FastAPI:
    """The app on a database and a folder of artifacts; a fleet, if given, lives as long as the app."""
    opening, artifacts = Opening(settings.database_url), Artifacts(settings.artifacts_url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watch = Watch(opening, settings.lease_seconds)
        watch.start()
        opener = threading.Thread(target=_open, args=(opening, fleet), name="opener")
        opener.start()
        try:
            yield
        finally:
            opener.join()
            watch.stop()
            if fleet is not None:
                fleet.stop()
            app.state.dashboard.close()
            opening.close()

    app = FastAPI(
        title="regsweep",
        version=VERSION,
        summary="Which regularization to use on your data, how much of it, and how sure that is.",
        lifespan=lifespan,
        # A body without a content type is taken for what it can only be.
        strict_content_type=False,
    )
    problems.install(app)
    app.include_router(health.router)
    app.include_router(login.router)
    app.include_router(studies.router)
    app.include_router(trials.router)
    app.include_router(models.router)
    app.include_router(datasets.router)
    app.include_router(comparisons.router)
    app.include_router(report.router)
    app.include_router(predictions.router)
    # Not a mount: a mount at `/` would also take requests whose path is ours and whose method is wrong.
    app.state.opening, app.state.settings = opening, settings
    app.state.predicting, app.state.reading = asyncio.Semaphore(1), asyncio.Semaphore(1)
    app.state.artifacts = artifacts
    app.state.dashboard = Dashboard(opening, writes=settings.dashboard_writes)
    app.router.default = app.state.dashboard
    app.state.authenticator = Authenticator(opening)
    # The last one added comes first: nothing is read of a body before its sender is known.
    app.add_middleware(BodyLimit, most_bytes=settings.max_body_bytes)
    app.add_middleware(Guard, authenticator=app.state.authenticator)
    return app
