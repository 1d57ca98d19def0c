"""The example study, made reproducible, has one table of trials on both databases, with one worker and with three."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.polling import eventually
from tests.acceptance.processes import House, serving
from tests.acceptance.studies import ended, ran_exactly, submit, trials
from tests.postgresql import postgresql

pytestmark = pytest.mark.xdist_group("own data")
EXAMPLE = Path(__file__, "../../../docs/examples/breast_cancer.yaml").resolve()
# A model is kept of each trial that was the best when it ended, and which ended first is no part of the table.
TRIALS = 20
OF_TIME = {"started_at", "ended_at", "has_model"}


def table(folder: Path, more_workers: int, database_url: str | None = None) -> tuple[list[dict[str, Any]], int]:
    """What each trial was and gave, and how many workers ran them."""
    folder.mkdir()
    house = House(folder)
    if database_url is not None:
        house.environment["REGSWEEP_DATABASE_URL"] = database_url
    try:
        with serving(house, workers=1) as server:
            for _ in range(more_workers):
                house.start("worker")
            eventually(lambda: house.log().count("worker is ready") == 1 + more_workers, 120)
            document = yaml.safe_load(EXAMPLE.read_text()) | {"reproducible": True, "comparison": None}
            # Generations of six, for three workers: what is alike in four of them is alike in fifteen.
            document |= {"training": {"lanes": 2}, "max_workers": 3, "pruner": "median"}
            document["budget"]["trials"] = TRIALS
            submit(server.api, document)
            ended(server.api, name := document["name"], 240)
            ran_exactly(server.api, name, TRIALS)
            ran = trials(server.api, name)
            paths = [f"/v1/studies/{name}/trials/{trial['number']}/attempts" for trial in ran]
            workers = {attempt["worker"] for path in paths for attempt in server.api.get(path).json()}
    finally:
        house.close()
    return [{field: value for field, value in trial.items() if field not in OF_TIME} for trial in ran], len(workers)


def test_the_example_study_has_one_table_on_both_databases_with_one_worker_and_with_three(tmp_path: Path) -> None:
    alone, _ = table(tmp_path / "alone", 0)
    with postgresql() as server:
        three, workers = table(tmp_path / "three", 2, server.url())
    assert workers > 1
    assert alone == three
