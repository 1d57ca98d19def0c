"""One warm server with two workers for the package, and houses for tests that end their servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.processes import House, Server, serving
from tests.acceptance.studies import document, ended, submit


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    house = House(tmp_path_factory.mktemp("server"))
    try:
        with serving(house, workers=2) as started:
            yield started
    finally:
        house.close()


@pytest.fixture(scope="package")
def api(server: Server) -> httpx.Client:
    return server.api


@pytest.fixture(scope="package")
def ran(api: httpx.Client) -> str:
    """The name of a study that the server's workers have run."""
    submit(api, document("a small one"))
    assert ended(api, "a small one")["state"] == "completed"
    return "a small one"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, lease_seconds=2)
    yield made
    made.close()
