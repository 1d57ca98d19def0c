"""Datasets as the API shows them."""

from __future__ import annotations

from service.errors import NotFoundError
from service.schemas.datasets import DatasetDetail, DatasetKind, DatasetVersion, DatasetView
from service.storage.datasets import DatasetStore
from service.storage.records import DatasetRecord
from service.views.instants import utc
from studies.spec.dataset import DatasetFacts


def list_dataset_views(datasets: DatasetStore, project: str | None = None) -> list[DatasetView]:
    """The uploaded datasets, or those of a project, newest first, then the bundled and the synthetic ones.

    Raises NotFoundError when there is no such project.
    """
    uploaded = [
        dataset_view("uploaded", record.name, dataset_detail(record).profile.facts, record)
        for record in datasets.list_datasets(project)
    ]
    return uploaded + _included_views()


def find_dataset_view(datasets: DatasetStore, name: str, version: int | None) -> DatasetDetail | DatasetView:
    """A version of an uploaded dataset; where nothing of this name was uploaded, the bundled or synthetic one.

    Raises NotFoundError when there is none.
    """
    try:
        return dataset_detail(datasets.find(name, version))
    except NotFoundError:
        included = next((view for view in _included_views() if view.name == name), None)
        if included is None or version is not None:
            raise
        return included


def _included_views() -> list[DatasetView]:
    from studies.spec.dataset import BUILTIN, SYNTHETIC, SyntheticDataset

    builtin = [dataset_view("builtin", name, facts) for name, facts in BUILTIN.items()]
    recipes = [SyntheticDataset(kind="synthetic", name=name) for name in SYNTHETIC]
    return builtin + [dataset_view("synthetic", recipe.name, recipe.facts) for recipe in recipes]


def dataset_view(kind: DatasetKind, name: str, facts: DatasetFacts, record: DatasetRecord | None = None) -> DatasetView:
    """A dataset as listings show it."""
    return DatasetView(
        kind=kind,
        name=name,
        project=None if record is None else record.project,
        version=None if record is None else record.version,
        task=facts.task,
        rows=facts.rows,
        shape=list(facts.shape),
        classes=facts.classes,
        about=facts.about,
    )


def dataset_version(dataset: DatasetRecord) -> DatasetVersion:
    """A version of an uploaded dataset."""
    return DatasetVersion(
        name=dataset.name,
        project=dataset.project,
        version=dataset.version,
        digest=dataset.digest,
        bytes=dataset.bytes,
        format=dataset.format,
        options=dataset.options,
        created_by=dataset.created_by,
        created_at=utc(dataset.created_at),
    )


def dataset_detail(dataset: DatasetRecord) -> DatasetDetail:
    """A version of an uploaded dataset with its profile."""
    return DatasetDetail(**dict(dataset_version(dataset)), profile=dataset.profile)
