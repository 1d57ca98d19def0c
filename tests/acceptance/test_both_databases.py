"""The example study, made reproducible, has one table of trials on both databases, with one worker and with four."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.processes import House, serving
from tests.acceptance.studies import ended, submit, trials
from tests.postgresql import postgresql

pytestmark = pytest.mark.xdist_group("own data")
EXAMPLE = Path(__file__, "../../../docs/examples/breast_cancer.yaml").resolve()
# A model is kept of each trial that was the best when it ended, and which ended first is no part of the table.
TRIALS = 24
OF_TIME = {"started_at", "ended_at", "has_model"}


def table(folder: Path, workers: int, database_url: str | None = None) -> list[dict[str, Any]]:
    """What each trial was and gave."""
    folder.mkdir()
    house = House(folder)
    if database_url is not None:
        house.environment["REGSWEEP_DATABASE_URL"] = database_url
    try:
        with serving(house, workers) as server:
            document = yaml.safe_load(EXAMPLE.read_text()) | {"reproducible": True, "comparison": None}
            # Three generations: what is alike in them is alike in eight.
            document["budget"]["trials"] = TRIALS
            submit(server.api, document)
            assert ended(server.api, document["name"], 240)["state"] == "completed"
            found = trials(server.api, document["name"])
    finally:
        house.close()
    return [{name: value for name, value in trial.items() if name not in OF_TIME} for trial in found]


def test_the_example_study_has_one_table_on_both_databases_with_one_worker_and_with_four(tmp_path: Path) -> None:
    alone = table(tmp_path / "alone", 1)
    with postgresql() as server:
        four = table(tmp_path / "four", 4, server.url())
    assert len(alone) == TRIALS
    assert alone == four
