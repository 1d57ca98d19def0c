"""Trials: list, enqueue, read, invalidate, curve, weights, best, CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response
from sqlalchemy.orm import Session

from service import csv_cells
from service.api.dependencies import (
    CursorParameter,
    DashboardDependency,
    IdempotencyKeyDependency,
    IfMatchDependency,
    Limit,
    StoreDependency,
)
from service.api.json_route import JsonRoute
from service.api.responses import created_response, download_response
from service.errors import BadRequestError, NotFoundError
from service.schemas.pages import ListView
from service.schemas.trials import (
    AttemptView,
    BestTrialsView,
    CurveView,
    EnqueuedView,
    Invalidation,
    TrialView,
    WantedTrial,
    WeightsView,
)
from service.storage import history, locking, quotas, user_trials
from service.storage.history import Change
from service.storage.idempotency import Answer, run_once
from service.storage.pagination import SORTS, Cursor, Sort
from service.storage.states import TrialState
from service.views.trials import attempt_view, curve_view, trial_view, weights_view, why_without_result

router = APIRouter(prefix="/v1/studies/{name}", tags=["trials"], route_class=JsonRoute)

_STATES = tuple(state for state in TrialState if state is not TrialState.WAITING)
StatesParameter = Annotated[
    list[str] | None, Query(alias="state", description=f"Any of {', '.join(_STATES)}; may be repeated.")
]
SortParameter = Annotated[
    str,
    Query(
        alias="sort",
        description=f"One of {', '.join(SORTS)}. `value` begins with the best complete trial, `-value` with the worst; "
        "then come pruned and other trials by their partial values, then those without a value.",
    ),
]
Number = Annotated[int, Path(ge=0, lt=2**31, description="The trial's number.")]


@router.get("/trials")
def list_trials(
    name: str,
    store: StoreDependency,
    state: StatesParameter = None,
    sort: SortParameter = "number",
    limit: Limit = 100,
    cursor: CursorParameter = None,
) -> ListView[TrialView]:
    """List the trials that have started."""
    after = None if cursor is None else Cursor.decode(cursor)
    page = store.trials(name, _parse_states(state), Sort.parse(sort), limit, after)
    return ListView(items=[trial_view(trial) for trial in page.items], next=page.next)


@router.post("/trials", status_code=201, response_model=EnqueuedView)
def enqueue(
    name: str,
    wanted: WantedTrial,
    store: StoreDependency,
    idempotency_key: IdempotencyKeyDependency,
    etags: IfMatchDependency,
) -> Response:
    """Enqueue params: they are tried in the next free slot of the budget, before the sampler is asked again."""

    def act(session: Session) -> Answer:
        study = locking.find(session, name, lock=True)
        locking.check_etag(study, etags)
        with quotas.admitting(session, store.access, study.project):
            slot = user_trials.enqueue(session, study, wanted.params).slot
        history.record(session, study, store.access.name, Change.ENQUEUED, wanted.model_dump_json(include={"params"}))
        return Answer(EnqueuedView(study=name, place=slot, params=wanted.params).model_dump_json())

    return created_response(run_once(store, idempotency_key, f"trial of {name} {wanted.model_dump_json()}", act))


def _parse_states(names: list[str] | None) -> list[TrialState]:
    for name in names or []:
        if name.upper() not in _STATES:
            raise BadRequestError("state", f"unknown state '{name.upper()}'; choose from {', '.join(_STATES)}")
    return [TrialState(name.upper()) for name in names or []]


@router.get("/trials/{number}")
def read(name: str, number: Number, store: StoreDependency) -> TrialView:
    """Read one trial."""
    return trial_view(store.trial(name, number))


@router.get("/trials/{number}/attempts")
def attempts(name: str, number: Number, store: StoreDependency) -> list[AttemptView]:
    """List every attempt at a trial: which worker made it, how it ended and why."""
    return [attempt_view(attempt) for attempt in store.attempts(store.trial(name, number))]


@router.post("/trials/{number}/invalidate")
def invalidate(
    name: str,
    number: Number,
    store: StoreDependency,
    dashboard: DashboardDependency,
    etags: IfMatchDependency,
    why: Annotated[Invalidation | None, Body()] = None,
) -> TrialView:
    """Mark a finished trial invalid: its state becomes FAIL, the sampler forgets it, and no ranking shows it."""
    trial = store.mark_invalid(name, number, (why or Invalidation()).reason, etags)
    dashboard.forget()
    return trial_view(trial)


@router.get("/trials/{number}/curve")
def curve(name: str, number: Number, store: StoreDependency) -> CurveView:
    """Read a trial's learning curve; of a running trial, that of the epochs so far."""
    return curve_view(store, name, number)


@router.get("/trials/{number}/weights")
def weights(name: str, number: Number, store: StoreDependency) -> WeightsView:
    """Read a finished trial's weights by layer and, on a table, by input feature; of folds, the kept model's."""
    trial = store.trial(name, number)
    detail = store.detail(trial)
    if detail is None:
        raise NotFoundError(f"trial {number} has no weights: {why_without_result(trial)}")
    feature_names = (store.study(name).facts or {}).get("feature_names", [])
    return weights_view(trial, detail, feature_names)


@router.get("/best")
def best(name: str, store: StoreDependency) -> BestTrialsView:
    """Read the best trial or, with several objectives, the Pareto front."""
    study = store.study(name)
    return BestTrialsView(objectives=study.spec["objectives"], items=[trial_view(trial) for trial in store.best(study)])


@router.get("/trials.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def trials_csv(
    name: str,
    store: StoreDependency,
    escape_formulas: Annotated[
        bool,
        Query(
            description="Put an apostrophe before texts that begin with =, +, - or @, which spreadsheets take for "
            "formulas; numbers stay."
        ),
    ] = False,
) -> Response:
    """Download all trials that have started as a CSV; every param, metric and weight has a column of its own."""
    rows = [_flat(trial_view(trial)) for trial in store.trials(name, (), Sort.parse("number"), 1_000_000, None).items]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or ["number"])
    writer.writeheader()
    escape = csv_cells.escape_formulas if escape_formulas else list
    writer.writerows(dict(zip(row, escape(row.values()), strict=True)) for row in rows)
    return download_response(text.getvalue(), "text/csv; charset=utf-8", f"{name}.csv")


def _flat(trial: TrialView) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for column, value in trial.model_dump(mode="json").items():
        if isinstance(value, dict):
            row |= {f"{column}_{name}": inner for name, inner in value.items()}
        else:
            row[column] = json.dumps(value) if isinstance(value, list) else value
    return row
