"""A worker's hands: claim, open and close trials without training them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.clock import unix_now
from service.storage.ledger import TrialLedger
from service.storage.records import StudyRecord
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.errors import LeaseLostError
from studies.search.mirror import Mirror, as_template
from studies.spec.study import StudySpec
from studies.sweep.ledger import Claim, Order, Outcome, Report
from tests.service.documents import trial_result

REASONS = {TrialState.FAIL: "it diverged", TrialState.PRUNED: "hopeless"}


def never() -> bool:
    return False


def ledger(
    store: Store, folder: Path, name: str, worker: str = "a", leaving: Callable[[], bool] = never
) -> TrialLedger:
    """A worker's ledger of one study, with leases that last the test."""
    return TrialLedger(store, Artifacts(f"file://{folder}"), store.study(name), Holder(worker, 600.0, leaving=leaving))


def claimed(book: TrialLedger) -> Claim:
    [claim] = book.claim(1)
    return claim


def report(book: TrialLedger, claim: Claim, number: int, step: int, value: float | None) -> Order:
    """One epoch's sign of life; LeaseLostError when the trial is no longer held."""
    standing = book.report([Report(claim, number, [] if value is None else [(step, value)])])
    if number in standing.lost:
        raise LeaseLostError("a report was refused")
    return standing.order


def effective(spec: StudySpec, trial: FrozenTrial | Trial) -> dict[str, Any]:
    """The params of a trial as they take effect."""
    return spec.space.hyperparameters(trial.params).effective()


def opened(book: TrialLedger, spec: StudySpec) -> tuple[Claim, int]:
    """A trial asked, recorded and running."""
    claim = claimed(book)
    template = as_template(Mirror(spec, book.trials()).ask())
    book.open(claim, template, effective(spec, template))
    return claim, template.number


def outcome(value: float = 0.5, state: TrialState = TrialState.COMPLETE) -> Outcome:
    values = [value] if state == TrialState.COMPLETE else None
    return Outcome(state, values, trial_result(value), REASONS.get(state))


def run(book: TrialLedger, spec: StudySpec, value: float = 0.5, state: TrialState = TrialState.COMPLETE) -> int:
    """A whole trial; its number."""
    claim, number = opened(book, spec)
    book.close(claim, number, outcome(value, state))
    return number


def expire(store: Store) -> None:
    """Let every lease be found lost now."""
    WorkerStore(store).reap(WorkerStore(store).leases(), 0.0)


def set_back(store: Store, seconds: float) -> None:
    """Let every study have started so long ago."""
    with store.engine.begin() as connection:
        connection.execute(sa.update(StudyRecord).values(started_at=unix_now() - seconds))


def shown(store: Store, name: str = "iris") -> list[FrozenTrial]:
    """A study's trials as Optuna reads them, which keeps nothing in mind and no connection open."""
    with optunas(store.url) as storage:
        trials = storage.get_all_trials(storage.get_study_id_from_name(name))
    return sorted(trials, key=lambda trial: trial.number)


def study_names(store: Store) -> list[str]:
    """The names of all studies as Optuna reads them."""
    with optunas(store.url) as storage:
        return [study.study_name for study in storage.get_all_studies()]


@contextmanager
def optunas(url: str) -> Iterator[RDBStorage]:
    """Optuna's own storage on a database."""
    storage = RDBStorage(url, skip_compatibility_check=True, skip_table_creation=True)  # ours has checked and created
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def everything(store: Store, folder: Path) -> list[str]:
    """Every row of every table, Optuna's too, and every artifact."""
    tables = sa.MetaData()
    with store.engine.connect() as connection:
        tables.reflect(connection)
        rows = [f"{table.name} {row}" for table in tables.sorted_tables for row in connection.execute(sa.select(table))]
    return sorted(rows) + [f"{path} {path.read_bytes()!r}" for path in sorted(folder.rglob("*")) if path.is_file()]
