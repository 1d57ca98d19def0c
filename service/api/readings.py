"""What strangers send is read in a process of its own: so many at once, and no longer than who sent it waits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from service.api.turns import Turns, key_name
from service.errors import CutOffError, InvalidModelFileError
from service.reading_process import MAX_ANSWER, ReadingLimits, ask
from service.schemas.models import ModelView
from service.settings import Settings
from studies.datasets.profile import DatasetProfile, InputsProfile
from studies.errors import InvalidSpecError
from studies.keras_config.start_weights import MAX_CHARACTERS
from studies.spec.study import StudySpec
from studies.spec.table import TableFormat, TableOptions

_LARGE_BYTES = 50_000_000
_SMALL_SHARE = 1 / 4  # of the memory that a large file may take
_ENOUGH_BYTES = 1_000_000_000
_MAX_MODEL_ANSWER = MAX_ANSWER + MAX_CHARACTERS  # bytes: with the weights in it
_MAX_RECEIVED = 16  # files at once, each on the disk until it is read

T = TypeVar("T")
Profile = TypeVar("Profile", DatasetProfile, InputsProfile)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Await work, which is cancelled when the client leaves.

    Raises CutOffError then.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_leave(request))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CutOffError("the client hung up before its answer was there")
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _leave(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Readings:
    """Reads files: in a process of its own each, or in this one where they are its user's."""

    def __init__(self, settings: Settings, *, own_files: bool = False) -> None:
        from studies.training.machine import memory_bytes

        self._in_process = own_files or not hasattr(os, "fork")
        self._memory, self._seconds = int(memory_bytes() * settings.read_memory_share), settings.read_seconds
        self._turns = Turns(settings.max_reads, f"{settings.max_reads} files are read at once (REGSWEEP_MAX_READS)")
        self._receptions = Turns(_MAX_RECEIVED, f"{_MAX_RECEIVED} files are received at once, half of them of one key,")

        # Each is a process with TensorFlow in it.
        self._predictions = Turns(1, "files are predicted one at a time")

    @property
    def largest(self) -> ReadingLimits:
        """What reading a large file may take."""
        return ReadingLimits(self._memory, self._seconds)

    def receiving(self, request: Request) -> AbstractAsyncContextManager[None]:
        """A turn for receiving a file, for as long as it is kept on the disk.

        Raises BusyError when none comes.
        """
        return self._receptions.take(key_name(request))

    async def predict(self, request: Request, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Predict a file when its turn comes."""
        async with self._predictions.take(key_name(request)):
            return await while_connected(request, work())

    async def describe(
        self, request: Request, file: Path, file_format: TableFormat, options: TableOptions
    ) -> tuple[TableOptions, DatasetProfile]:
        """Read and profile a file, see `ingestion.describe`."""
        return await self._describe(request, file, file_format, options, DatasetProfile)

    async def describe_inputs(
        self, request: Request, file: Path, file_format: TableFormat, options: TableOptions
    ) -> tuple[TableOptions, InputsProfile]:
        """Read and profile a file without a target, see `ingestion.describe_inputs`."""
        return await self._describe(request, file, file_format, options, InputsProfile)

    async def _describe(
        self, request: Request, file: Path, file_format: TableFormat, options: TableOptions, profile: type[Profile]
    ) -> tuple[TableOptions, Profile]:
        inputs_alone = profile is InputsProfile
        task = {"format": file_format, "options": options.model_dump(mode="json"), "inputs_alone": inputs_alone}
        found = await self._ask(request, "describe", file, task)
        read = TableOptions.model_validate(found["options"])
        return read, await run_in_threadpool(profile.model_validate, found["profile"])

    async def preview(
        self,
        request: Request,
        file: Path,
        file_format: TableFormat,
        rows: int,
        encoding: str | None,
        sheet: str | None,
    ) -> dict[str, Any]:
        """Read the first rows of a file."""
        task = {"format": file_format, "rows": rows, "encoding": encoding, "sheet": sheet}
        return await self._ask(request, "preview", file, task)

    async def read_model(self, request: Request, file: Path, *, weights: bool) -> ModelView:
        """Read a Keras model's file, with its `weights` where they are asked for.

        Raises InvalidModelFileError, which names what is wrong in it.
        """
        try:
            found = await self._ask(request, "read_model", file, {"weights": weights}, _MAX_MODEL_ANSWER)
            return ModelView.model_validate(found)
        except InvalidSpecError as error:
            raise InvalidModelFileError(error.errors) from error

    async def split(self, request: Request, file: Path | None, spec: StudySpec, max_answer: int) -> dict[str, Any]:
        """Find the rows of a study's parts and folds; without a file its dataset is none of a user's."""
        return await self._ask(request, "split", file, {"spec": spec.model_dump(mode="json")}, max_answer)

    async def _ask(
        self, request: Request, kind: str, file: Path | None, task: Mapping[str, Any], max_answer: int = MAX_ANSWER
    ) -> dict[str, Any]:
        size = 0 if file is None else file.stat().st_size
        async with self._turns.take(key_name(request), is_large=size > _LARGE_BYTES):
            limits = self._limits(size)
            task = {"task": kind, "file": str(file), "table": limits.table, **task}
            if self._in_process:
                from service import reading_tasks

                return await run_in_threadpool(reading_tasks.find, task)
            return await while_connected(request, ask(task, limits, max_answer))

    def _limits(self, size: int) -> ReadingLimits:
        small = min(self._memory, max(int(self._memory * _SMALL_SHARE), _ENOUGH_BYTES))
        return self.largest if size > _LARGE_BYTES else ReadingLimits(small, self._seconds)
