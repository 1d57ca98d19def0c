"""A small comparison and a worker for it that trains by formula."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from optuna.trial import TrialState

from service.storage.records import StudyRecord, TrialRecord
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from service.worker.worker import facts
from studies.datasets.preprocessing import PreparedData, prepare_folds
from studies.errors import DivergedError
from studies.spec.comparison import ComparisonSpec
from studies.spec.study import StudySpec
from studies.sweep.ledger import Claim, Outcome
from studies.sweep.loop import sweep
from studies.training.result import Job, OnEpoch, Trained, mean_result
from studies.training.sequential import Train, sequential
from tests.service.conftest import served, settings_in
from tests.service.documents import document, study, trial_result, write_model
from tests.service.ledgers import ledger

TECHNIQUES = ("none", "l1", "dropout")
REPEATS, FOLDS, SEARCHED = 2, 2, 2
PLANNED = len(TECHNIQUES) * (REPEATS + 1)
#: Without what makes more of a comparison: see test_rounds.py.
ASKED: dict[str, Any] = {
    "techniques": list(TECHNIQUES), "repeats": REPEATS, "folds": FOLDS, "trials_per_technique": SEARCHED,
    "cocktails": False, "racing": False, "deliver": "split",
}  # fmt: skip
COMPARISON = ComparisonSpec.model_validate(ASKED)
PARTS = [f"iris: {technique}" for technique in TECHNIQUES]
CONFIRMATION = "iris: confirmation"
ENGINE = {"engine": "fit", "lanes": 1, "epochs_a_call": 1, "xla": False, "why": "a test"}


def compared_study(**changes: Any) -> StudySpec:
    """A study that is compared from its beginning."""
    return study(comparison=ASKED, **changes)


def compared_document(**changes: Any) -> dict[str, Any]:
    return document(comparison=ASKED, **changes)


def train(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
    """L1 gives half the loss of the others; seeds and folds disturb it a little."""
    layer = job.hyperparameters.regularization.layers[0]
    loss = (0.3 if layer.kernel.kind == "l1" else 0.6) + job.seed % 97 / 9700 + job.fold / 1000
    on_epoch(1, {"loss": loss, "val_loss": loss, "val_accuracy": 1 / (1 + loss)})
    result = trial_result(loss, 1)
    test = {"test_loss": loss, "test_accuracy": 1 / (1 + loss)} if job.measures_test else {}
    return Trained(replace(result, metrics={**result.metrics, **test}), write_model)


def diverge(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
    raise DivergedError.of("loss", float("nan"), 1)


def of_folds(claim: Claim, loss: float = 0.5) -> Outcome:
    """What a sweep would record of a planned trial whose every fold gave this loss."""
    assert claim.plan is not None
    spec = compared_study(resampling={"kind": "nested_kfold", "folds": FOLDS, "repeats": REPEATS})
    result = mean_result([trial_result(loss, 1) for _ in claim.plan.folds], spec)
    return Outcome(TrialState.COMPLETE, [loss], result, None)


def sweep_as_worker(store: Store, folder: Path, name: str, training: Train = train) -> int:
    """Sweep one study or part as a worker does, which first shows what it knows of the data."""
    found = store.study(name)
    spec = StudySpec.model_validate(found.spec)
    data = prepare_folds(spec.dataset, spec.seed, spec.resampling)
    WorkerStore(store).record_engine(found.id, ENGINE, facts(spec, data))
    return sweep(spec, data, ledger(store, folder, name), sequential(training), 0.0)


def sweep_all(store: Store, folder: Path, names: Sequence[str], training: Train = train) -> None:
    for name in names:
        sweep_as_worker(store, folder, name, training)


def work(store: Store, folder: Path, training: Train = train) -> list[str]:
    """What a worker does until nothing is left; the names of what it took up, in order."""
    names = []
    while (found := WorkerStore(store).next_study()) is not None:
        names.append(found.name)
        assert sweep_as_worker(store, folder, found.name, training)
    return names


@contextmanager
def serving_compared(folder: Path) -> Iterator[httpx.Client]:
    """A service with a study whose comparison has ended."""
    settings = settings_in(folder)
    with served(settings) as api:
        api.post("/v1/studies", json=compared_document()).raise_for_status()
        store = Store(settings.database_url)
        work(store, folder / "artifacts")
        store.close()
        yield api


def states(store: Store) -> dict[str, str]:
    """The state of every study and part, by name."""
    with store.reading() as session:
        found = session.scalars(sa.select(StudyRecord).order_by(StudyRecord.id)).all()
    return {each.name: each.state for each in found}


def places(store: Store, name: str) -> list[TrialRecord]:
    """The budget of a study."""
    with store.reading() as session:
        query = sa.select(TrialRecord).where(TrialRecord.study_id == store.study(name).id)
        return list(session.scalars(query.order_by(TrialRecord.slot)))
