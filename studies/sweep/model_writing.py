"""Write the model of a trial that has ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from studies.datasets.preprocessing import PreparedData
from studies.sweep.running_trial import RunningTrial
from studies.training.mean_model import write_mean


def write_model(running: RunningTrial, data: Sequence[PreparedData], folder: Path) -> Path:
    """Write the model of a trial's first training or, for delivery on folds, the mean of all; return its file."""
    path, plan = folder / "model.keras", running.claim.plan
    if plan is not None and plan.deliver == "folds" and plan.prepared_by is not None:
        write_mean(_write_members(running, data, folder), data[plan.prepared_by], path)
    else:
        running.trained[min(running.trained)].save(path)
    return path


def _write_members(
    running: RunningTrial, data: Sequence[PreparedData], folder: Path
) -> list[tuple[PreparedData, Path]]:
    """Write the models of all trainings, each beside the data it was trained on."""
    members = []
    for fold, trained in sorted(running.trained.items()):
        trained.save(path := folder / f"{fold}.keras")
        members.append((data[fold], path))
    return members
