"""The table of a study's trials: a page of it, in the order and of the states that are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from service.pages import phrases
from service.schemas.trials import TrialView
from service.storage.pagination import Cursor, Sort
from service.storage.records import StudyRecord
from service.storage.states import TrialState
from service.storage.store import Store
from service.views.trials import trial_view
from studies.analysis.labels import params_text

PAGE_SIZE = 25
#: The columns of the table by which it can be sorted, with their names in the API.
_SORTS = {"trial": "number", "value": "value", "epochs": "epochs", "ended": "ended_at"}
STATES = tuple(state for state in TrialState if state is not TrialState.WAITING)


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's name, the query that sorts by it, and how it is sorted now: ascending, descending or empty."""

    name: str
    query: str
    sorted: str


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial in the table."""

    number: int
    state: str
    value: str
    other_values: str
    params: str
    metric: str
    zeros: str
    gap: str
    epochs: str
    ended: str
    note: str


@dataclass(frozen=True, slots=True)
class TrialTable:
    """A page of the table."""

    headings: dict[str, Heading]
    rows: Sequence[TrialRow]
    metric: str
    state: str
    sort: str
    states: Sequence[str]
    next: str  # the query of the next page; empty on the last
    is_first: bool


def trial_table(
    store: Store, study: StudyRecord, metric: str, state: TrialState | None, sort: str, cursor: str | None
) -> TrialTable:
    """Read a page of the table; `metric` is the one shown beside the objective.

    Raises BadRequestError when there is no such column, OtherListingError when the cursor is of another listing.
    """
    after = None if cursor is None else Cursor.decode(cursor)
    page = store.trials(study.name, [] if state is None else [state], Sort.parse(sort), PAGE_SIZE, after)
    kept = {"state": state or "", "sort": sort}
    return TrialTable(
        headings={name: _heading(name, column, kept) for name, column in _SORTS.items()},
        rows=[_row(trial_view(trial), metric) for trial in page.items],
        metric=metric.removeprefix("val_"),
        state=state or "",
        sort=sort,
        states=STATES,
        next="" if page.next is None else urlencode(kept | {"cursor": page.next}),
        is_first=cursor is None,
    )


def _heading(name: str, column: str, kept: dict[str, str]) -> Heading:
    is_ascending, is_descending = kept["sort"] == column, kept["sort"] == f"-{column}"
    query = urlencode(kept | {"sort": f"-{column}" if is_ascending else column})
    return Heading(name, query, "ascending" if is_ascending else "descending" if is_descending else "")


def _row(trial: TrialView, metric: str) -> TrialRow:
    zeros = trial.weights.get("zero_share")
    return TrialRow(
        number=trial.number,
        state=trial.state,
        value=phrases.number(trial.value),
        other_values=", ".join(phrases.number(value) for value in (trial.values or [])[1:]),
        params=params_text("combined", trial.params) or "no regularization",
        metric=phrases.number(trial.metrics.get(metric)),
        zeros="–" if zeros is None else f"{zeros:.1%}",
        gap=phrases.number(trial.metrics.get("gap"), 3),
        epochs="–" if trial.epochs is None else str(trial.epochs),
        ended="" if trial.ended_at is None else phrases.age(trial.ended_at),
        note=trial.reason or "",
    )
