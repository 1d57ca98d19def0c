"""The HTTP server: REST API, and the Optuna dashboard on the same port."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, disable_created_metrics
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp

from service.api import problems
from service.api.authentication import Authenticator
from service.api.behind_proxy import BehindProxy
from service.api.body_limit import BodyLimit
from service.api.dashboard import Dashboard
from service.api.guard import Guard
from service.api.head_and_options import HeadAndOptions
from service.api.hub import Hub
from service.api.json_route import MAX_LARGE
from service.api.lazy_store import LazyStore
from service.api.lease_watch import LeaseWatch
from service.api.observer import Observer
from service.api.openapi import DocumentedApp, operation_id
from service.api.readiness import Readiness
from service.api.readings import Readings
from service.api.request_metrics import RequestMetrics
from service.api.request_rates import RequestRates
from service.api.retention_watch import RetentionWatch
from service.api.routes import (
    comparisons,
    datasets,
    events,
    form_pages,
    health,
    login,
    metrics,
    model_files,
    models,
    pages,
    predictions,
    projects,
    report,
    sessions,
    splits,
    studies,
    study_checks,
    trials,
    webhooks,
    workers,
)
from service.api.security_headers import SecurityHeaders
from service.api.shared_reads import SharedReads
from service.api.turns import Turns
from service.api.unknown_parameters import UnknownParameters
from service.api.waking import WakesWorkers
from service.api.webhook_sender import WebhookSender
from service.api.work_metrics import WorkMetrics
from service.errors import MigrationError, StorageError
from service.ray.fleet import RayFleet
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.keys import KeyStore
from service.storage.private_files import warn_of_open_folder
from service.version import VERSION
from service.worker.fleet import Fleet

_log = structlog.get_logger(__name__)


def _open(lazy_store: LazyStore, artifacts: Artifacts) -> None:
    """Open the store, which makes the tables; where that fails, requests and the lease watch try again."""
    folder = artifacts.local("")
    if folder is not None:
        warn_of_open_folder(folder)
    try:
        if not KeyStore(lazy_store.get()).has_keys():
            _log.info("no key was made, so this machine's users need none; see `regsweep keys create --help`")
    except MigrationError as error:
        _log.error("no request is answered and no worker started", error=str(error))
    except (StorageError, SQLAlchemyError) as error:
        _log.error("the database cannot be used yet; it is tried again, and workers start then", error=str(error))


class _App(DocumentedApp):
    def build_middleware_stack(self) -> ASGIApp:
        # Around what answers unforeseen errors too, which Starlette puts around all middleware that is added.
        stack = Observer(SecurityHeaders(super().build_middleware_stack()), self.state.request_metrics)
        # Around all, so that each of them sees the path, the scheme and the address that a request really had.
        settings: Settings = self.state.settings
        return BehindProxy(stack, settings.root_path, settings.trusted_proxies)


def _add_operation(app: FastAPI, settings: Settings, lazy_store: LazyStore) -> None:
    app.include_router(metrics.router)
    app.state.readiness = Readiness(lazy_store, app.state.artifacts, settings.lease_seconds)
    # A series beside each of a histogram, which Prometheus' text does not know.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    app.state.metrics, app.state.request_metrics = registry, RequestMetrics(registry)
    WorkMetrics(registry, lazy_store)


def _include_routers(app: FastAPI) -> None:
    app.include_router(health.router)
    app.include_router(login.router)
    app.include_router(form_pages.router)
    app.include_router(pages.router)
    app.include_router(study_checks.router)
    app.include_router(studies.router)
    app.include_router(events.router)
    app.include_router(trials.router)
    app.include_router(models.router)
    app.include_router(model_files.router)
    app.include_router(datasets.router)
    app.include_router(comparisons.router)
    app.include_router(report.router)
    app.include_router(splits.router)
    app.include_router(predictions.router)
    app.include_router(projects.router)
    app.include_router(workers.router)
    app.include_router(webhooks.router)
    app.include_router(sessions.router)
    app.include_router(sessions.pages)


def create_app(settings: Settings, fleet: Fleet | RayFleet | None = None, *, own_files: bool = False) -> FastAPI:
    """Put the app together. A fleet, if there is one, starts once the database is open, and stops with the app.

    With `own_files` nobody but this process' user sends any, and they are read in this process.
    """
    lazy_store = LazyStore(settings.database_url, None if fleet is None else fleet.start)
    hub = Hub(lazy_store)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watches = (
            LeaseWatch(lazy_store, settings.lease_seconds),
            RetentionWatch(lazy_store, app.state.artifacts, settings.keep_days, app.state.dashboard.forget),
        )
        for watch in watches:
            watch.start()
        app.state.webhook_sender = WebhookSender(lazy_store, settings)
        app.state.webhook_sender.start()
        opener = threading.Thread(target=_open, args=(lazy_store, app.state.artifacts), name="opener")
        opener.start()
        try:
            yield
        finally:
            await hub.stop()
            await app.state.webhook_sender.stop()
            opener.join()
            for watch in watches:
                watch.stop()
            if fleet is not None:
                fleet.stop()
            app.state.readiness.close()
            app.state.dashboard.close()
            lazy_store.close()

    app = _App(
        title="regsweep",
        version=VERSION,
        summary="Which regularization to use on your data, how much of it, and how sure that is.",
        lifespan=lifespan,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        # routes/pages.py has a page that needs no other host.
        docs_url=None,
        redoc_url=None,
        # JsonRoute looks at it, and says what is wrong.
        strict_content_type=False,
        generate_unique_id_function=operation_id,
    )
    problems.install(app)
    _include_routers(app)
    app.state.settings, app.state.fleet = settings, fleet
    app.state.lazy_store, app.state.hub = lazy_store, hub
    app.state.artifacts = Artifacts(settings.artifacts_url)
    app.state.reads = SharedReads(lazy_store.version)
    app.state.authenticator = Authenticator(
        lazy_store, settings.max_failed_keys, is_behind_proxy=settings.is_behind_proxy
    )
    _add_operation(app, settings, lazy_store)
    app.state.dashboard = Dashboard(lazy_store, writes=settings.dashboard_writes, root_path=settings.root_path)
    app.state.readings = Readings(settings, own_files=own_files)
    app.state.large_bodies = Turns(MAX_LARGE, f"{MAX_LARGE} large documents are read at once")
    app.state.optuna_files = Turns(1, "studies are written for Optuna one at a time")  # a large one takes a processor
    # Not a mount: a mount at `/` would also take requests whose path is ours and whose method is wrong.
    app.router.default = app.state.dashboard
    _add_middleware(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    app.add_middleware(UnknownParameters)
    app.add_middleware(HeadAndOptions)
    if app.state.fleet is not None:
        app.add_middleware(WakesWorkers, fleet=app.state.fleet)
    # The middleware added last runs first: no body is read before its sender is known.
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, max_held_bytes=settings.max_bodies_bytes)
    app.add_middleware(
        Guard,
        authenticator=app.state.authenticator,
        reads=SharedReads(app.state.lazy_store.version),
        rates=RequestRates(settings.quota_requests_a_minute),
        metrics_token=settings.metrics_token,
    )
