"""Projects: make, list, read, give quotas, delete."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Response

from service.api.dependencies import CursorParameter, Limit, ProjectsDependency
from service.api.json_route import JsonRoute
from service.schemas.pages import ListView
from service.schemas.projects import NewProject, ProjectQuotas, ProjectView
from service.views.projects import project_view

router = APIRouter(prefix="/v1/projects", tags=["projects"], route_class=JsonRoute)


@router.get("")
def list_projects(
    projects: ProjectsDependency, limit: Limit = 100, cursor: CursorParameter = None
) -> ListView[ProjectView]:
    """List the projects that the key sees, by name, with their quotas and how much of each is used."""
    page = projects.list_projects(limit, cursor)
    return ListView(items=[project_view(project) for project in page.items], next=page.next)


@router.post("", status_code=201)
def create(new: NewProject, projects: ProjectsDependency, response: Response) -> ProjectView:
    """Make a project."""
    project = project_view(projects.create(new.name, new.model_dump(exclude={"name"})))
    response.headers["Location"] = f"/v1/projects/{quote(project.name)}"
    return project


@router.get("/{name}")
def read(name: str, projects: ProjectsDependency) -> ProjectView:
    """Read a project."""
    return project_view(projects.project(name))


@router.patch("/{name}")
def change(name: str, changes: ProjectQuotas, projects: ProjectsDependency) -> ProjectView:
    """Give a project quotas of its own; null gives it the server's again."""
    return project_view(projects.change(name, changes.model_dump(exclude_unset=True)))


@router.delete("/{name}", status_code=204)
def delete(name: str, projects: ProjectsDependency) -> None:
    """Delete a project that has no studies, no datasets and no keys."""
    projects.delete(name)
