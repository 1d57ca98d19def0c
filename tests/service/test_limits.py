"""What a study may ask for: each limit is a setting, and what goes beyond it is refused by its field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.cli.local_run import run_study
from service.settings import Settings
from studies.errors import InvalidSpecError
from tests.service.conftest import served, settings_in
from tests.service.documents import document
from tests.studies.test_keras_config import HIDDEN, INPUT, OUTPUT, layer, sequential


def limited(folder: Path) -> Settings:
    most = {"trials": 10, "epochs": 20, "layers": 3, "units": 50, "parameters": 1000, "active_studies": 2}
    return settings_in(folder).model_copy(update={f"max_{name}": value for name, value in most.items()})


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with low limits."""
    with served(limited(tmp_path_factory.mktemp("limits"))) as client:
        yield client


def mlp(*hidden_units: int) -> dict[str, Any]:
    return {"model": {"kind": "mlp", "hidden_units": hidden_units}}


def cnn(*filters: int) -> dict[str, Any]:
    model = {"kind": "cnn", "filters": filters, "hidden_units": []}
    return {"dataset": {"kind": "builtin", "name": "digits_images"}, "model": model}


def own(*layers: Any) -> dict[str, Any]:
    return {"model": {"kind": "keras", "config": sequential(INPUT, *layers, OUTPUT)}}


@pytest.mark.parametrize(
    ("asked", "field", "message"),
    [
        ({"budget": {"trials": 11, "epochs": 20}}, "budget.trials", "11 trials are more than the 10 that REGSWEEP_MAX"),
        ({"budget": {"trials": 10, "epochs": 21}}, "budget.epochs", "21 epochs are more than the 20 that REGSWEEP_MAX"),
        (
            {"comparison": {"trials_per_technique": 11}},
            "comparison.trials_per_technique",
            "11 trials are more than the 10 that REGSWEEP_MAX_TRIALS",
        ),
        (mlp(5, 51), "model.hidden_units.1", "51 units of one layer are more than the 50 that REGSWEEP_MAX_UNITS"),
        (cnn(51), "model.filters.0", "51 units of one layer are more than the 50"),
        (own(layer("Dense", "wide", units=51)), "model.config", "51 units of one layer are more than the 50"),
        (
            own(layer("TimeDistributed", "wrapped", layer=layer("Dense", "wide", units=51))),
            "model.config",
            "51 units of one layer are more than the 50",
        ),
        (mlp(2, 2, 2, 2), "model", "4 layers are more than the 3 that REGSWEEP_MAX_LAYERS"),
        (own(HIDDEN, layer("ReLU", "a"), layer("ReLU", "b")), "model.config", "4 layers are more than the 3"),
        # 4·30 + 30, 30·30 + 30 and 30·3 + 3.
        (mlp(30, 30), "model", "1,173 parameters are more than the 1,000 that REGSWEEP_MAX_PARAMETERS"),
        (own(*(layer("Dense", name, units=30) for name in "ab")), "model", "1,173 parameters are more than the 1,000"),
        (
            own(layer("Reshape", "twice", target_shape=[5, 2])),
            "model.config",
            "layers[1] 'twice': does not take rows of shape (4,): (4,) cannot be reshaped to (5, 2)",
        ),
    ],
)  # fmt: skip
def test_a_study_that_asks_for_too_much_is_refused_by_the_field(
    api: httpx.Client, asked: dict[str, Any], field: str, message: str
) -> None:
    refused = api.post("/v1/studies", json=document(None) | asked)
    assert refused.status_code == 422, refused.text
    error = refused.json()["errors"][0]
    assert error["field"] == field
    assert message in error["message"]
    assert api.get("/v1/studies").json()["items"] == []


def test_every_limit_that_is_passed_is_named_at_once(api: httpx.Client) -> None:
    asked = document(None) | mlp(60, 60, 60, 60) | {"budget": {"trials": 11, "epochs": 21}}
    fields = [error["field"] for error in api.post("/v1/studies", json=asked).json()["errors"]]
    assert fields == ["budget.trials", "budget.epochs", "model.hidden_units.0", "model", "model"]


def test_what_stays_within_its_limits_is_accepted_until_too_many_studies_are_active(tmp_path: Path) -> None:
    at_most = {"budget": {"trials": 10, "epochs": 20}} | mlp(30, 20, 5)
    with served(limited(tmp_path)) as api:
        for name in ("one", "two"):
            assert api.post("/v1/studies", json=document(name) | at_most).status_code == 201
        compared = api.post("/v1/studies/one/comparison", json={"trials_per_technique": 11})
        assert [error["field"] for error in compared.json()["errors"]] == ["trials_per_technique"]
        key = {"Idempotency-Key": "again"}
        refused = api.post("/v1/studies", json=document("three"), headers=key)
        assert refused.status_code == 409
        assert "2 studies have not ended, and REGSWEEP_MAX_ACTIVE_STUDIES allows 2" in refused.json()["detail"]
        assert api.post("/v1/studies/one/pause").status_code == 200  # it may come back
        assert api.post("/v1/studies", json=document("three"), headers=key).status_code == 409
        assert api.post("/v1/studies/one/stop").status_code == 200
        assert api.post("/v1/studies", json=document("three"), headers=key).status_code == 201
        # One that has ended and is to be compared is one more.
        crowded = api.post("/v1/studies/one/comparison", json={"trials_per_technique": 2})
        assert (crowded.status_code, "REGSWEEP_MAX_ACTIVE_STUDIES allows 2" in crowded.text) == (409, True)
        # What was accepted before is answered again, also while there is no room.
        assert api.post("/v1/studies", json=document("three"), headers=key).status_code == 201


def test_a_study_in_the_foreground_has_the_same_limits(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecError, match=r"budget\.trials: 11 trials are more than the 10"):
        run_study(document("large", 11), limited(tmp_path), tmp_path / "study.yaml")
    assert not (tmp_path / "regsweep.db").exists()
