"""Datasets: upload, profile, list, read, preview, download, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from service.client.answers import fill, query
from service.client.asynchronous.transport import Transport
from service.client.data import Data, default_target, file_name
from service.schemas.datasets import DatasetDetail, DatasetVersion, DatasetView, FileProfile
from studies.objectives import Task


class DatasetCalls(Transport):
    """What can be done with datasets."""

    async def add_dataset(
        self,
        data: Data,
        target: str | None = None,
        *,
        name: str | None = None,
        task: Task | None = None,
        ignore: Sequence[str] = (),
        weight: str | None = None,
        group: str | None = None,
        time: str | None = None,
        columns: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> DatasetDetail:
        """Upload data as a dataset, in a stream: a file by its path, a frame, a mapping of arrays, or `(X, y)`.

        `target` is the column to predict; of `(X, y)` it is y. `columns` says how columns are read, by name; further
        options are those of POST /v1/datasets. The same data again is the dataset that is there.
        """
        said = {"target": target, "name": name, "task": task, "ignore": list(ignore), "weight": weight, "group": group}
        dataset, _ = await self.add_dataset_or_find(data, {**said, "time": time, "columns": columns, **options})
        return dataset

    async def add_dataset_or_find(self, data: Data, options: Mapping[str, Any]) -> tuple[DatasetDetail, bool]:
        """Upload data as `add_dataset` does; return also whether its dataset is new, and was not there before."""
        completed = {**options, "target": options.get("target") or default_target(data)}
        completed["name"] = options.get("name") or file_name(data)
        answer = await self._upload("/v1/datasets", data, completed)
        return DatasetDetail.model_validate_json(answer.content), answer.status_code == HTTPStatus.CREATED

    async def profile(self, data: Data, target: str | None = None, **options: Any) -> FileProfile:
        """Profile data without keeping it; without a target, every column is profiled as an input."""
        said = {**options, "target": target or default_target(data)}
        answer = await self._upload("/v1/datasets/profile", data, said)
        return FileProfile.model_validate_json(answer.content)

    async def datasets(self, project: str | None = None) -> list[DatasetView]:
        """The datasets that a study can name, of your own those of a project."""
        return await self._read_list(DatasetView, "/v1/datasets", params=query(project=project))

    async def dataset(self, name: str, version: int | None = None) -> DatasetDetail | DatasetView:
        """An uploaded dataset with its profile; a bundled or synthetic one as the listing shows it."""
        path = fill("/v1/datasets/{name}", name=name)
        answer = await self._read_json(path, params=query(version=version))
        view = DatasetDetail if "profile" in answer else DatasetView
        return view.model_validate(answer)

    async def dataset_versions(self, name: str) -> list[DatasetVersion]:
        """What was uploaded under a dataset's name, newest first."""
        return await self._read_list(DatasetVersion, fill("/v1/datasets/{name}/versions", name=name))

    async def preview(self, name: str, rows: int = 10, version: int | None = None) -> dict[str, Any]:
        """The first rows of an uploaded dataset."""
        path = fill("/v1/datasets/{name}/preview", name=name)
        return dict(await self._read_json(path, params=query(rows=rows, version=version)))

    async def dataset_file(self, name: str, version: int | None = None) -> bytes:
        """The file as it was uploaded."""
        path = fill("/v1/datasets/{name}/file", name=name)
        return await self._read_bytes(path, params=query(version=version))

    async def delete_dataset(self, name: str, version: int | None = None) -> None:
        """Delete an uploaded dataset with all its versions, or one version."""
        await self._send("DELETE", fill("/v1/datasets/{name}", name=name), params=query(version=version))
