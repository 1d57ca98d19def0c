"""What every worker asks again and again reads an index of a few rows, and not those of all that has ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from tests.service.documents import study
from tests.service.ledgers import ledger, opened


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda store: WorkerStore(store).renew("a", 30.0), "trials_held"),
        (lambda store: WorkerStore(store).leases(), "trials_running"),
        (lambda store: WorkerStore(store).next_study(worker="b"), "trials_waiting"),
        (lambda store: WorkerStore(store).claim_unpublished(), "studies_unpublished"),
    ],
)
def test_sqlite_answers_what_every_worker_asks_by_the_index_of_it(
    database: Path, folder: Path, ask: Callable[[Store], object], index: str
) -> None:
    store = Store(f"sqlite:///{database}")
    spec = study(trials=1)
    store.create_study(spec)
    opened(ledger(store, folder, "iris"), spec)
    plan = _plan(store, lambda: ask(store))
    store.close()
    assert any(f"INDEX ix_regsweep_{index}" in step for step in plan), plan


def _plan(store: Store, ask: Callable[[], object]) -> list[str]:
    """How SQLite answers each statement of a question."""
    statements: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        statements.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    with store.engine.connect() as connection:
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values) for text, values in statements]
        return [row.detail for plan in plans for row in plan]
