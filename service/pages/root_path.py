"""The path under which a proxy shows this server, such as /regsweep: links on pages begin with it."""

from __future__ import annotations

from contextvars import ContextVar

#: Of the request that is answered; empty where the server has a host of its own.
root_path: ContextVar[str] = ContextVar("root_path", default="")
