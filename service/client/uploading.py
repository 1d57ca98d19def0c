"""Uploads the data of a study that is submitted next, and takes it back when the study is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from service.client.blocking.client import Client
from service.client.data import Data
from service.errors import ServiceError, UnreachableError
from service.schemas.datasets import DatasetDetail
from studies.errors import InvalidSpecError


@contextmanager
def uploaded(client: Client, data: Data, options: Mapping[str, Any]) -> Iterator[DatasetDetail]:
    """Upload data for the study that the `with` block submits; when that is refused, a new dataset is deleted again.

    Where it cannot be deleted, the error has a note that it stays.
    """
    dataset, is_new = client.add_dataset_or_find(data, options)
    try:
        yield dataset
    except (ServiceError, InvalidSpecError) as error:
        if is_new and not isinstance(error, UnreachableError):  # without an answer the study may have been accepted
            try:
                client.delete_dataset(dataset.name, dataset.version)
            except ServiceError as kept:
                stays = f"version {dataset.version} of the dataset '{dataset.name}' stays on the server"
                error.add_note(f"{stays}: {kept}")
        raise
