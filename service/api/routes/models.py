"""The model of a trial: the file, the export with its preprocessing, and Keras code."""

from __future__ import annotations

from fastapi import APIRouter, Response

from service.api.dependencies import ArtifactsDependency, StoreDependency
from service.api.model_choice import CandidateParameter, TrialParameter, check_one_named, find_tested, find_trial
from service.api.responses import download_response
from service.export import bundle, model_path
from service.storage.records import StudyRecord, TrialRecord
from service.storage.store import Store
from studies.analysis.labels import label, number, repeats_text
from studies.hyperparameters import Hyperparameters

router = APIRouter(prefix="/v1/studies/{name}", tags=["trials"])


@router.get("/model", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}})
def model(name: str, store: StoreDependency, artifacts: ArtifactsDependency, trial: TrialParameter = None) -> Response:
    """Download the best trial's trained model, a .keras file."""
    _, record = find_trial(store, name, trial)
    return download_response(
        artifacts.read(model_path(record)), "application/octet-stream", f"{name} {record.number}.keras"
    )


@router.get("/export", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
def export(name: str, store: StoreDependency, artifacts: ArtifactsDependency, trial: TrialParameter = None) -> Response:
    """Download the best trial's model with the fitted preprocessing of its raw rows and a README, as a zip."""
    _, record = find_trial(store, name, trial)
    content = bundle(artifacts, record, store.detail(record), f"{name} {record.number}")
    return download_response(content, "application/zip", f"{name} {record.number}.zip")


@router.get("/snippet", response_class=Response, responses={200: {"content": {"text/x-python": {}}}})
def snippet(
    name: str, store: StoreDependency, trial: TrialParameter = None, technique: CandidateParameter = None
) -> Response:
    """Read Keras code that rebuilds and trains the best trial, or a technique that was compared."""
    check_one_named(trial, technique)
    code = _trial_code(store, name, trial) if technique is None else _candidate_code(store, name, technique)
    return Response(code, media_type="text/x-python; charset=utf-8")


def _trial_code(store: Store, name: str, number: int | None) -> str:
    from studies.models.snippet import snippet

    study, trial = find_trial(store, name, number)
    spec = study.parsed_spec
    hyperparameters = Hyperparameters.from_effective(trial.params or {}, spec.space.l1_mode)
    fit = spec.kept_fold(range(spec.resampling.fits))
    return snippet(spec, hyperparameters, trial.number or 0, fit=fit, remarks=_remarks(store, study, trial))


def _remarks(store: Store, study: StudyRecord, trial: TrialRecord) -> list[str]:
    """Say what the trial gave, and why a run of its code gives another value where it was trained in a lane."""
    objective = study.parsed_spec.objectives[0]
    remarks = [] if trial.value is None else [f"In the study it gave {objective} {number(trial.value)}."]
    if study.engine is not None and study.engine["engine"] == "lanes":
        remarks.append("It was trained in a lane, whose noise and order of rows are not those of keras.Model.fit:")
        remarks.append("a run of this code gives another value, as another seed does.")
    repeats = store.repeat_values(study, trial.number)
    return [*remarks, f"{repeats_text(objective, repeats)}."] if repeats else remarks


def _candidate_code(store: Store, name: str, technique: str) -> str:
    from studies.models.snippet import snippet

    candidate, trial = find_tested(store, name, technique)
    spec, plan = store.study(name).parsed_spec, trial.plan or {}
    hyperparameters = Hyperparameters.from_effective(plan["params"], spec.space.l1_mode)
    words = label(candidate)
    title = f"{words[0].upper()}{words[1:]}, as compared in the regsweep study {spec.name}."
    return snippet(spec, hyperparameters, trial.number or 0, title=title, fit=plan["folds"][0])
