"""Studies: submit, list, read, pause, resume, stop, delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Query, Response

from service.dependencies import ArtifactsDependency, DashboardDependency, StoreDependency
from service.schemas import ListView, StudyState, StudyView, study_view
from service.storage.artifacts import study_folder
from service.storage.pages import Cursor
from service.storage.records import StudyRecord
from service.storage.store import Store
from studies.spec import StudySpec

router = APIRouter(prefix="/v1/studies", tags=["studies"])

Limit = Annotated[int, Query(ge=1, le=1000, description="Most items of the page.")]
CursorText = Annotated[str | None, Query(alias="cursor", description="`next` of the page before.")]


def views(store: Store, studies: Sequence[StudyRecord]) -> list[StudyView]:
    """Studies as the API shows them."""
    progress = store.progress(studies)
    dashboard = store.dashboard_ids(study.name for study in studies)
    return [study_view(s, progress[s.id], store.best(s), dashboard.get(s.name)) for s in studies]


def made_up_name(spec: StudySpec, key: str) -> str:
    """A name for a study that came without one."""
    return f"{spec.dataset.name}-{spec.model.kind}-{key[:6]}"


@router.post("", status_code=201)
def submit(spec: StudySpec, store: StoreDependency, response: Response) -> StudyView:
    """Accept a study; workers start on it at once."""
    from studies import sampling
    from studies.analysis import techniques

    sampling.check(spec)
    if spec.comparison is not None:
        techniques.settled(spec, spec.comparison)
    study = store.create_study(spec if spec.name else spec.named(made_up_name(spec, uuid4().hex)))
    response.headers["Location"] = f"/v1/studies/{quote(study.name)}"
    return views(store, [study])[0]


@router.get("")
def list_studies(
    store: StoreDependency, state: StudyState | None = None, limit: Limit = 50, cursor: CursorText = None
) -> ListView[StudyView]:
    """Studies, newest first."""
    page = store.studies(state, limit, None if cursor is None else Cursor.decode(cursor))
    return ListView(items=views(store, page.items), next=page.next)


@router.get("/{name}")
def read(name: str, store: StoreDependency) -> StudyView:
    """One study with its progress and its best trial."""
    return views(store, [store.study(name)])[0]


@router.post("/{name}/pause")
def pause(name: str, store: StoreDependency) -> StudyView:
    """Start no further trial; those that run are finished."""
    return views(store, [store.move(name, "paused")])[0]


@router.post("/{name}/resume")
def resume(name: str, store: StoreDependency) -> StudyView:
    """Go on with a paused study."""
    return views(store, [store.move(name, "running")])[0]


@router.post("/{name}/stop")
def stop(name: str, store: StoreDependency) -> StudyView:
    """End the study and keep its results; trials that run end at their next epoch and are told PRUNED."""
    return views(store, [store.move(name, "stopped")])[0]


@router.delete("/{name}", status_code=204)
def delete(
    name: str,
    store: StoreDependency,
    artifacts: ArtifactsDependency,
    dashboard: DashboardDependency,
    force: bool = False,
) -> None:
    """Delete the study, its trials, its comparison and its models; an active study only with `force`."""
    deleted = store.delete_study(name, force=force)
    dashboard.forget()
    for study_id in deleted:
        artifacts.remove_folder(study_folder(study_id))
