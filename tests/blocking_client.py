"""Makes service/client/blocking from service/client/asynchronous: the same code without `async` and `await`.

The client is written once, and both have types that an IDE and mypy see. `make client` writes the files; a test
compares them.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tokenize
from pathlib import Path

CLIENT = Path(__file__).parents[1] / "service" / "client"
SOURCE, MADE = CLIENT / "asynchronous", CLIENT / "blocking"

_DROPPED = frozenset({"async", "await"})
_RENAMED = {
    "AsyncBaseTransport": "BaseTransport",
    "AsyncClient": "Client",
    "AsyncIterator": "Iterator",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "aclose": "close",
    "aconnect_sse": "connect_sse",
    "aiter_sse": "iter_sse",
    "aread": "read",
    "asyncio": "time",
    "asynchronous": "blocking",
}
_HEADINGS = {
    "The client for asyncio: every operation of the REST API as a coroutine.": (
        "The client: every operation of the REST API as a method."
    ),
    "The client for asyncio, written by hand; `make client` makes service/client/blocking from it.": (
        "The client without asyncio, made from service/client/asynchronous by `make client`; do not edit it here."
    ),
}


def blocking(source: str) -> str:
    """The source of a module without `async` and `await`, not yet formatted."""
    for heading, made in _HEADINGS.items():
        source = source.replace(heading, made)
    lines = source.splitlines(keepends=True)
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type == tokenize.NAME]
    for token in reversed(tokens):  # from the end, so that the places before stay
        row, (_, start), (_, end) = token.start[0] - 1, token.start, token.end
        if token.string in _DROPPED:
            lines[row] = lines[row][:start] + lines[row][end:].lstrip(" ")
        elif token.string in _RENAMED:
            lines[row] = lines[row][:start] + _RENAMED[token.string] + lines[row][end:]
    return "".join(lines)


def make(folder: Path) -> None:
    """Write every module of the blocking client into a folder, formatted."""
    folder.mkdir(exist_ok=True)
    for file in SOURCE.glob("*.py"):
        (folder / file.name).write_text(blocking(file.read_text(encoding="utf-8")), encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--config", str(CLIENT.parents[1] / "pyproject.toml"), "--no-cache", "--quiet"]
    subprocess.run([*ruff, "check", "--select", "I", "--fix", *config, str(folder)], check=True)
    subprocess.run([*ruff, "format", *config, str(folder)], check=True)


if __name__ == "__main__":
    make(MADE)
