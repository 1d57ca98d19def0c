"""The short scenarios of `make chaos`, each on one database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.catalog import Scenario, catalog
from tests.postgresql import PostgreSQL, postgresql

# They wait more than they compute: one process has them all, and the others use the cores.
pytestmark = pytest.mark.xdist_group("chaos")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as started:
        yield started


@pytest.mark.parametrize("scenario", [s for s in catalog() if s.short], ids=lambda scenario: scenario.title)
def test_nothing_is_lost_when(scenario: Scenario, tmp_path: Path, server: PostgreSQL) -> None:
    scenario.run(tmp_path, server)
