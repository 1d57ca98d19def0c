"""Workers: who is alive, and what each does."""

from __future__ import annotations

from fastapi import APIRouter

from service.api.dependencies import StoreDependency
from service.schemas.workers import WorkersView
from service.views.workers import workers_view

router = APIRouter(prefix="/v1/workers", tags=["workers"])


@router.get("")
def list_workers(store: StoreDependency) -> WorkersView:
    """List the workers that are alive, with what each does now, and the trials that end in a minute."""
    return workers_view(store)
