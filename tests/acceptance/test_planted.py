"""The answer where the truth is known: L1 and elastic net select the features that the target depends on.

`python -m benchmarks.planted` does 20 seeds of this and of two other kinds, with more trials.
"""

from __future__ import annotations

import pytest

from benchmarks.planted import JUDGES, compared, document
from service.client import Client
from tests.acceptance.processes import Server

pytestmark = pytest.mark.xdist_group("acceptance")

KIND, SEED = "few_informative", 1
FEWER = {"trials_per_technique": 6, "repeats": 2}


def test_the_features_selected_are_the_planted_ones(server: Server) -> None:
    planted = document(KIND, SEED)
    with Client(server.url) as client:
        client.submit(planted | {"comparison": planted["comparison"] | FEWER})
        right, words = JUDGES[KIND](SEED, compared(client, KIND, SEED))
    assert right, words
