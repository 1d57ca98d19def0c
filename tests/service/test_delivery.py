"""What people take away of a comparison: the recommended technique's model, trained for them, never for the answer."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.storage.artifacts import Artifacts
from service.storage.findings import comparison
from service.storage.invariants import violations
from service.storage.states import StudyState
from service.storage.store import Store
from studies.datasets.preparation import Preparation
from studies.datasets.preprocessing import PreparedData
from studies.plan import Plan
from studies.spec.comparison import DELIVERY_FOLDS, DELIVERY_REPEATS
from studies.training.result import Job, OnEpoch, Trained, TrainingState
from tests.acceptance.polling import eventually
from tests.service.comparing import CONFIRMATION, places, states, sweep_all, sweep_as_worker
from tests.service.documents import document, trial_result
from tests.service.working import working
from tests.studies.uploads import text

FOLDS, EPOCHS = 3, 5
WHOLE, ALL = FOLDS, FOLDS + 1  # what stands behind the folds
MEMBERS = DELIVERY_FOLDS * DELIVERY_REPEATS
DELIVERY = range(ALL + 1, ALL + 1 + MEMBERS)
PARTS = ["iris: none", "iris: early_stopping"]
ASKED: dict[str, Any] = {
    "techniques": ["none", "early_stopping"], "repeats": 1, "folds": FOLDS, "trials_per_technique": 1,
    "cocktails": False,
}  # fmt: skip
BEST = {0: 2, 1: 3, 2: 5}  # epochs, by fold


def member(seed: int, data: PreparedData) -> Any:
    """A model as one that was trained: with weights of its own."""
    import keras

    keras.utils.set_random_seed(seed % 2**31)
    units, activation = (1, "linear") if data.task == "regression" else (data.classes, "softmax")
    model = keras.Sequential([keras.Input(data.input_shape), keras.layers.Dense(units, activation)])
    model.set_weights([weight + 0.1 for weight in model.get_weights()])
    return model


@dataclass
class Training:
    """A third of the loss where early stopping is, other best epochs on each fold; what was trained, in order."""

    act: Callable[[Job], object] = lambda _: None  # at the only epoch that is reported
    jobs: list[Job] = field(default_factory=list)
    data: dict[int, PreparedData] = field(default_factory=dict)  # by fold

    def __call__(self, job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        self.jobs.append(job)
        self.data[job.fold] = data
        loss = (0.9 if job.hyperparameters.patience is None else 0.3) + job.seed % 97 / 9700
        self.act(job)
        going = on_epoch(1, {"loss": loss, "val_loss": loss}, lambda: TrainingState("formula", {"entries": []}, []))
        result = trial_result(loss, EPOCHS if going else 1)
        test = {"test_loss": loss, "test_accuracy": 0.5} if job.measures_test else {}
        metrics = {**result.metrics, **test}

        def save(path: Path) -> None:
            if job.fold in DELIVERY:
                member(job.seed, data).save(path)
            else:
                path.write_bytes(f"patience {job.hyperparameters.patience}, fold {job.fold}".encode())

        return Trained(replace(result, metrics=metrics, best_epoch=BEST.get(job.fold, 1)), save)

    def delivered(self) -> list[Job]:
        return [job for job in self.jobs if job.fold > WHOLE]


def loaded(content: bytes, folder: Path) -> Any:
    import keras

    (folder / "model.keras").write_bytes(content)
    return keras.models.load_model(folder / "model.keras")


def compared(api: httpx.Client, store: Store, folder: Path, training: Training, **changes: Any) -> Store:
    """A comparison that has come as far as it does."""
    asked = document(comparison=ASKED | changes, budget={"trials": 1, "epochs": EPOCHS}, space={"patience": 2})
    api.post("/v1/studies", json=asked).raise_for_status()
    sweep_all(store, folder, PARTS, training)
    training.jobs.clear()
    sweep_as_worker(store, folder, CONFIRMATION, training)
    return store


def model(api: httpx.Client, technique: str | None = None) -> httpx.Response:
    return api.get("/v1/studies/iris/comparison/model", params={} if technique is None else {"technique": technique})


def last_plan(store: Store) -> Plan:
    return Plan.read(places(store, CONFIRMATION)[-1].plan or {})


def test_by_default_the_mean_of_models_of_folds_of_all_rows_is_delivered(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    training = Training()
    compared(api, store, folder, training)
    plan = last_plan(store)
    assert (plan.technique, plan.deliver, plan.test, plan.prepared_by) == ("early_stopping", "folds", False, ALL)
    assert list(plan.folds) == [job.fold for job in training.delivered()] == list(DELIVERY)
    assert {job.hyperparameters.patience for job in training.delivered()} == {2}
    assert zipfile.is_zipfile(io.BytesIO(model(api).content))
    # By its name a technique's model is the one of the study's own split.
    assert model(api, "early_stopping").content == f"patience 2, fold {WHOLE}".encode()
    assert model(api, "none").content == f"patience None, fold {WHOLE}".encode()
    assert violations(store, Artifacts(f"file://{folder}")) == []


def test_a_delivery_that_was_interrupted_goes_on_and_has_every_member(
    api: httpx.Client, store: Store, folder: Path, tmp_path: Path
) -> None:
    def pause(job: Job) -> None:
        if job.fold == DELIVERY[3]:
            store.set_state("iris", StudyState.PAUSED)

    training = Training(pause)
    compared(api, store, folder, training)
    assert [job.fold for job in training.delivered()] == list(DELIVERY[:4])
    assert [place.state for place in places(store, CONFIRMATION)] == ["COMPLETE"] * 4 + ["WAITING"]
    assert model(api).status_code == 404
    store.set_state("iris", StudyState.RUNNING)
    training.act = lambda _: None
    sweep_as_worker(store, folder, CONFIRMATION, training)
    # Those that had ended are not trained again, and their models are there.
    assert [job.fold for job in training.delivered()] == [*DELIVERY[:4], *DELIVERY[3:]]
    found = loaded(model(api).content, tmp_path)
    inner = [layer for layer in found.layers if layer.name.startswith("member_")]
    assert len(inner) == MEMBERS
    for layer, job in zip(inner, training.delivered()[:3], strict=False):
        for one, other in zip(
            layer.get_weights(), member(job.seed, training.data[job.fold]).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    assert states(store)[CONFIRMATION] == "completed"
    assert violations(store, Artifacts(f"file://{folder}")) == []


@pytest.mark.parametrize(("stops_early", "epochs"), [(True, 3), (False, EPOCHS)])
def test_a_refit_trains_on_all_rows_for_as_many_epochs_as_the_folds_took(
    api: httpx.Client, store: Store, folder: Path, stops_early: bool, epochs: int
) -> None:
    training = Training()
    if not stops_early:  # then the techniques change places
        asked = document(
            comparison=ASKED | {"techniques": ["none", "l1"], "deliver": "refit"},
            budget={"trials": 1, "epochs": EPOCHS},
        )
        api.post("/v1/studies", json=asked).raise_for_status()
        sweep_all(store, folder, ["iris: none", "iris: l1", CONFIRMATION], training)
    else:
        compared(api, store, folder, training, deliver="refit")
    [job] = training.delivered()
    assert (job.fold, job.max_epochs, job.hyperparameters.patience) == (ALL, epochs, None)
    np.testing.assert_array_equal(training.data[ALL].rows.train, np.arange(150))
    assert last_plan(store).deliver == "refit"
    assert model(api).content == f"patience None, fold {ALL}".encode()
    assert store.study("iris").comparison_state == "completed"


def test_without_a_delivery_the_model_is_that_of_the_studys_own_split(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    training = Training()
    compared(api, store, folder, training, deliver="split")
    assert (training.delivered(), last_plan(store).test) == ([], True)
    assert model(api).content == model(api, "early_stopping").content == f"patience 2, fold {WHOLE}".encode()


@pytest.mark.usefixtures("database")  # SQLite's alone
def test_what_is_delivered_never_judges(api: httpx.Client, store: Store, folder: Path) -> None:
    found = []
    for deliver in ("folds", "refit", "split"):
        compared(api, store, folder, Training(), deliver=deliver)
        result = comparison(store, store.study("iris"))
        assert result is not None
        found.append(replace(result, techniques=[replace(row, seconds=None) for row in result.techniques]))
        api.delete("/v1/studies/iris", params={"force": True}).raise_for_status()
    assert found[0] == found[1] == found[2]


def test_a_comparison_that_is_stopped_in_its_delivery_falls_back_on_the_model_of_the_split(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    def stop(job: Job) -> None:
        if job.fold == DELIVERY[2]:
            api.post("/v1/studies/iris/comparison/stop").raise_for_status()

    compared(api, store, folder, Training(stop))
    assert store.study("iris").comparison_state == "stopped"
    assert model(api).content == f"patience 2, fold {WHOLE}".encode()


@pytest.mark.usefixtures("database")  # SQLite's alone
def test_the_export_of_a_delivered_model_predicts_raw_rows_as_its_members_do(
    api: httpx.Client, store: Store, folder: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(50, 10, 90).round(2), rng.lognormal(3, 1, 90).round(2)
    lacks = rng.random(90) < 0.1
    columns: dict[str, list[Any]] = {
        "a": a.tolist(),
        "b": [None if gone else value for gone, value in zip(lacks, b.tolist(), strict=True)],
        "y": (1000 + 3 * a + rng.normal(0, 5, 90)).round(2).tolist(),
    }
    table = {"name": "mine", "target": "y"}
    api.post(
        "/v1/datasets", params=table, content=text(columns), headers={"content-type": "text/csv"}
    ).raise_for_status()
    asked = document(
        dataset={"kind": "uploaded", "name": "mine"},
        comparison=ASKED,
        budget={"trials": 1, "epochs": EPOCHS},
        space={"patience": 2},
    )
    api.post("/v1/studies", json=asked).raise_for_status()
    training = Training()
    with working(store, folder, training):
        eventually(lambda: store.study("iris").comparison_state not in ("searching", "confirming"), 60)
    with zipfile.ZipFile(io.BytesIO(api.get("/v1/studies/iris/comparison/export").content)) as file:
        exported = loaded(file.read("model.keras"), tmp_path)
        (tmp_path / "preparation.skops").write_bytes(file.read("preparation.skops"))
    preparation = Preparation.load(tmp_path / "preparation.skops")
    raw = {name: [v for v, gone in zip(values, lacks, strict=True) if not gone] for name, values in columns.items()}
    each = []
    for job in training.delivered():
        own = Preparation.of(training.data[job.fold])
        each.append(own.decode(member(job.seed, training.data[job.fold])(own.transform(raw)).numpy()))
    assert len(each) == MEMBERS
    given = preparation.decode(exported.predict(preparation.transform(raw), verbose=0))
    np.testing.assert_allclose(given, np.mean(each, axis=0), rtol=1e-5)
    # Rows that lack a value are filled with the median of all rows, and are predicted.
    lacking = {name: [v for v, gone in zip(values, lacks, strict=True) if gone] for name, values in columns.items()}
    assert np.isfinite(exported.predict(preparation.transform(lacking), verbose=0)).all()
