"""A study's comparison of techniques."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response

from service import limits
from service.api.dependencies import (
    ArtifactsDependency,
    DashboardDependency,
    SettingsDependency,
    StoreDependency,
    TagsDependency,
)
from service.api.routes.candidates import Candidate, delivered
from service.api.routes.downloads import download
from service.export import bundle, kept_model
from service.schemas import ComparisonView, comparison_view
from service.storage.artifacts import study_folder
from service.storage.comparison_store import ComparisonStore
from service.storage.progress import of_comparison
from service.storage.store import Store
from studies.spec.comparison import ComparisonSpec

router = APIRouter(prefix="/v1/studies/{name}", tags=["comparison"])

Asked = Annotated[ComparisonSpec | None, Body(description="What is compared; everything has a default.")]


def view(store: Store, name: str) -> ComparisonView:
    """A comparison as the API shows it."""
    from service.storage.findings import comparison

    study = ComparisonStore(store).study(name)
    parts = ComparisonStore(store).parts(study)
    with store.reading() as session:
        overall = of_comparison(session, study)
    return comparison_view(study, parts, store.progress(parts), overall, comparison(store, study))


@router.post("/comparison", status_code=202)
def ask(
    name: str, store: StoreDependency, settings: SettingsDependency, tags: TagsDependency, asked: Asked = None
) -> ComparisonView:
    """Compare techniques: each is searched alone, confirmed on folds, measured on the test part. May be asked while the
    study runs, and after.
    """
    limits.check_comparison(asked or ComparisonSpec(), settings)
    ComparisonStore(store).ask(name, asked or ComparisonSpec(), tags, settings.max_active_studies)
    return view(store, name)


@router.get("/comparison")
def read(name: str, store: StoreDependency) -> ComparisonView:
    """How far it is, and once it has ended its result: the table, the differences, the recommendation."""
    return view(store, name)


@router.get(
    "/comparison/model", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}}
)
def model(name: str, store: StoreDependency, artifacts: ArtifactsDependency, technique: Candidate = None) -> Response:
    """The model of a technique's best, trained once more on the study's own split; default the recommended one."""
    chosen, tested = delivered(store, name, technique)
    return download(artifacts.read(kept_model(tested)), "application/octet-stream", f"{name} {chosen}.keras")


@router.get("/comparison/export", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
def export(name: str, store: StoreDependency, artifacts: ArtifactsDependency, technique: Candidate = None) -> Response:
    """The same model with the fitted preprocessing of its raw rows and a README, as a zip."""
    chosen, tested = delivered(store, name, technique)
    content = bundle(artifacts, tested, f"{name} {chosen}")
    return download(content, "application/zip", f"{name} {chosen}.zip")


@router.post("/comparison/stop")
def stop(name: str, store: StoreDependency, tags: TagsDependency) -> ComparisonView:
    """End the comparison with what it has."""
    ComparisonStore(store).stop(name, tags)
    return view(store, name)


@router.delete("/comparison", status_code=204)
def delete(
    name: str,
    store: StoreDependency,
    artifacts: ArtifactsDependency,
    dashboard: DashboardDependency,
    tags: TagsDependency,
) -> None:
    """Delete the comparison, also one that runs, and make room for another."""
    deleted = ComparisonStore(store).delete(name, tags)
    dashboard.forget()
    for study_id in deleted:
        artifacts.remove_folder(study_folder(study_id))
