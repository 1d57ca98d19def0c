"""Workers."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from service.storage.states import Activity, FleetKind


class WorkerView(BaseModel):
    """A worker that is alive."""

    name: str
    activity: Activity = Field(description="What it does now.")
    study: str | None = Field(description="The study that it serves, or the part of a comparison.")
    lanes: int = Field(description="Running trials that it holds.")
    cpus: float | None = Field(
        None, description="Processors that it offers to studies; null for a worker of an earlier version."
    )
    gpus: int | None = Field(None, description="GPUs that it offers; null until it has loaded TensorFlow.")
    memory: int | None = Field(None, description="Bytes of memory that it offers.")
    node: str | None = Field(None, description="Name of its machine.")
    fleet: FleetKind | None = Field(
        None, description="Who started it: local (a server on its machine), ray, or own (whoever ran regsweep worker)."
    )
    started_at: datetime
    seen_at: datetime = Field(description="Its last sign of life; it gives one at least three times a lease.")


class WorkersView(BaseModel):
    """The workers of all machines."""

    workers: list[WorkerView] = Field(description="The oldest first; empty when no worker runs.")
    trials_a_minute: float = Field(
        description="Trials that ended in the last minute, of all studies that the key sees."
    )
