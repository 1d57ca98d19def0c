"""Trials as files of other programs: pandas, polars and pyarrow read what the API says, with types."""

from __future__ import annotations

import io
from datetime import UTC
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa
from pyarrow import feather, parquet

from service.storage.records import TrialRecord
from service.storage.store import Store
from tests.service.commanding import run_command
from tests.service.contenders import sweep_here
from tests.service.documents import document

TEXTS = {"state", "reason", "params_regularizer"}


@pytest.fixture
def trials(api: httpx.Client, store: Store, folder: Path) -> list[dict[str, Any]]:
    """The trials of a study that ran, as the API answers them."""
    space = {"regularizer": ["l1", "none"], "dropout": {"low": 0.0, "high": 0.5}, "batch_size": [16, 32]}
    body = document("one", 9, objectives=["val_loss", "epochs"], space=space)
    api.post("/v1/studies", json=body).raise_for_status()
    api.post("/v1/studies/one/trials", json={"params": {"dropout": 0.25}}).raise_for_status()
    sweep_here(store, folder, "one")
    items: list[dict[str, Any]] = api.get("/v1/studies/one/trials").json()["items"]
    return items


def test_a_parquet_file_has_typed_columns(api: httpx.Client, trials: list[dict[str, Any]]) -> None:
    answer = api.get("/v1/studies/one/trials.parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert answer.headers["content-disposition"] == 'attachment; filename="one.parquet"'
    table = parquet.read_table(io.BytesIO(answer.content))
    types = {field.name: field.type for field in table.schema}
    assert {name for name, kind in types.items() if kind == pa.string()} == TEXTS
    assert types["started_at"] == types["ended_at"] == pa.timestamp("us", "UTC")
    assert types["values"] == pa.list_(pa.float64())
    assert types["stopped_early"] == types["has_model"] == types["cut"] == pa.bool_()
    for name in ("number", "epochs", "best_epoch", "attempt", "params_batch_size", "weights_count"):
        assert types[name] == pa.int64(), name
    for name in ("value", "params_lambda", "params_dropout", "params_l1_ratio", "metrics_val_loss", "enqueued_dropout"):
        assert types[name] == pa.float64(), name
    frame = pl.read_parquet(io.BytesIO(answer.content))
    for row, trial in zip(frame.to_dicts(), trials, strict=True):
        assert (row["number"], row["state"], row["values"]) == (trial["number"], trial["state"], trial["values"])
        assert {name: row[f"params_{name}"] for name in trial["params"]} == trial["params"]
        assert {name: row[f"metrics_{name}"] for name in trial["metrics"]} == trial["metrics"]
        assert row["started_at"] == pd.Timestamp(trial["started_at"]).to_pydatetime().astimezone(UTC)
    assert [row["enqueued_dropout"] for row in frame.to_dicts()].count(0.25) == 1


def test_parquet_arrow_and_csv_hold_the_same(api: httpx.Client, trials: list[dict[str, Any]]) -> None:
    def content(ending: str) -> io.BytesIO:
        return io.BytesIO(api.get(f"/v1/studies/one/trials.{ending}").raise_for_status().content)

    table = parquet.read_table(content("parquet"))
    assert feather.read_table(content("arrow")).equals(table)
    typed, text = table.to_pandas(), pd.read_csv(content("csv"))
    assert set(typed.columns) == set(text.columns) - {"enqueued"}
    for name in ("number", "value", "params_dropout", "params_lambda", "params_batch_size", "metrics_val_accuracy"):
        pd.testing.assert_series_equal(typed[name], text[name], check_dtype=False)


def test_a_study_without_trials_has_the_columns_that_all_have(api: httpx.Client) -> None:
    api.post("/v1/studies", json=document("new")).raise_for_status()
    table = parquet.read_table(io.BytesIO(api.get("/v1/studies/new/trials.parquet").content))
    assert (table.num_rows, table.column_names[:2]) == (0, ["number", "state"])


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv"])
def test_the_command_writes_what_the_api_answers(
    api: httpx.Client, store: Store, trials: list[dict[str, Any]], tmp_path: Path, ending: str
) -> None:
    answered = api.get(f"/v1/studies/one/trials.{ending}").content
    file = tmp_path / f"trials.{ending}"
    for place in ({"REGSWEEP_SERVER_URL": str(api.base_url)}, {"REGSWEEP_DATABASE_URL": store.url}):
        done = run_command("export", "trials", "one", "-o", str(file), **place)
        assert (done.returncode, done.stdout) == (0, f"{file}\n"), done.stderr
        assert file.read_bytes() == answered
        file.unlink()


def test_texts_that_a_spreadsheet_would_run_are_escaped_where_asked(
    api: httpx.Client, store: Store, folder: Path, tmp_path: Path
) -> None:
    api.post("/v1/studies", json=document("one", 1)).raise_for_status()
    sweep_here(store, folder, "one")
    with store.writing() as session:
        session.execute(sa.update(TrialRecord).values(reason="=1+1"))
    for place in ({"REGSWEEP_SERVER_URL": str(api.base_url)}, {"REGSWEEP_DATABASE_URL": store.url}):
        for flags, cell in (((), "=1+1"), (("--escape-formulas",), "'=1+1")):
            done = run_command("export", "trials", "one", "-o", str(tmp_path / "one.csv"), *flags, **place)
            assert done.returncode == 0, done.stderr
            [reason] = pd.read_csv(tmp_path / "one.csv")["reason"]
            assert reason == cell


def test_another_ending_is_refused(api: httpx.Client, tmp_path: Path) -> None:
    done = run_command("export", "trials", "one", "-o", "trials.xlsx", REGSWEEP_SERVER_URL=str(api.base_url))
    assert (done.returncode, done.stderr) == (
        2,
        "regsweep: --output: trials.xlsx is to end in .parquet, .arrow, .feather, .csv, which says its format\n",
    )
