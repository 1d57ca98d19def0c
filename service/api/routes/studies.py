"""Studies: submit, list, read, change, pause, resume, stop, delete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from service import limits, submission
from service.api.authentication import access_of
from service.api.dependencies import (
    ArtifactsDependency,
    CursorParameter,
    DashboardDependency,
    DatasetsDependency,
    IdempotencyKeyDependency,
    IfMatchDependency,
    Limit,
    ProjectParameter,
    SettingsDependency,
    StoreDependency,
    StudyBody,
)
from service.api.json_route import JsonRoute
from service.api.lazy_store import LazyStore
from service.api.responses import created_response
from service.api.shared_reads import SharedReads
from service.schemas.changes import ChangeView
from service.schemas.pages import ListView
from service.schemas.studies import StudyChanges, StudyView
from service.settings import Settings
from service.storage import locking
from service.storage.dataset_files import check_file_kept
from service.storage.idempotency import Answer, run_once
from service.storage.pagination import Cursor
from service.storage.records import KeyRecord, StudyRecord
from service.storage.states import StudyState
from service.storage.store import Store
from service.views.changes import change_view
from service.views.studies import listed_views, new_study_view, one_study_view
from studies.spec.dataset import UploadedDataset
from studies.spec.study import StudySpec

router = APIRouter(prefix="/v1/studies", tags=["studies"], route_class=JsonRoute)


@router.post(
    "",
    status_code=201,
    response_model=StudyView,
)
def submit(
    document: StudyBody,
    store: StoreDependency,
    datasets: DatasetsDependency,
    settings: SettingsDependency,
    idempotency_key: IdempotencyKeyDependency,
    project: Annotated[
        str | None,
        Query(description="That the study belongs to; left out, the key's only one, else default."),
    ] = None,
) -> Response:
    """Submit a study; workers start on it at once. Sent again with the same Idempotency-Key, it is accepted once."""
    spec = submission.check(document, settings, datasets.uploaded)
    named = submission.with_name(spec, uuid4().hex)

    def accept(session: Session) -> Answer:
        locking.check_room(session, settings.max_active_studies)
        study = store.accept(session, named, project)
        view = new_study_view(store, session, study)
        return Answer(view.model_dump_json(), f"/v1/studies/{quote(study.name)}")

    return created_response(run_once(store, idempotency_key, _fingerprint(spec, document, project), accept))


@router.get("")
def list_studies(
    store: StoreDependency,
    state: StudyState | None = None,
    project: ProjectParameter = None,
    limit: Limit = 50,
    cursor: CursorParameter = None,
) -> ListView[StudyView]:
    """List studies, newest first. `config` and `weights` of a Keras model in a `spec` are null here."""
    page = store.studies(state, limit, None if cursor is None else Cursor.decode(cursor), project=project)
    return ListView(items=listed_views(store, page.items), next=page.next)


@router.get("/{name}", response_model=StudyView)
async def read(name: str, request: Request) -> Response:
    """Read a study, its progress and its best trial. Its ETag names its state and budget, not its progress."""
    # Asked more often than all others: dependencies would take as long as the rest.
    lazy_store: LazyStore = request.app.state.lazy_store
    reads: SharedReads = request.app.state.reads
    key: KeyRecord | None = request.state.key
    settings: Settings = request.app.state.settings

    def read_study() -> tuple[str, str]:
        store = lazy_store.get().accessed_by(access_of(key, settings))
        study = store.study(name)
        return one_study_view(store, study).model_dump_json(), study.etag

    content, etag = await reads.read(("study", name, None if key is None else key.id), read_study)
    return Response(content, headers={"ETag": f'"{etag}"'}, media_type="application/json")


@router.get("/{name}/changes")
def list_changes(
    name: str, store: StoreDependency, limit: Limit = 100, cursor: CursorParameter = None
) -> ListView[ChangeView]:
    """List what was done with a study, and who did it, the latest first."""
    page = store.changes(name, limit, None if cursor is None else Cursor.decode(cursor))
    return ListView(items=[change_view(change) for change in page.items], next=page.next)


@router.patch("/{name}")
def change(
    name: str,
    changes: StudyChanges,
    store: StoreDependency,
    artifacts: ArtifactsDependency,
    settings: SettingsDependency,
    response: Response,
    etags: IfMatchDependency,
) -> StudyView:
    """Change a study's priority or max_workers, or extend its budget: an ended study runs again with what it knows."""
    budget = None if changes.budget is None else changes.budget.model_dump(exclude_unset=True)
    if budget is not None:
        limits.check_trials(budget.get("trials", 0), settings)
        check_file_kept(artifacts, store.study(name).parsed_spec.dataset)
    unlimited = "max_workers" in changes.model_fields_set and changes.max_workers is None
    study = store.change(
        name,
        priority=changes.priority,
        max_workers=inf if unlimited else changes.max_workers,
        budget=budget,
        etags=etags,
        max_active=settings.max_active_studies,
    )
    return _with_etag(store, study, response)


@router.post("/{name}/pause")
def pause(name: str, store: StoreDependency, response: Response, etags: IfMatchDependency) -> StudyView:
    """Pause a study: no trial starts; running trials finish their epoch and keep their state for later."""
    return _with_etag(store, store.set_state(name, StudyState.PAUSED, etags), response)


@router.post("/{name}/resume")
def resume(name: str, store: StoreDependency, response: Response, etags: IfMatchDependency) -> StudyView:
    """Resume a paused study."""
    return _with_etag(store, store.set_state(name, StudyState.RUNNING, etags), response)


@router.post("/{name}/stop")
def stop(name: str, store: StoreDependency, response: Response, etags: IfMatchDependency) -> StudyView:
    """End a study and keep its results; running trials are cut at their next epoch."""
    return _with_etag(store, store.set_state(name, StudyState.STOPPED, etags), response)


@router.delete("/{name}", status_code=204)
def delete(
    name: str,
    store: StoreDependency,
    artifacts: ArtifactsDependency,
    dashboard: DashboardDependency,
    etags: IfMatchDependency,
    force: bool = False,
) -> None:
    """Delete a study with its trials, its comparison and its models; an active study only with `force`."""
    deleted = store.delete_study(name, force=force, etags=etags)
    dashboard.forget()
    artifacts.remove_studies(deleted)


def _fingerprint(spec: StudySpec, document: Mapping[str, Any], project: str | None) -> str:
    """What makes a request for a study the same again, however it is written."""
    of_project = "" if project is None else f" of {project}"
    if not isinstance(spec.dataset, UploadedDataset):
        return f"study {spec.model_dump_json()}{of_project}"
    # As it was sent: what the name of a dataset means changes with its next version.
    dataset = json.dumps(document["dataset"], sort_keys=True)
    return f"study {spec.model_dump_json(exclude={'dataset'})} {dataset}{of_project}"


def _with_etag(store: Store, study: StudyRecord, response: Response) -> StudyView:
    """Give the response the study's ETag; return the study."""
    response.headers["ETag"] = f'"{study.etag}"'
    return one_study_view(store, study)
