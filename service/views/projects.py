"""Projects as the API shows them."""

from __future__ import annotations

from service.schemas.projects import ProjectView, QuotaView
from service.storage.projects import ProjectState
from service.views.instants import utc


def project_view(project: ProjectState) -> ProjectView:
    """A project with its quotas."""
    record = project.record
    quotas = {
        name: QuotaView(limit=limit, own=getattr(record, name) is not None, used=project.used[name])
        for name, limit in project.limits.items()
    }
    return ProjectView(
        name=record.name,
        studies=project.studies,
        datasets=project.datasets,
        created_by=record.created_by,
        created_at=utc(record.created_at),
        **quotas,
    )
