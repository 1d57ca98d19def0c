"""Log lines on standard error: one event per line, its facts as key=value, or each line as a JSON object."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import structlog

from service.settings import LogFormat, LogLevel

#: Facts that lines of the standard library's loggers bring with `extra`.
_EXTRA = ("study", "trial", "attempt")
_NOISY = (
    "absl", "aiobotocore", "alembic", "asyncio", "botocore", "filelock", "h5py", "httpx", "optuna", "uvicorn.access",
)  # fmt: skip
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {0x09: "\\t", 0x0A: "\\n"}


def configure_guest() -> None:
    """Print warnings and errors only, and leave the logging of the process to its owner, whose guests we are."""
    if not structlog.is_configured():
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def quiet_tensorflow() -> None:
    """Keep TensorFlow, before it is imported, from saying what the processor can; oneDNN is off as in workers."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


def configure(level: LogLevel, log_format: LogFormat = "text") -> None:
    """Send structlog's and the standard library's lines through one formatter.

    With `json` also warnings, and the traceback that a thread or the process ends with, are objects of one line.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(_EXTRA),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.contextvars.merge_contextvars,
    ]
    structlog.configure(
        # The first drops what the level leaves out, before anything is spent on it.
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=_rendering(log_format),
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # TensorFlow warns of functions that are traced again, as every trial's are.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(max(root.level, logging.WARNING))
    if log_format == "json":
        logging.captureWarnings(True)
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_uncaught_in_thread


def is_json() -> bool:
    """Return whether log lines are JSON objects."""
    return sys.excepthook is _log_uncaught


def refuse(message: str) -> None:
    """Write a user's mistake as a log line."""
    structlog.get_logger("regsweep").error(message)


def relay(lines: Sequence[str]) -> None:
    """Write lines that another process wrote to its standard error; those that are no log lines become some."""
    if not is_json():
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        return
    log = structlog.get_logger("stderr")
    for line in lines:
        if line.startswith("{"):
            sys.stderr.write(f"{line}\n")
        else:
            log.warning(line)


def _rendering(log_format: LogFormat) -> list[structlog.typing.Processor]:
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if log_format == "json":
        return [_name_logger, remove_meta, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # Plain: the fancy one prints every local variable, secrets included.
    plain = structlog.dev.plain_traceback
    return [
        remove_meta,
        _escape_controls,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain),
    ]


def _name_logger(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    event["logger"] = event["_record"].name
    return event


def _escape_controls(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape, in the facts of an event, what would steer a terminal or look like another line."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable() and name not in {"event", "exception", "stack"}:
            event[name] = value.translate(_CONTROLS)
    return event


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    structlog.get_logger("uncaught").critical("the process ends with an error", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(caught: threading.ExceptHookArgs) -> None:
    if caught.exc_value is not None and caught.exc_type is not SystemExit:
        trace = (caught.exc_type, caught.exc_value, caught.exc_traceback)
        thread = None if caught.thread is None else caught.thread.name
        structlog.get_logger("uncaught").error("a thread ends with an error", thread=thread, exc_info=trace)
