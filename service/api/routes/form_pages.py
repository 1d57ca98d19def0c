"""The pages with files to drop: a new study, and predictions."""

from __future__ import annotations

from fastapi import APIRouter, Response

from service.api.dependencies import DatasetsDependency, ProjectsDependency, StoreDependency
from service.api.page_route import PageRoute, ViewerDependency
from service.errors import ForbiddenError
from service.pages.new_study_page import new_study_page
from service.pages.predict_page import predict_page
from service.pages.rendering import render
from service.pages.viewer import Viewer
from service.scopes import needed_scope
from service.views.datasets import list_dataset_views

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/new")
def new_study(datasets: DatasetsDependency, projects: ProjectsDependency, viewer: ViewerDependency) -> Response:
    """Show the form of a new study."""
    _check_may(viewer, "/v1/studies")
    return render("new.html", viewer, page=new_study_page(list_dataset_views(datasets), projects.names(), viewer))


@router.get("/studies/{name}/predict")
def predict(name: str, store: StoreDependency, viewer: ViewerDependency) -> Response:
    """Show the form that predicts a file of raw rows."""
    _check_may(viewer, "/v1/studies/a/predict")
    return render("predict.html", viewer, page=predict_page(store, name))


def _check_may(viewer: Viewer, path: str) -> None:
    """Raise ForbiddenError when the key may not send what the page would."""
    if not viewer.may("POST", path):
        needed = needed_scope("POST", path)
        raise ForbiddenError(f"this key's scope is {viewer.scope}, and the page needs {needed}", needed)
