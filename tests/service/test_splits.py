"""The rows of each part and fold, by which anybody can recompute a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from service.storage.store import Store
from studies.datasets import catalog
from studies.datasets.preprocessing import PreparedData
from studies.training.result import Job, OnEpoch, Trained
from tests.service.comparing import sweep_as_worker
from tests.service.documents import document, trial_result, write_model

DIABETES = {"kind": "builtin", "name": "diabetes"}


def predict_the_mean(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
    """A model that predicts the mean of its training rows; the target is standardised by them."""
    parts = {"train": data.train, "val": data.validation} | ({"test": data.test()} if job.measures_test else {})
    metrics = {f"{name}_loss": float(np.square(part.y).mean()) for name, part in parts.items()}
    on_epoch(1, {"val_loss": metrics["val_loss"]})
    result = trial_result(0.5, 1)
    return Trained(replace(result, metrics={**result.metrics, **metrics}), write_model)


def recomputed(y: Any, train: Sequence[int], judged: Sequence[int]) -> float:
    mean, deviation = y[train].mean(), y[train].std()
    return float(np.square((y[judged] - mean) / deviation).mean())


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize(
    ("resampling", "folds"),
    [
        ({"kind": "holdout"}, 0),
        ({"kind": "kfold", "folds": 3}, 3),
        ({"kind": "nested_kfold", "folds": 2, "repeats": 2}, 4),
    ],
    ids=["holdout", "folds", "nested"],
)
def test_the_value_of_a_trial_is_recomputed_from_the_rows(
    api: httpx.Client, tmp_path: Path, resampling: Mapping[str, Any], folds: int
) -> None:
    api.post("/v1/studies", json=document("one", 1, dataset=DIABETES, resampling=resampling)).raise_for_status()
    found = api.get("/v1/studies/one/split").json()  # before a worker begins
    store = Store(f"sqlite:///{tmp_path / 'regsweep.db'}")
    assert sweep_as_worker(store, tmp_path / "artifacts", "one", predict_the_mean) == 1
    store.close()
    y = load_diabetes(scaled=False).target
    parts = [found["train"], found["validation"], found["test"]]
    assert sorted(row for part in parts for row in part) == list(range(len(y))) == list(range(found["rows"]))
    assert (found["strategy"], found["file_rows"], len(found["folds"])) == ("random", None, folds)
    judged = found["folds"] or [found]
    for fold in found["folds"]:
        apart = [fold["train"], fold["validation"], fold.get("stopping") or [], found["test"]]
        assert len({row for part in apart for row in part}) == sum(map(len, apart))
    value = api.get("/v1/studies/one/trials/0").json()["value"]
    assert value == pytest.approx(mean([recomputed(y, fold["train"], fold["validation"]) for fold in judged]), rel=1e-5)


def test_rows_of_a_file_are_those_behind_its_header_and_of_one_group_on_one_side(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{i},g{i // 6},{'' if i % 10 == 0 else i % 2}" for i in range(120)]
    options: dict[str, Any] = {
        "target": "y",
        "group": "g",
        "format": "csv",
        "name": "mine",
        "drop_missing_target": True,
    }
    api.post("/v1/datasets", params=options, content="\n".join(["a,g,y", *lines])).raise_for_status()
    api.post("/v1/studies", json=document("of mine", dataset={"kind": "uploaded", "name": "mine"})).raise_for_status()
    monkeypatch.setattr(catalog, "load", lambda *_: pytest.fail("the server read a stranger's file itself"))
    found = api.get("/v1/studies/of mine/split").json()
    assert (found["strategy"], found["rows"]) == ("group", 108)
    assert found["file_rows"] == [row for row in range(120) if row % 10]
    groups = [{found["file_rows"][row] // 6 for row in found[part]} for part in ("train", "validation", "test")]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 20


def test_more_row_numbers_than_anybody_reads_are_refused(api: httpx.Client) -> None:
    many = {"kind": "synthetic", "name": "clean", "rows": 1_000_000}
    resampling = {"kind": "kfold", "folds": 20}
    api.post("/v1/studies", json=document("large", dataset=many, resampling=resampling)).raise_for_status()
    refused = api.get("/v1/studies/large/split")
    assert (refused.status_code, "21,000,000 row numbers" in refused.json()["detail"]) == (409, True)
    assert api.get("/v1/studies/none/split").status_code == 404
