"""What strangers send is read in a process of its own, which has limits and ends when nobody waits for it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from service import ingestion, reading_process
from service.api.turns import Turns
from service.errors import BusyError, InvalidDatasetError
from service.reading_process import ReadingLimits
from service.settings import Settings
from studies.datasets.table import NO_TARGET
from studies.spec.table import TableFormat, TableOptions
from studies.training.machine import memory_bytes
from tests.acceptance.polling import eventually
from tests.fuzz import bombs
from tests.fuzz.damage import damage
from tests.fuzz.valid_files import make_files
from tests.fuzz.watching import readers
from tests.service.conftest import served, settings_in

GOOD = "a,y\n" + "1,0\n2,1\n" * 10


def limited(folder: Path, **limits: Any) -> Settings:
    return settings_in(folder).model_copy(update=limits)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with served(settings_in(tmp_path_factory.mktemp("service"))) as client:
        yield client


def profile(api: httpx.Client, content: bytes | str, kind: str) -> httpx.Response:
    return api.post("/v1/datasets/profile", params={"target": "y", "format": kind}, content=content)


def test_a_file_that_takes_more_memory_than_it_may_is_refused_by_that_limit(tmp_path: Path) -> None:
    with served(limited(tmp_path, read_memory_share=300e6 / memory_bytes())) as api:
        answer = profile(api, bombs.parquet_of_long_texts(), "parquet")
        problem = answer.json()
        assert (answer.status_code, problem["title"]) == (413, "Too much to read"), answer.text
        assert problem["errors"][0]["field"] == "file"
        assert "takes more than 0.3 GB of memory, which REGSWEEP_READ_MEMORY_SHARE allows" in problem["detail"]
        assert profile(api, GOOD, "csv").status_code == 200


def test_a_file_that_takes_more_time_than_it_may_is_refused_by_that_limit(tmp_path: Path) -> None:
    with served(limited(tmp_path, read_seconds=1)) as api:
        answer = profile(api, bombs.xlsx_of_many_rows(400_000), "xlsx")
        assert answer.status_code == 413, answer.text
        assert "takes more than 1 seconds, which REGSWEEP_READ_SECONDS allows" in answer.json()["detail"]


def test_a_process_ends_when_its_client_leaves(api: httpx.Client) -> None:
    content = bombs.xlsx_of_many_rows(2_000_000)  # read for a minute
    head = (
        f"POST /v1/datasets/profile?format=xlsx HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=20) as connection:
        connection.sendall(head.encode() + content)
        eventually(lambda: readers(os.getpid()), 20)
    eventually(lambda: not readers(os.getpid()), 10)


class _Held(ThreadPoolExecutor):
    """Threads that begin nothing before they are let go."""

    def __init__(self) -> None:
        super().__init__(1)
        self.begun, self.let_go = Event(), Event()

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        return super().submit(self._work, work, *given, **named)

    def _work(self, work: Callable[..., Any], *given: Any, **named: Any) -> Any:
        self.begun.set()
        assert self.let_go.wait(20)
        return work(*given, **named)


def test_who_leaves_before_a_process_is_there_leaves_no_socket_open() -> None:
    """One that is left open warns when it is deleted, and warnings are errors."""

    async def leave() -> None:
        held = _Held()
        asyncio.get_running_loop().set_default_executor(held)
        asking = asyncio.create_task(reading_process.ask({}, ReadingLimits(2**30, 20)))
        while not held.begun.is_set():
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        held.let_go.set()

    asyncio.run(leave())
    eventually(lambda: not readers(os.getpid()), 10)


def test_files_are_read_on_when_what_reads_them_was_killed(api: httpx.Client) -> None:
    assert profile(api, GOOD, "csv").status_code == 200
    [program] = [pid for file in Path("/proc/self/task").glob("*/children") for pid in _readers_of(file)]
    os.kill(program, signal.SIGKILL)
    eventually(lambda: b"Z" in Path(f"/proc/{program}/stat").read_bytes().rpartition(b")")[2][:3], 20)
    assert profile(api, GOOD, "csv").status_code == 200


def _readers_of(children: Path) -> list[int]:
    pids = map(int, children.read_text().split())
    return [pid for pid in pids if b"service.reader" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]


def test_who_waits_too_long_for_a_turn_is_told_so_and_other_keys_have_theirs() -> None:
    async def go() -> None:
        turns = Turns(2, "2 files are read at once", wait_seconds=0.01)
        async with turns.take("anna"):
            with pytest.raises(BusyError, match="2 files are read at once and this one has waited"):
                async with turns.take("anna"):
                    pass
            async with turns.take("ben"):
                with pytest.raises(BusyError):
                    async with turns.take("cora"):
                        pass
        async with turns.take("cora"):
            pass

    asyncio.run(go())
    assert BusyError.status == 503


@pytest.mark.parametrize("kind", ["npz", "parquet", "csv", "json"])
def test_a_damaged_file_is_refused_or_read(api: httpx.Client, kind: str) -> None:
    """A few of those that `python -m tests.fuzz.files` sends."""
    random, files = Random(kind), make_files(kind)  # noqa: S311  # a seed, no secret
    with capture_logs() as logged:
        for _ in range(25):
            form, content = random.choice(files)
            answer = profile(api, damage(content, random, [other for _, other in files]), form)
            assert answer.status_code in {200, 422}, answer.text
    assert [line for line in logged if line["log_level"] == "error"] == []


LINEAR: dict[str, tuple[TableFormat, Callable[[int], bytes], int]] = {
    "arrays": ("npz", bombs.npz_of_many, 100),
    "columns": ("csv", bombs.csv_of_many_columns, 100),
    "keys": ("jsonl", bombs.json_of_many_keys, 100),
}


@pytest.mark.parametrize("many", LINEAR)
def test_twice_as_many_take_twice_as_long_to_read(tmp_path: Path, many: str) -> None:
    file_format, make, count = LINEAR[many]

    def count_calls(number: int) -> int:
        calls, file = 0, tmp_path / "file"
        file.write_bytes(make(number))

        def see(_: Any, event: str, __: Any) -> None:
            nonlocal calls
            calls += event in {"call", "c_call"}

        profiler = sys.getprofile()
        sys.setprofile(see)
        try:
            ingestion.describe_inputs(file, file_format, TableOptions(target=NO_TARGET))
        except InvalidDatasetError:
            pass
        finally:
            sys.setprofile(profiler)
        return calls

    count_calls(10)  # imports
    once, twice = count_calls(count), count_calls(2 * count)
    assert twice < 2.2 * once
