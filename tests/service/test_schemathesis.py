"""Requests that are generated from the OpenAPI document get the answers that it names; `make fuzz` sends many more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from service.storage.keys import KeyStore
from service.storage.store import Store
from tests.fuzz import generated
from tests.service.conftest import served, settings_in


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The URL of a service without workers, and its one key."""
    folder = tmp_path_factory.mktemp("guarded")
    settings = settings_in(folder).model_copy(update={"max_failed_keys": 1_000_000})
    with closing(Store(settings.database_url)) as store:
        key = KeyStore(store).create("admin", "admin").text
    with served(settings) as client:
        yield str(client.base_url).rstrip("/"), key


@pytest.mark.slow
def test_answers_to_a_key_are_as_the_document_says(guarded: tuple[str, str]) -> None:
    url, key = guarded
    sent = generated.send(url, key, "--phases", "fuzzing,stateful", seed=7, examples=2)
    assert not sent.mismatches, sent.said
    assert sent.requests > 100


@pytest.mark.slow
def test_answers_without_a_key_are_as_the_document_says(guarded: tuple[str, str]) -> None:
    sent = generated.send(guarded[0], None, "--phases", "fuzzing", "--mode", "positive", seed=7, examples=1)
    assert not sent.mismatches, sent.said
    assert sent.requests > 40
