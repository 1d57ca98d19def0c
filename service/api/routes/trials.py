"""Trials: list, enqueue, read, invalidate, curve, weights, best, and all of them as a file."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from service import trials_file
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
from service.api.turns import Turns, key_name
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
from service.storage.store import Store
from service.trials_file import MEDIA_TYPES, TrialsFormat
from service.views.trials import attempt_view, curve_view, curve_views, trial_view, weights_view, why_without_result

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


@router.get("/curves")
def curves(
    name: str,
    store: StoreDependency,
    number: Annotated[
        list[Annotated[int, Query(ge=0, lt=2**31)]],
        Query(min_length=1, max_length=50, description="A trial's number; may be repeated."),
    ],
) -> list[CurveView]:
    """Read the learning curves of several trials, by number; those that gave none are left out."""
    return curve_views(store, name, number)


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
    return _trials_file(store, name, "csv", escape_formulas=escape_formulas)


@router.get("/trials.parquet", response_class=Response, responses={200: {"content": {MEDIA_TYPES["parquet"]: {}}}})
def trials_parquet(name: str, store: StoreDependency) -> Response:
    """Download the same as Parquet, its columns with types."""
    return _trials_file(store, name, "parquet")


@router.get("/trials.arrow", response_class=Response, responses={200: {"content": {MEDIA_TYPES["arrow"]: {}}}})
def trials_arrow(name: str, store: StoreDependency) -> Response:
    """Download the same as an Arrow file (Feather), its columns with types."""
    return _trials_file(store, name, "arrow")


def _trials_file(store: Store, name: str, kind: TrialsFormat, *, escape_formulas: bool = False) -> Response:
    trials = store.trials(name, (), Sort.parse("number"), 1_000_000, None).items
    content = trials_file.write(map(trial_view, trials), kind, escape_formulas=escape_formulas)
    return download_response(content, MEDIA_TYPES[kind], f"{name}.{kind}")


@router.get("/optuna.db", response_class=Response, responses={200: {"content": {"application/vnd.sqlite3": {}}}})
async def optuna_db(name: str, request: Request, store: StoreDependency) -> Response:
    """Download the study as an SQLite file that `optuna.load_study` opens."""
    from service.storage import optuna_file

    turns: Turns = request.app.state.optuna_files
    async with turns.take(key_name(request)):
        content = await run_in_threadpool(optuna_file.write, store, name)
    return download_response(content, "application/vnd.sqlite3", f"{name}.db")
