"""Projects: list, make, read, give quotas, delete."""

from __future__ import annotations

from service.client.answers import fill, query
from service.client.blocking.transport import Transport
from service.schemas.projects import ProjectView


class ProjectCalls(Transport):
    """What can be done with projects."""

    def projects(self) -> list[ProjectView]:
        """The projects that the key sees, with their quotas and how much of each is used."""
        return self._read_pages(ProjectView, "/v1/projects")

    def project(self, name: str) -> ProjectView:
        """One project."""
        return self._read(ProjectView, "GET", fill("/v1/projects/{name}", name=name))

    def create_project(self, name: str, **quotas: int | None) -> ProjectView:
        """Make a project; quotas are active_studies, waiting_trials and stored_bytes, else the server's."""
        return self._read(ProjectView, "POST", "/v1/projects", json={"name": name} | query(**quotas))

    def change_project(self, name: str, **quotas: int | None) -> ProjectView:
        """Give a project quotas of its own; None gives it the server's again, and one that is left out stays."""
        return self._read(ProjectView, "PATCH", fill("/v1/projects/{name}", name=name), json=quotas)

    def delete_project(self, name: str) -> None:
        """Delete a project that has no studies, no datasets and no keys."""
        self._send("DELETE", fill("/v1/projects/{name}", name=name))
