"""Write the model of a trial that has ended, and say which rows it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studies.datasets.preprocessing import PreparedData
from studies.datasets.split_strategies import resolve
from studies.spec.study import StudySpec
from studies.sweep.running_trial import RunningTrial
from studies.training.mean_model import write_mean

_DIVIDED = {"random": "at random", "stratified": "by class", "group": "by group", "time": "in the order of time"}


def write_model(running: RunningTrial, data: Sequence[PreparedData], spec: StudySpec, folder: Path) -> Path:
    """Write the model of a trial's kept fold or, for delivery on folds, the mean of all; return its file."""
    path, plan = folder / "model.keras", running.claim.plan
    if plan is not None and plan.deliver == "folds" and plan.prepared_by is not None:
        write_mean(_write_members(running, data, folder), data[plan.prepared_by], path, spec.division)
    else:
        running.trained[running.kept_fold].save(path)
    return path


def trained_on(running: RunningTrial, data: Sequence[PreparedData], spec: StudySpec) -> dict[str, Any]:
    """The rows that the kept model, curve and weights of a trial with a result were trained on, as JSON.

    `data` is the index of the data whose preprocessing the model needs, `part` says in words which rows they are.
    """
    plan, fits = running.claim.plan, spec.resampling.fits
    fold = spec.kept_fold(running.trained)  # a pruned trial may have no other
    rows = data[fold].rows
    if plan is not None and plan.deliver == "folds":
        part = f"each of its {len(running.trained)} models leaves one fold of all rows out"
    elif fold < fits and spec.resampling.kind != "holdout":
        part = f"the training rows of fold {fold + 1} of {fits}"
    else:
        part = "all rows" if len(rows.train) == len(data[fold].dataset.y) else "the training part"
    how = _DIVIDED[resolve(spec.resampling.split, data[fold].dataset)]
    return {
        "data": fold if plan is None else plan.preparation,
        "train_rows": len(rows.train),
        "rows": len(data[fold].dataset.y),
        "part": part if part == "all rows" else f"{part}, divided {how}",
    }


def _write_members(
    running: RunningTrial, data: Sequence[PreparedData], folder: Path
) -> list[tuple[PreparedData, Path]]:
    """Write the models of all trainings, each beside the data it was trained on."""
    members = []
    for fold, trained in sorted(running.trained.items()):
        trained.save(path := folder / f"{fold}.keras")
        members.append((data[fold], path))
    return members
