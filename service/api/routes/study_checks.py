"""What a study would be, before it is submitted."""

from __future__ import annotations

from fastapi import APIRouter

from service.api.dependencies import (
    DatasetsDependency,
    SettingsDependency,
    StoreDependency,
    StudyDraftBody,
)
from service.api.json_route import JsonRoute
from service.schemas.checks import StudyCheck
from service.study_check import check_study

router = APIRouter(prefix="/v1/studies", tags=["studies"], route_class=JsonRoute)


@router.post(
    "/check",
)
def check(
    document: StudyDraftBody,
    store: StoreDependency,
    datasets: DatasetsDependency,
    settings: SettingsDependency,
) -> StudyCheck:
    """Check a study as submitting it would, and keep nothing: its defaults, its study file, warnings, trials, and the
    seconds that it will take. Its dataset may also be a file that is not uploaded yet, as its profile describes it:
    `{kind: uploaded, name, digest, format, options, known: <facts>}`, with `path`, the file's name in the study file.
    """
    return check_study(document, settings, store, datasets)
