"""Studies: submit, list, read, pause, resume, stop, delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Body, Query, Response
from sqlalchemy.orm import Session

from service import limits
from service.api.dependencies import (
    ArtifactsDependency,
    DashboardDependency,
    DatasetsDependency,
    KeyDependency,
    SettingsDependency,
    StoreDependency,
    TagsDependency,
)
from service.schemas import ListView, StudyChanges, StudyView, study_view, untouched
from service.storage import admission
from service.storage.artifacts import study_folder
from service.storage.idempotency import Answer, once
from service.storage.pagination import Cursor
from service.storage.progress import whole
from service.storage.records import StudyRecord
from service.storage.states import StudyState
from service.storage.store import Store
from studies.spec.study import StudySpec

router = APIRouter(prefix="/v1/studies", tags=["studies"])

#: What a body says; described in full by /v1/schema.
_SPEC_SCHEMA = {"type": "object", "title": "StudySpec", "description": "See /v1/schema."}
Limit = Annotated[int, Query(ge=1, le=1000, description="Most items of the page.")]
CursorText = Annotated[str | None, Query(alias="cursor", description="`next` of the page before.")]


def views(store: Store, studies: Sequence[StudyRecord]) -> list[StudyView]:
    """Studies as the API shows them."""
    progress = store.progress(studies)
    best, dashboard = store.bests(studies), store.dashboard_ids(study.name for study in studies)
    with store.reading() as session:
        overall = whole(session, studies)
    return [
        study_view(s, progress[s.id], overall[s.id], [best[s.id]] if s.id in best else [], dashboard.get(s.name))
        for s in studies
    ]


def made_up_name(spec: StudySpec, key: str) -> str:
    """A name for a study that came without one."""
    return f"{spec.dataset.name}-{spec.model.kind}-{key[:6]}"


@router.post(
    "",
    status_code=201,
    response_model=StudyView,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _SPEC_SCHEMA}}}},
)
def submit(
    document: Annotated[dict[str, Any], Body()],
    store: StoreDependency,
    datasets: DatasetsDependency,
    settings: SettingsDependency,
    key: KeyDependency,
) -> Response:
    """Accept a study; workers start on it at once. Repeated with the same Idempotency-Key it is accepted once."""
    from studies.analysis import techniques
    from studies.study_file import parse

    spec = parse(document, datasets.uploaded)
    limits.check(spec, settings)
    if spec.comparison is not None:
        techniques.settled(spec, spec.comparison)
    named = spec if spec.name else spec.named(made_up_name(spec, uuid4().hex))

    def accept(session: Session) -> Answer:
        admission.check_room(session, settings.max_active_studies)
        study = store.accept(session, named)
        overall = whole(session, [study])[study.id]
        view = study_view(study, untouched(study), overall, [], store.optuna.get_study_id_from_name(study.name))
        return Answer(view.model_dump_json(), f"/v1/studies/{quote(study.name)}")

    return created(once(store, key, f"study {spec.model_dump_json()}", accept))


def created(answer: Answer) -> Response:
    """The response of a request that is done once."""
    headers = {} if answer.location is None else {"Location": answer.location}
    if answer.repeated:
        headers["Idempotent-Replayed"] = "true"
    return Response(answer.body, 201, headers, "application/json")


def tagged(store: Store, study: StudyRecord, response: Response) -> StudyView:
    """One study, with its ETag."""
    response.headers["ETag"] = f'"{study.tag}"'
    return views(store, [study])[0]


@router.get("")
def list_studies(
    store: StoreDependency, state: StudyState | None = None, limit: Limit = 50, cursor: CursorText = None
) -> ListView[StudyView]:
    """Studies, newest first."""
    page = store.studies(state, limit, None if cursor is None else Cursor.decode(cursor))
    return ListView(items=views(store, page.items), next=page.next)


@router.get("/{name}")
def read(name: str, store: StoreDependency, response: Response) -> StudyView:
    """One study with its progress and its best trial. Its ETag names its state and priority, not its progress."""
    return tagged(store, store.study(name), response)


@router.patch("/{name}")
def change(
    name: str, changes: StudyChanges, store: StoreDependency, response: Response, tags: TagsDependency
) -> StudyView:
    """Change the study's priority."""
    return tagged(store, store.set_priority(name, changes.priority, tags), response)


@router.post("/{name}/pause")
def pause(name: str, store: StoreDependency, response: Response, tags: TagsDependency) -> StudyView:
    """Start no further trial; those that run finish their epoch and keep their state for later."""
    return tagged(store, store.set_state(name, StudyState.PAUSED, tags), response)


@router.post("/{name}/resume")
def resume(name: str, store: StoreDependency, response: Response, tags: TagsDependency) -> StudyView:
    """Go on with a paused study."""
    return tagged(store, store.set_state(name, StudyState.RUNNING, tags), response)


@router.post("/{name}/stop")
def stop(name: str, store: StoreDependency, response: Response, tags: TagsDependency) -> StudyView:
    """End the study and keep its results; trials that run end at their next epoch and are told PRUNED."""
    return tagged(store, store.set_state(name, StudyState.STOPPED, tags), response)


@router.delete("/{name}", status_code=204)
def delete(
    name: str,
    store: StoreDependency,
    artifacts: ArtifactsDependency,
    dashboard: DashboardDependency,
    tags: TagsDependency,
    force: bool = False,
) -> None:
    """Delete the study, its trials, its comparison and its models; an active study only with `force`."""
    deleted = store.delete_study(name, force=force, tags=tags)
    dashboard.forget()
    for study_id in deleted:
        artifacts.remove_folder(study_folder(study_id))
