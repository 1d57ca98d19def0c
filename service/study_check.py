"""Checks a study as submitting it would, and keeps nothing: what it would be, and how long it would take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service import submission
from service.estimation import estimate
from service.schemas.checks import StudyCheck
from service.settings import Settings
from service.storage import user_trials, workers
from service.storage.accepting import name_conflict
from service.storage.datasets import DatasetStore
from service.storage.profiles import summary_of
from service.storage.speed import read_speed
from service.storage.store import Store
from service.study_yaml import write_yaml
from studies.analysis.work import plan_work
from studies.search.idle import warnings_of
from studies.spec.dataset import UploadedDataset


def check_study(document: Mapping[str, Any], settings: Settings, store: Store, datasets: DatasetStore) -> StudyCheck:
    """Check a study's document.

    Its dataset may be a file that is not uploaded yet, described as a profile describes it: `digest`, `format`,
    `options`, and the profile's `facts` as `known`; `path` is then the file's name in the study file. For a model of
    several inputs `columns` are each one's name and shape, and whether it is a category, in the profile's order.

    Raises InvalidSpecError as submitting it would.
    """
    document, described, path = _take_file(document)

    def uploaded(name: str, version: int | None) -> UploadedDataset | None:
        return described or datasets.uploaded(name, version)

    spec = submission.check(document, settings, uploaded)
    work = plan_work(spec)
    with store.reading() as session:
        if spec.warm_start is not None:
            user_trials.find_warm_start(session, spec)
        summary = summary_of(session, spec.dataset)
        conflict = name_conflict(session, spec)
        speed = read_speed(session, spec)
        alive = len(workers.alive(session))
    return StudyCheck(
        spec=spec.model_dump(mode="json"),
        yaml=write_yaml(document, spec, path),
        warnings=[*warnings_of(spec), *(() if summary is None else summary.warnings)],
        name_is_free=conflict is None,
        name_conflict=None if conflict is None else str(conflict),
        trials=sum(each.trials for each in work),
        fits=sum(each.fits for each in work),
        estimate=estimate(work, speed, alive or settings.workers, none_runs=not alive),
    )


def _take_file(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], UploadedDataset | None, str | None]:
    """Take the description of a file that is not uploaded out of a document; return it, and the file's name."""
    dataset = document.get("dataset")
    if not isinstance(dataset, Mapping) or dataset.get("kind") != "uploaded" or dataset.get("known") is None:
        return document, None, None
    fields = {name: value for name, value in dataset.items() if name not in {"path", "columns"}}
    path = dataset.get("path")
    described = submission.read_described(fields, dataset.get("columns", ()))
    return {**document, "dataset": fields}, described, path if isinstance(path, str) else None
