"""Runs `regsweep …` in a process of its own, so that the HTTP process never loads TensorFlow."""

from __future__ import annotations

import asyncio
import re

from service.child_process import environment_without_secrets, memory_of, regsweep_command

REFUSED = 2  # exit status of a command whose input is wrong
SAYS = "regsweep: "  # begins each line that a command says
_LOOKS_SECONDS = 0.1
_NO_MEMORY = re.compile("MemoryError|bad_alloc|ResourceExhausted|allocate memory|out of memory", re.IGNORECASE)


def ran_out_of_memory(status: int, message: str) -> bool:
    """Tell whether a process got no memory, where TensorFlow ends it or says so in one of many ways."""
    return status < 0 or _NO_MEMORY.search(message) is not None


async def run_command(memory: int, seconds: float, max_parameters: int, *arguments: str) -> tuple[int, str]:
    """Run `regsweep …` in so much memory and time; return its exit status and its standard error.

    Raises TimeoutError when it takes longer.
    """
    process = await asyncio.create_subprocess_exec(
        *regsweep_command(*arguments),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env=environment_without_secrets() | {"COLUMNS": "1000", "REGSWEEP_MAX_PARAMETERS": str(max_parameters)},
    )  # fmt: skip
    watching = asyncio.ensure_future(_watch(process, memory))
    try:
        _, message = await asyncio.wait_for(process.communicate(), seconds)
    finally:
        watching.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, message.decode(errors="replace").strip()


async def _watch(process: asyncio.subprocess.Process, memory: int) -> None:
    """Kill a process that holds more memory than it may."""
    while process.returncode is None:
        if memory_of(process.pid) > memory:
            process.kill()
        await asyncio.sleep(_LOOKS_SECONDS)
