"""Trials: list, read, curve, best, CSV, model, snippet."""

from __future__ import annotations

import csv
import io
import json
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response
from sqlalchemy.orm import Session

from service.api.dependencies import (
    ArtifactsDependency,
    DashboardDependency,
    KeyDependency,
    StoreDependency,
    TagsDependency,
)
from service.api.routes.candidates import Candidate, final, not_both
from service.api.routes.downloads import download
from service.api.routes.studies import CursorText, Limit, created
from service.errors import BadRequestError, NotFoundError
from service.export import bundle, kept_model
from service.schemas import (
    AttemptView,
    BestTrialsView,
    CurveView,
    EnqueuedView,
    Invalidation,
    ListView,
    TrialView,
    WantedTrial,
    WeightsView,
    attempt_view,
    trial_view,
    weights_view,
)
from service.storage import lifecycle, user_trials
from service.storage.idempotency import Answer, once
from service.storage.pagination import SORTS, Cursor, Sort
from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import TrialState
from service.storage.store import Store
from studies.analysis.labels import label
from studies.hyperparameters import Hyperparameters

router = APIRouter(prefix="/v1/studies/{name}", tags=["trials"])

_STATES = tuple(state for state in TrialState if state is not TrialState.WAITING)
States = Annotated[list[str] | None, Query(alias="state", description=f"Any of {', '.join(_STATES)}; may stand often.")]
SortText = Annotated[str, Query(alias="sort", description=f"One of {', '.join(SORTS)}.")]
Number = Annotated[int, Path(ge=0, lt=2**31, description="The trial's number.")]
Chosen = Annotated[int | None, Query(alias="trial", ge=0, lt=2**31, description="Which trial; default the best.")]


@router.get("/trials")
def list_trials(
    name: str,
    store: StoreDependency,
    state: States = None,
    sort: SortText = "number",
    limit: Limit = 100,
    cursor: CursorText = None,
) -> ListView[TrialView]:
    """The trials that were asked."""
    after = None if cursor is None else Cursor.decode(cursor)
    page = store.trials(name, _states(state), Sort.parse(sort), limit, after)
    return ListView(items=[trial_view(trial) for trial in page.items], next=page.next)


@router.post("/trials", status_code=201, response_model=EnqueuedView)
def enqueue(
    name: str, wanted: WantedTrial, store: StoreDependency, key: KeyDependency, tags: TagsDependency
) -> Response:
    """Have params tried in the next free place of the budget, before what the sampler would ask."""

    def take(session: Session) -> Answer:
        study = lifecycle.find(session, name, lock=True)
        lifecycle.expect(study, tags)
        place = user_trials.enqueue(session, study, wanted.params).place
        return Answer(EnqueuedView(study=name, place=place, params=wanted.params).model_dump_json())

    return created(once(store, key, f"trial of {name} {wanted.model_dump_json()}", take))


def _states(names: list[str] | None) -> list[TrialState]:
    for name in names or []:
        if name.upper() not in _STATES:
            raise BadRequestError("state", f"unknown state '{name.upper()}'; choose from {', '.join(_STATES)}")
    return [TrialState(name.upper()) for name in names or []]


@router.get("/trials/{number}")
def read(name: str, number: Number, store: StoreDependency) -> TrialView:
    """One trial."""
    return trial_view(store.trial(name, number))


@router.get("/trials/{number}/attempts")
def attempts(name: str, number: Number, store: StoreDependency) -> list[AttemptView]:
    """Every attempt at a trial: who made it, how it ended and why."""
    return [attempt_view(attempt) for attempt in store.attempts(store.trial(name, number))]


@router.post("/trials/{number}/invalidate")
def invalidate(
    name: str,
    number: Number,
    store: StoreDependency,
    dashboard: DashboardDependency,
    tags: TagsDependency,
    why: Annotated[Invalidation | None, Body()] = None,
) -> TrialView:
    """Mark a finished trial invalid: it is FAIL from now on, the sampler forgets it and no ranking shows it."""
    trial = store.mark_invalid(name, number, (why or Invalidation()).reason, tags)
    dashboard.forget()
    return trial_view(trial)


@router.get("/trials/{number}/curve")
def curve(name: str, number: Number, store: StoreDependency) -> CurveView:
    """A finished trial's learning curve."""
    trial = store.trial(name, number)
    found = store.curve(trial)
    if found is None:
        raise NotFoundError(f"trial {number} has no curve: {_why_nothing(trial)}")
    return CurveView(number=number, epochs=len(found["epoch"]), curve=found)


def _why_nothing(trial: TrialRecord) -> str:
    return "it is running" if trial.state == TrialState.RUNNING else f"it ended without a result: {trial.reason}"


@router.get("/trials/{number}/weights")
def weights(name: str, number: Number, store: StoreDependency) -> WeightsView:
    """A finished trial's weights by layer and, of a table, by input feature; of several trainings the first's."""
    trial = store.trial(name, number)
    detail = store.detail(trial)
    if detail is None:
        raise NotFoundError(f"trial {number} has no weights: {_why_nothing(trial)}")
    names = (store.study(name).facts or {}).get("feature_names", [])
    return weights_view(trial, detail, names)


@router.get("/best")
def best(name: str, store: StoreDependency) -> BestTrialsView:
    """The best trial, or the Pareto front when there are several objectives."""
    study = store.study(name)
    return BestTrialsView(objectives=study.spec["objectives"], items=[trial_view(trial) for trial in store.best(study)])


@router.get("/trials.csv")
def trials_csv(name: str, store: StoreDependency) -> Response:
    """All trials that were asked as a table: params, metrics and weights each in columns of their own."""
    rows = [_flat(trial_view(trial)) for trial in store.trials(name, (), Sort.parse("number"), 1_000_000, None).items]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or ["number"])
    writer.writeheader()
    writer.writerows(rows)
    return download(text.getvalue(), "text/csv; charset=utf-8", f"{name}.csv")


def _flat(trial: TrialView) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for column, value in trial.model_dump(mode="json").items():
        if isinstance(value, dict):
            row |= {f"{column}_{name}": inner for name, inner in value.items()}
        else:
            row[column] = json.dumps(value) if isinstance(value, list) else value
    return row


@router.get("/model", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}})
def model(name: str, store: StoreDependency, artifacts: ArtifactsDependency, trial: Chosen = None) -> Response:
    """The best trial's trained model as a .keras file."""
    _, chosen = chosen_trial(store, name, trial)
    return download(artifacts.read(kept_model(chosen)), "application/octet-stream", f"{name} {chosen.number}.keras")


@router.get("/export", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
def export(name: str, store: StoreDependency, artifacts: ArtifactsDependency, trial: Chosen = None) -> Response:
    """The best trial's model with the fitted preprocessing of its raw rows and a README, as a zip."""
    _, chosen = chosen_trial(store, name, trial)
    content = bundle(artifacts, chosen, f"{name} {chosen.number}")
    return download(content, "application/zip", f"{name} {chosen.number}.zip")


@router.get("/snippet", response_class=Response, responses={200: {"content": {"text/x-python": {}}}})
def snippet(name: str, store: StoreDependency, trial: Chosen = None, technique: Candidate = None) -> Response:
    """Keras code that rebuilds and trains the best trial, or a technique that was compared."""
    not_both(trial, technique)
    code = _trial_code(store, name, trial) if technique is None else _candidate_code(store, name, technique)
    return Response(code, media_type="text/x-python; charset=utf-8")


def _trial_code(store: Store, name: str, number: int | None) -> str:
    from studies.models.snippet import snippet

    study, chosen = chosen_trial(store, name, number)
    spec = study.parsed_spec
    hyperparameters = Hyperparameters.from_effective(chosen.params or {}, spec.space.l1_mode)
    return snippet(spec, hyperparameters, chosen.number or 0)


def _candidate_code(store: Store, name: str, technique: str) -> str:
    from studies.models.snippet import snippet

    candidate, chosen = final(store, name, technique)
    spec, plan = store.study(name).parsed_spec, chosen.plan or {}
    hyperparameters = Hyperparameters.from_effective(plan["params"], spec.space.l1_mode)
    called = label(candidate)
    title = f"{called[0].upper()}{called[1:]}, as compared in the regsweep study {spec.name}."
    return snippet(spec, hyperparameters, chosen.number or 0, title=title, fit=plan["folds"][0])


def chosen_trial(store: Store, name: str, number: int | None) -> tuple[StudyRecord, TrialRecord]:
    """A study and its trial of a number, or its best."""
    study = store.study(name)
    if number is not None:
        return study, store.trial(name, number)
    found = store.best(study)
    if not found:
        raise NotFoundError(f"study '{name}' has no complete trial yet")
    if len(study.spec["objectives"]) > 1 and len(found) > 1:
        numbers = ", ".join(str(trial.number) for trial in found)
        raise BadRequestError("trial", f"several trials are on the Pareto front; choose one of {numbers}")
    return study, found[0]
