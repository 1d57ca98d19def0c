"""The answer where the truth is known, for a seed of each kind; `python -m benchmarks.planted` does 20."""

from __future__ import annotations

import pytest

from benchmarks.planted import JUDGES, KINDS, compared, document
from service.client import Client
from tests.acceptance.processes import Server

pytestmark = pytest.mark.xdist_group("acceptance")

SEED = 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_is_the_planted_one(server: Server, kind: str) -> None:
    with Client(server.url) as client:
        client.submit(document(kind, SEED))
        right, words = JUDGES[kind](SEED, compared(client, kind, SEED))
    assert right, words
