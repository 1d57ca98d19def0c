"""A listing read page by page shows every row once, whatever the order, also while rows come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import BadRequestError
from service.storage.pagination import SORTS, Cursor, Page, Sort
from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import StudyState, TrialState
from service.storage.store import Store
from tests.service.documents import study

_names = (f"study {number}" for number in count())
_floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 0.5, 1 / 3])
_rows = st.lists(
    st.fixed_dictionaries(
        {
            "value": st.none() | _floats,
            "epochs": st.none() | st.integers(1, 3),
            "started_at": st.none() | st.sampled_from([1.5, 2.5, 1700000000.123]),
            "ended_at": st.none() | st.floats(0, 2e9),
            "state": st.sampled_from(["COMPLETE", "PRUNED", "FAIL"]),
        }
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('pages') / 'regsweep.db'}")
    yield store
    store.close()


def _pages(read: Callable[[Cursor | None], Page[Any]], limit: int) -> list[Any]:
    """All rows, page by page."""
    found: list[Any] = []
    cursor: Cursor | None = None
    while True:
        page = read(cursor)
        assert len(page.items) <= limit
        found += page.items
        if page.next is None:
            return found
        assert len(page.items) == limit
        cursor = Cursor.decode(page.next)


def _expected(rows: list[dict[str, Any]], sort: str, *, greatest_first: bool) -> list[int]:
    column = sort.removeprefix("-")
    numbered = [row | {"number": number} for number, row in enumerate(rows)]
    present = [row for row in numbered if row[column] is not None]
    # Python's sort is stable, also in reverse, so ties stay in the order of their numbers.
    present.sort(key=lambda row: row[column], reverse=sort.startswith("-") != (greatest_first and column == "value"))
    if column == "value":
        present.sort(key=lambda row: row["state"] != "COMPLETE")
    return [row["number"] for row in present + [row for row in numbered if row[column] is None]]


def _stored(store: Store, rows: list[dict[str, Any]], objective: str = "val_loss") -> str:
    name = next(_names)
    accepted = store.create_study(study(name, trials=1, objectives=[objective]))
    asked = [
        {"state": "COMPLETE"} | row | {"study_id": accepted.id, "place": n + 1, "number": n, "attempt": 1}
        for n, row in enumerate(rows)
    ]
    if asked:
        with store.engine.begin() as connection:
            connection.execute(sa.insert(TrialRecord), asked)
    return name


@pytest.mark.parametrize("sort", SORTS)
@settings(max_examples=12, deadline=None)
@given(rows=_rows, limit=st.integers(1, 5), objective=st.sampled_from(["val_loss", "val_accuracy"]))
def test_pages_show_every_trial_once_and_in_order(
    listing: Store, sort: str, rows: list[dict[str, Any]], limit: int, objective: str
) -> None:
    name = _stored(listing, rows, objective)
    found = _pages(lambda cursor: listing.trials(name, (), Sort.parse(sort), limit, cursor), limit)
    assert [trial.number for trial in found] == _expected(rows, sort, greatest_first=objective == "val_accuracy")


def test_a_filter_holds_on_every_page(listing: Store) -> None:
    name = _stored(listing, [{"value": float(n % 3)} for n in range(10)])
    with listing.engine.begin() as connection:
        mine = TrialRecord.study_id == listing.study(name).id
        connection.execute(sa.update(TrialRecord).where(mine, TrialRecord.number % 2 == 0).values(state="FAIL"))
    found = _pages(lambda cursor: listing.trials(name, [TrialState.FAIL], Sort.parse("-value"), 2, cursor), 2)
    assert [trial.number for trial in found] == [2, 8, 4, 0, 6]


def test_a_trial_that_comes_meanwhile_shifts_no_page(listing: Store) -> None:
    name = _stored(listing, [{"value": 2.0}, {"value": 3.0}, {"value": 4.0}])
    order = Sort.parse("value")
    first = listing.trials(name, (), order, 2, None)
    assert first.next is not None
    new = {"study_id": listing.study(name).id, "place": 9, "number": 9, "state": "COMPLETE", "attempt": 1, "value": 1.0}
    with listing.engine.begin() as connection:
        connection.execute(sa.insert(TrialRecord), [new])
    second = listing.trials(name, (), order, 2, Cursor.decode(first.next))
    assert [trial.number for trial in first.items + second.items] == [0, 1, 2]


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_pages_of_studies_show_each_once_newest_first(listing: Store, limit: int) -> None:
    for _ in range(3):
        listing.create_study(study(next(_names), trials=1))
    with listing.engine.connect() as connection:
        expected = list(connection.scalars(sa.select(StudyRecord.name).order_by(StudyRecord.id.desc())))
    found = _pages(lambda cursor: listing.studies(None, limit, cursor), limit)
    assert [record.name for record in found] == expected


def test_studies_are_filtered_by_their_state(listing: Store) -> None:
    name = next(_names)
    listing.create_study(study(name, trials=1))
    listing.set_state(name, StudyState.PAUSED)
    found = _pages(lambda cursor: listing.studies(StudyState.PAUSED, 2, cursor), 2)
    assert [record.name for record in found] == [name]


@given(group=st.integers(0, 2), value=st.none() | _floats, after=st.integers(0, 2**31 - 1))
def test_a_cursor_reads_back_as_it_was_written(group: int, value: float | None, after: int) -> None:
    assert Cursor.decode(Cursor("listing", group, value, after).encode()) == Cursor("listing", group, value, after)


@given(text=st.text(max_size=30))
def test_a_text_that_is_no_cursor_is_a_bad_request(text: str) -> None:
    with pytest.raises(BadRequestError, match=r"^cursor: "):
        Cursor.decode(text)
